"""Taking an inventory: what is asked of whom, what is written down, and when an org is left alone."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.app.discover import ENOUGH, PATIENCE, RETENTION, Registry, ask, survey
from rotator.core.budget import Window, haste
from rotator.core.inventory import BATCH, Entry
from rotator.core.last_use import Request, Requests, UseOf, names_of
from rotator.core.model import AppId, AuthMethod, KvPath, Policy, SecretStatus, Target
from rotator.core.secret_value import SecretValue
from rotator.core.sharing import Sites
from rotator.errors import MissingError, RefusedError, UnavailableError
from tests.app.small_world import Flaky
from tests.fakes.okta import NOON, FakeOkta, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from rotator.app.discover import Asked
    from rotator.core.last_use import Holding
    from rotator.core.model import App
    from rotator.core.selection import Selection
    from rotator.errors import RotatorError

DAY = timedelta(days=1)
WINDOW = Window(limit=100, left=90, ours=1, resets=0, opens=NOON)


@dataclass
class ShortPages:
    """A System Log that shows so many requests at once, and can have errors to tell."""

    page: int = 100
    requests: list[Request] = field(default_factory=list)
    errors: list[RotatorError] = field(default_factory=list)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    since: set[datetime] = field(default_factory=set)
    patience: set[timedelta] = field(default_factory=set)

    def used(self, app_id: str, ago: timedelta, value: str | None, *, refused: bool = False) -> None:
        shown = SecretValue(value).hash if value else None
        self.requests.append(Request(NOON - ago, frozenset({app_id}), shown, refused))

    async def of_clients(self, apps: Sequence[App], since: datetime, *, refused: bool = False) -> Requests:
        names = {name for app in apps for name in names_of(app)}
        self.asked.append((*(["refused"] if refused else []), *(str(app.id) for app in apps)))
        return self._found([each for each in self.requests if each.client & names and each.refused >= refused], since)

    async def of_hashes(self, hashes: Sequence[str], since: datetime) -> Requests:
        self.asked.append(("hash", *hashes))
        return self._found([each for each in self.requests if each.hash in hashes], since)

    def _found(self, found: list[Request], since: datetime) -> Requests:
        self.since.add(since)
        self.patience.add(haste().waits)
        if self.errors:
            raise self.errors.pop(0)
        newest_first = sorted((each for each in found if each.at >= since), key=lambda each: each.at, reverse=True)
        return Requests(tuple(newest_first[: self.page]), whole=len(newest_first) <= self.page)


@dataclass
class Pad:
    """A notebook in memory."""

    known: dict[AppId, Holding] = field(default_factory=dict)
    written: list[Holding] = field(default_factory=list)
    is_open: bool = False

    def recall(self) -> Mapping[AppId, Holding]:
        return self.known

    @contextmanager
    def open(self) -> Iterator[Callable[[Holding], None]]:
        self.is_open = True
        yield self.written.append
        self.is_open = False


class Org:
    """One org, its log and what is known of it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.okta = FakeOkta(self.clock)
        self.flaky = Flaky(self.okta)
        self.log, self.pad = ShortPages(), Pad()
        self.registry = Registry("acme.okta.com", self.flaky, self.log, self.pad, lambda: WINDOW, self.clock)
        self.told: list[Entry] = []

    def add(self, *app_ids: str, values: Sequence[str] = ()) -> None:
        for app_id in app_ids:
            self.okta.add_app(app_id, *(values or [app_id * 10]))

    def entries(self, *app_ids: str) -> list[Entry]:
        return [Entry("acme", self.okta.app(app_id)) for app_id in app_ids]

    async def ask(self, *app_ids: str) -> Asked:
        def tell(entry: Entry) -> None:
            assert self.pad.is_open
            self.told.append(entry)

        found = await ask(self.registry, self.entries(*app_ids), tell)
        assert list(found.entries) == self.told
        assert not self.pad.is_open
        return found


@dataclass(frozen=True)
class Config:
    """What a configuration wants."""

    targets: tuple[Target, ...] = ()
    selections: tuple[Selection, ...] = ()
    sites: Sites = Sites({"acme": "acme.okta.com"}, {})  # noqa: RUF009


@pytest.fixture
def org() -> Org:
    return Org()


def uses(entry: Entry) -> list[tuple[UseOf, timedelta | None]]:
    assert entry.holding
    return [(each.used.of, NOON - each.used.at if each.used.at else None) for each in entry.holding.secrets]


# --- which apps there are ---------------------------------------------------------------------------------------


async def test_the_apps_of_an_org_are_told_with_who_keeps_them_and_what_was_found_before(org: Org) -> None:
    org.add("0oa1", "0oa2")
    org.okta.add_app("0oa3", auth_method=AuthMethod.NONE)
    await org.ask("0oa2")
    org.pad.known = {AppId("0oa2"): org.pad.written[0]}
    path = KvPath("kv", "billing")
    config = Config((Target("billing", "acme", "main", AppId("0oa1"), path, path, Policy()),))

    found = await survey("acme", lambda _: org.registry, config, members=())

    first, second = found.entries
    assert (found.others, found.window, found.error) == (1, WINDOW, None)
    assert first.keeper
    assert (first.org, first.app.id, first.keeper.name, first.holding, first.cached) == (
        "acme",
        "0oa1",
        "billing",
        None,
        False,
    )
    assert (second.app.id, second.keeper, second.holding, second.cached) == ("0oa2", None, org.pad.written[0], True)


async def test_an_org_that_cannot_be_asked_is_told_with_the_reason(org: Org) -> None:
    def no_login(_: str) -> Registry:
        raise RefusedError("no key")

    found = await survey("acme", no_login, Config(), members=())

    assert (found.org, str(found.error), found.entries) == ("acme", "no key", ())


# --- what is asked of the log -----------------------------------------------------------------------------------


async def test_many_clients_cost_the_log_one_question(org: Org) -> None:
    ids = [f"0oa{number:02}" for number in range(BATCH + 1)]
    org.add(*ids)
    org.log.used(ids[3], DAY, ids[3] * 10)

    found = await org.ask(*ids)

    assert org.log.asked == [tuple(ids[:BATCH]), (ids[BATCH],)]
    assert org.log.since == {NOON - RETENTION}
    assert org.log.patience == {PATIENCE}
    assert uses(found.entries[3]) == [(UseOf.SECRET, DAY)]
    assert uses(found.entries[4]) == [(UseOf.CLIENT, None)], "known not to have been used"
    assert [each.app_id for each in org.pad.written] == ids
    assert (found.log_error, found.error, haste().waits == PATIENCE) == (None, None, False)


async def test_a_busy_client_hides_nobody(org: Org) -> None:
    org.add("0oa1", "0oa2", "0oa3")
    org.log.page = 2
    for minutes in range(5):
        org.log.used("0oa2", timedelta(minutes=minutes), "0oa2" * 10)
    org.log.used("0oa3", 9 * DAY, "0oa3" * 10)

    found = await org.ask("0oa1", "0oa2", "0oa3")

    assert org.log.asked == [("0oa1", "0oa2", "0oa3"), ("0oa1", "0oa3")]
    assert [uses(each) for each in found.entries] == [
        [(UseOf.CLIENT, None)],
        [(UseOf.SECRET, timedelta(0))],
        [(UseOf.SECRET, 9 * DAY)],
    ]


async def test_where_all_are_busy_each_is_known_by_its_last_use(org: Org) -> None:
    org.add("0oa1", "0oa2")
    org.log.page = 2
    for minutes in range(4):
        org.log.used("0oa1", timedelta(minutes=minutes), "0oa1" * 10)
        org.log.used("0oa2", timedelta(minutes=minutes), "0oa2" * 10)

    found = await org.ask("0oa1", "0oa2")

    assert org.log.asked == [("0oa1", "0oa2")]
    assert [uses(each) for each in found.entries] == [[(UseOf.SECRET, timedelta(0))]] * 2


async def test_of_two_secrets_the_one_that_was_not_met_is_asked_for_by_itself(org: Org) -> None:
    org.add("0oa1", values=["a" * 40, "b" * 40])
    org.log.page = 2
    org.log.used("0oa1", 5 * DAY, "a" * 40)
    for minutes in range(3):
        org.log.used("0oa1", timedelta(minutes=minutes), "b" * 40)

    found = await org.ask("0oa1")

    assert org.log.asked == [("0oa1",), ("hash", SecretValue("a" * 40).hash)]
    assert sorted(uses(found.entries[0]), key=str) == [(UseOf.SECRET, timedelta(0)), (UseOf.SECRET, 5 * DAY)]
    before, after = org.pad.written
    assert before.secrets != after.secrets
    assert before.asked_at == after.asked_at
    assert found.entries[0].holding == after


@pytest.mark.parametrize("answers", [True, False], ids=["it answers", "it is away"])
async def test_that_a_hash_is_nowhere_is_known_only_where_the_log_answered(org: Org, answers: bool) -> None:
    org.add("0oa1", values=["a" * 40, "b" * 40])
    org.log.page = 2
    for minutes in range(3):
        org.log.used("0oa1", timedelta(minutes=minutes), "b" * 40)

    class Away(ShortPages):
        async def of_hashes(self, hashes: Sequence[str], since: datetime) -> Requests:
            raise UnavailableError("the log is away")

    log = org.log if answers else Away(page=2, requests=org.log.requests)
    found = await ask(replace(org.registry, clients=log), org.entries("0oa1"), org.told.append)

    assert sorted(of.value for of, _ in uses(found.entries[0])) == ["secret", "secret" if answers else "unknown"]
    assert str(found.log_error) == ("None" if answers else "the log is away")


async def test_who_is_refused_since_a_secret_is_off_is_asked_for_by_itself(org: Org) -> None:
    org.add("0oa1", values=["a" * 40, "b" * 40])
    org.clock.advance(-50 * DAY)
    with org.okta.by("admin") as okta:
        await okta.deactivate_secret(AppId("0oa1"), org.okta.held()[0].id)
    org.clock.advance(50 * DAY)
    org.log.page = 2
    org.log.used("0oa1", 30 * DAY, "a" * 40, refused=True)
    org.log.used("0oa1", 40 * DAY, "a" * 40)
    for minutes in range(3):
        org.log.used("0oa1", timedelta(minutes=minutes), "b" * 40)

    found = await org.ask("0oa1")

    assert org.log.asked[-1] == ("refused", "0oa1")
    assert found.entries[0].holding
    (off,) = [each for each in found.entries[0].holding.secrets if each.status is SecretStatus.INACTIVE]
    assert off.tried_at == NOON - 30 * DAY
    assert org.pad.written[-1] == found.entries[0].holding


async def test_that_nobody_was_refused_is_known_only_where_the_log_answered(org: Org) -> None:
    org.add("0oa1", values=["a" * 40, "b" * 40])
    with org.okta.by("admin") as okta:
        await okta.deactivate_secret(AppId("0oa1"), org.okta.held()[0].id)
    org.log.page = 2
    for value in "ab" * 3:
        org.log.used("0oa1", timedelta(0), value * 40)

    class Away(ShortPages):
        async def of_clients(self, apps: Sequence[App], since: datetime, *, refused: bool = False) -> Requests:
            if refused:
                raise UnavailableError("the log is away")
            return await super().of_clients(apps, since, refused=refused)

    log = Away(page=2, requests=org.log.requests)
    found = await ask(replace(org.registry, clients=log), org.entries("0oa1"), org.told.append)

    assert found.entries[0].holding
    assert [each.tried_at for each in found.entries[0].holding.secrets] == [None, None]
    assert (str(found.log_error), len(org.pad.written)) == ("the log is away", 1)


async def test_a_log_that_may_not_be_read_is_asked_once(org: Org) -> None:
    ids = [f"0oa{number:02}" for number in range(BATCH + 1)]
    org.add(*ids)
    org.log.errors = [RefusedError("no right to read it")]

    found = await org.ask(*ids)

    assert len(org.log.asked) == 1
    assert str(found.log_error) == "no right to read it"
    assert {of for entry in found.entries for of, _ in uses(entry)} == {UseOf.UNKNOWN}


async def test_a_log_that_was_away_is_asked_for_the_next_ones(org: Org) -> None:
    ids = [f"0oa{number:02}" for number in range(BATCH + 1)]
    org.add(*ids)
    org.log.errors = [UnavailableError("away")]

    found = await org.ask(*ids)

    assert len(org.log.asked) == 2
    assert [uses(found.entries[number])[0][0] for number in (0, BATCH)] == [UseOf.UNKNOWN, UseOf.CLIENT]
    assert str(found.log_error) == "away"


# --- what is asked of the org -----------------------------------------------------------------------------------


async def test_an_answer_counts_from_when_it_was_asked_and_is_none_that_was_kept(org: Org) -> None:
    org.add("0oa1")
    known = replace(org.entries("0oa1")[0], cached=True)

    found = await ask(org.registry, [known], org.told.append)

    assert (found.entries[0].cached, found.entries[0].failed) == (False, "")
    assert org.pad.written[0].asked_at == NOON


async def test_one_that_fails_is_told_and_the_others_are_asked(org: Org) -> None:
    org.add("0oa1", "0oa2")
    org.flaky.fail("list_secrets", RefusedError("not this one"))

    found = await org.ask("0oa1", "0oa2")

    assert [(each.failed, each.holding is None) for each in found.entries] == [("not this one", True), ("", False)]
    assert found.error is None


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        pytest.param([UnavailableError("away")] * 9, ENOUGH, id="three in a row"),
        pytest.param([RefusedError("no")] * 9, ENOUGH, id="three that are refused"),
        pytest.param([UnavailableError("away"), UnavailableError("away"), None, UnavailableError("away")], 6, id="two"),
        pytest.param([MissingError("gone")] * 9, 6, id="apps that are gone meanwhile"),
    ],
)
async def test_an_org_that_does_not_answer_is_left_alone_after_three(
    org: Org, answers: Sequence[RotatorError | None], asked: int
) -> None:
    ids = [f"0oa{number}" for number in range(6)]
    org.add(*ids)
    org.flaky.fail("list_secrets", *answers)

    found = await org.ask(*ids)

    assert len(found.entries) == asked
    assert (found.error is not None) is (asked < len(ids))
    if found.error:
        assert str(found.error) == str(answers[0])
