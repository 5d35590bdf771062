"""Taking stock: how Okta is asked, what the roster keeps, and who the targets are when nobody answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.app.inventory import FEW, let_in, take_stock
from rotator.core.budget import Haste, Share, haste, in_haste
from rotator.core.membership import Kind
from rotator.core.model import AppId, KvPath, Mode, Target
from rotator.core.selection import Selection
from rotator.core.sharing import Sites, VaultSite
from rotator.errors import ConfigError, InvariantError, MissingError, RefusedError, UnavailableError
from tests.app.small_world import AUTO
from tests.fakes.okta import FakeOkta, ManualClock
from tests.fakes.roster import FakeRoster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from rotator.app.inventory import Stock
    from rotator.core.model import App
    from rotator.ports import OktaAdmin

HOUR = timedelta(hours=1)


class CountedOkta(FakeOkta):
    """An org that counts how it is asked, and can break off after some apps."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.lists = 0
        self.gets = 0
        self.shares: set[Share] = set()
        self.fails: Exception | None = None
        self.after = 0
        self.meanwhile: list[Awaitable[object]] = []  # what people do while the list is long

    async def get_app(self, app: AppId) -> App | None:
        self.gets += 1
        return await super().get_app(app)

    async def list_apps(self, *, pages: int | None = None) -> AsyncIterator[App]:
        self.lists += 1
        self.shares.add(haste().share)
        listed = 0
        async for app in super().list_apps(pages=pages):
            if self.fails and listed == self.after:
                raise self.fails
            listed += 1
            yield app
        if self.fails:
            raise self.fails
        for act in self.meanwhile:
            await act


def selection(name: str = "services", *, org: str = "acme", label: str | None = "svc-*", apps: str = "") -> Selection:
    target = Target(
        name=name,
        org=org,
        vault="main",
        app_id=AppId("{app_id}"),
        consumer=KvPath("kv", f"{name}/{{app_id}}"),
        staging=KvPath("secret", f"rotator/staging/{org}/{{app_id}}"),
        policy=AUTO,
    )
    ids = frozenset(AppId(each) for each in apps.split())
    return Selection(name, target, label=None if ids else label, apps=ids)


@dataclass
class House:
    """Two orgs, a configuration with selections, and a roster that outlives everything."""

    clock: ManualClock = field(default_factory=ManualClock)
    roster: FakeRoster = field(default_factory=FakeRoster)
    selections: tuple[Selection, ...] = (selection(),)
    targets: tuple[Target, ...] = ()
    unopened: str = ""  # an org that cannot even be tried

    def __post_init__(self) -> None:
        self.orgs = {alias: CountedOkta(self.clock) for alias in ("acme", "beta")}
        self.okta = self.orgs["acme"]
        self.sites = Sites(
            {alias: f"{alias}.okta.com" for alias in self.orgs},
            {"main": VaultSite("https://vault", None, KvPath("secret", "rotator/staging"))},
        )
        for number in (1, 2, 3):
            self.okta.add_app(f"0oa{number}", label=f"svc-{number}")

    def okta_of(self, alias: str) -> OktaAdmin:
        if alias == self.unopened:
            raise ConfigError(["the key file is gone"])
        return self.orgs[alias]

    async def take(self, *, after: timedelta = HOUR) -> Stock:
        self.clock.advance(after)
        return await take_stock(self, self.okta_of, self.roster, self.clock)

    def rename(self, app_id: str, label: str) -> None:
        self.okta.change_app(replace(self.okta.app(app_id), label=label))


def acting(stock: Stock) -> list[str]:
    return [target.name for target in stock.targets if target.policy.mode is not Mode.OBSERVE]


def kinds(stock: Stock) -> list[tuple[str, Kind]]:
    return [(notice.selection, notice.kind) for notice in stock.notices]


# --- how Okta is asked ----------------------------------------------------------------------------------------


async def test_an_org_is_listed_once_for_all_its_selections_as_routine() -> None:
    house = House(selections=(selection(), selection("twins", label="s*"), selection("beta", org="beta")))
    with in_haste(Haste(Share.URGENT)):
        stock = await house.take()

    assert (house.okta.lists, house.okta.gets, house.orgs["beta"].lists) == (1, 0, 1)
    assert house.okta.shares == {Share.ROUTINE}
    assert [target.name for target in stock.targets][:2] == ["services/0oa1", "services/0oa2"]


async def test_a_few_apps_by_their_ids_are_asked_for_one_by_one() -> None:
    house = House(selections=(selection(apps="0oa1 0oa9"), selection("others", apps="0oa1 0oa2")))
    stock = await house.take()

    assert (house.okta.lists, house.okta.gets) == (0, 3)
    assert [member.name for member in stock.members] == ["services/0oa1", "others/0oa1", "others/0oa2"]
    assert ("services", Kind.NOT_FOUND) in kinds(stock)


async def test_of_an_org_only_its_own_apps_are_asked_for() -> None:
    house = House(selections=(selection(apps="0oa1"), selection("beta", org="beta", apps="0oa2")))
    await house.take()

    assert (house.okta.gets, house.orgs["beta"].gets) == (1, 1)


async def test_a_few_are_so_many() -> None:
    house = House(selections=(selection(apps=" ".join(f"0oa{n}" for n in range(FEW))),))
    await house.take()

    assert (house.okta.lists, house.okta.gets) == (0, FEW)


@pytest.mark.parametrize(
    "selections",
    [
        pytest.param((selection(apps=" ".join(f"0oa{n}" for n in range(FEW + 1))),), id="many ids"),
        pytest.param((selection(apps="0oa1"), selection("labels")), id="a pattern beside them"),
    ],
)
async def test_else_the_org_is_listed(selections: tuple[Selection, ...]) -> None:
    house = House(selections=selections)
    await house.take()

    assert (house.okta.lists, house.okta.gets) == (1, 0)


async def test_without_selections_nobody_is_asked() -> None:
    house = House(selections=())

    assert (await house.take()).targets == ()
    assert house.okta.lists == 0


# --- what the roster keeps ------------------------------------------------------------------------------------


async def test_only_what_has_changed_is_written() -> None:
    house = House()
    await house.take()
    assert house.roster.written == 3

    await house.take()
    assert house.roster.written == 3

    house.rename("0oa2", "elsewhere")
    await house.take()
    assert house.roster.written == 4


async def test_a_person_lets_in_whom_they_name() -> None:
    house = House()
    assert acting(await house.take()) == []

    changed = await let_in(house.roster, ["services/0oa1"])

    assert [member.name for member in changed] == ["services/0oa1"]
    assert acting(await house.take()) == ["services/0oa1"]


async def test_who_is_let_in_while_the_list_is_read_stays_in() -> None:
    house = House()
    await house.take()
    house.rename("0oa2", "svc-renamed")
    house.okta.meanwhile.append(let_in(house.roster, ["services"]))

    assert acting(await house.take()) == ["services/0oa1", "services/0oa2", "services/0oa3"]


async def test_a_name_that_nobody_has_lets_nobody_in() -> None:
    house = House()
    await house.take()

    with pytest.raises(MissingError, match="0oa9"):
        await let_in(house.roster, ["services/0oa1", "services/0oa9"])
    assert acting(await house.take()) == []


async def test_a_selection_that_is_not_configured_any_more_is_forgotten() -> None:
    house = House()
    await house.take()
    house.selections = (selection("others"),)
    await house.take()

    assert {member.selection for member in await house.roster.members()} == {"others"}


# --- when Okta does not answer, or not as usual ---------------------------------------------------------------


async def test_members_are_known_after_a_restart_while_okta_is_down() -> None:
    house = House()
    await house.take()
    await let_in(house.roster, ["services"])
    before = await house.take()
    house.okta.fails = UnavailableError("no answer")

    stock = await house.take()

    assert stock.targets == before.targets
    assert acting(stock) == ["services/0oa1", "services/0oa2", "services/0oa3"]
    assert kinds(stock) == [("services", Kind.NOT_LISTED)]


async def test_a_list_that_breaks_off_is_none() -> None:
    house = House()
    before = await house.take()
    house.okta.fails, house.okta.after = UnavailableError("no answer"), 1

    assert (await house.take()).members == before.members


async def test_an_org_that_cannot_be_tried_is_no_reason_for_the_others() -> None:
    house = House(selections=(selection(), selection("beta", org="beta")), unopened="acme")
    house.orgs["beta"].add_app("0oa8", label="svc-8")

    stock = await house.take()

    assert [target.name for target in stock.targets] == ["beta/0oa8"]
    assert ("services", Kind.NOT_LISTED) in kinds(stock)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RefusedError("You do not have permission", code="E0000006"), id="a permission is lost"),
        pytest.param(InvariantError("the list of apps does not end"), id="a list without an end"),
    ],
)
async def test_a_list_that_is_refused_has_all_only_observe_until_there_is_one(error: Exception) -> None:
    house = House()
    await house.take()
    await let_in(house.roster, ["services"])
    house.okta.fails = error

    refused, again = await house.take(), await house.take()

    assert acting(refused) == []
    assert kinds(refused) == [("services", Kind.NOT_BELIEVED)]
    assert again.notices == refused.notices
    house.okta.fails = None
    assert acting(await house.take()) == ["services/0oa1", "services/0oa2", "services/0oa3"]


async def test_a_roster_out_of_reach_is_no_empty_roster() -> None:
    house = House()
    house.roster.out = True

    with pytest.raises(UnavailableError, match="state database"):
        await house.take()
