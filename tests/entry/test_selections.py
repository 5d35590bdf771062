"""Selections over the sandbox, with the real SDK and hvac: what a list of apps does, and what it must not do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.app.inventory import let_in, take_stock
from rotator.app.reconcile import reconcile
from rotator.core.membership import Kind
from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_console import GivenSecret
from rotator.sandbox.okta_state import AdminRole
from rotator.settings import load
from rotator.wiring import open_worlds
from tests.app.small_world import Told
from tests.entry.site import EXPIRED, SCOPE, WRITES, Site
from tests.fakes.roster import FakeRoster

if TYPE_CHECKING:
    from rotator.app.inventory import Stock
    from rotator.sandbox.okta_state import OktaApp

OKTA_WRITES = Wanted(service="okta", method="POST", path="/api/*")
LISTS = Wanted(service="okta", method="GET", path="/api/v1/apps")
VERIFY = {"authorization_server": "default", "scope": SCOPE}
COMMANDS = ("plan", "status", "verify", "reconcile", "rotate")


class Fleet:
    """Apps whose secrets have all expired, a selection that means them, and a state that outlives each pass."""

    def __init__(self, site: Site) -> None:
        self.site, self.box, self.roster = site, site.box, FakeRoster()
        self.apps: list[OktaApp] = []
        self.select()

    def select(self, name: str = "services", **keys: Any) -> None:
        """Have a selection in the configuration."""
        self.site.selections[name] = {
            "where": {"label": "svc-*"},
            "verify": VERIFY,
            "write_to": [{"mount": "secret", "path": "apps/{app_id}/okta"}],
            **keys,
        }

    def add(self, *labels: str, **traits: Any) -> list[OktaApp]:
        """Add apps, each with a path in Vault that holds its secret."""
        made = [self.box.okta.add_app(label, secrets=[GivenSecret(age=EXPIRED)], **traits) for label in labels]
        for app in made:
            fields = {"client_id": app.client_id, "client_secret": app.secrets[-1].value}
            self.box.vault.put("secret", f"apps/{app.id}/okta", fields)
        self.apps += made
        return made

    def allow(self, role: AdminRole | None) -> None:
        """Have our token's administrator see that much from now on."""
        token = self.box.okta.org.api_tokens[self.site.api_token]
        self.box.okta.org.api_tokens[self.site.api_token] = replace(token, role=role)

    async def go(self) -> Stock:
        """Take stock and carry all on, as a daemon that has just been started does."""
        settings = load(self.site.config)
        async with open_worlds(
            settings, progress=Told(), warn=print, clock=self.box.clock, leases_in=self.site.folder / "leases"
        ) as worlds:
            stock = await take_stock(settings, worlds.okta_of, self.roster, worlds.clock)
            await reconcile(stock.targets, worlds.of)
        return stock

    async def settled(self) -> None:
        """Let all in, rotate what has expired, and see that to its end."""
        await self.go()
        await let_in(self.roster, list(self.site.selections))
        for days in (0, 8, 4):  # the overlap and the soak
            self.box.clock.advance(timedelta(days=days))
            await self.go()
        assert {len(app.secrets) for app in self.apps} == {1}

    def rotated(self, app: OktaApp) -> bool:
        """Say whether consumers have another secret than the first one, and one that works."""
        record = self.box.vault.read("secret", f"apps/{app.id}/okta") or {}
        return "rotation_id" in record and record["client_secret"] in set(app.accepted(self.box.clock.now()))

    def expire(self) -> None:
        """Let everything be due again; our own API token does not live for long unused."""
        self.site.policy = "{mode: auto, rotate_after: 12d}"
        self.box.clock.advance(timedelta(days=13))

    def writes(self, since: int) -> tuple[int, int]:
        return self.box.journal.count(WRITES, since=since), self.box.journal.count(OKTA_WRITES, since=since)


@pytest.fixture
def fleet(site: Site) -> Fleet:
    return Fleet(site)


def kinds(stock: Stock) -> list[Kind]:
    return [notice.kind for notice in stock.notices]


# --- what happens to a fleet ----------------------------------------------------------------------------------


async def test_a_new_app_is_observed_and_rotated_once_it_is_let_in(fleet: Fleet) -> None:
    (first,) = fleet.add("svc-1")
    stock = await fleet.go()
    assert kinds(stock) == [Kind.CHANGED]
    assert fleet.writes(0) == (0, 0)

    await let_in(fleet.roster, ["services"])
    (second,) = fleet.add("svc-2")
    await fleet.go()

    assert (fleet.rotated(first), fleet.rotated(second)) == (True, False)
    await let_in(fleet.roster, [f"services/{second.id}"])
    assert kinds(await fleet.go()) == []
    assert fleet.rotated(second)


async def test_a_newcomer_may_be_rotated_at_once(fleet: Fleet) -> None:
    fleet.select(newcomers="policy")
    (app,) = fleet.add("svc-1")

    await fleet.go()

    assert fleet.rotated(app)


async def test_apps_of_one_label_have_paths_of_their_own(fleet: Fleet) -> None:
    first, second = fleet.add("svc-same", "svc-same")

    await fleet.settled()

    assert (fleet.rotated(first), fleet.rotated(second)) == (True, True)


async def test_the_client_id_may_build_the_path(fleet: Fleet) -> None:
    fleet.select(write_to=[{"mount": "secret", "path": "clients/{client_id}"}])
    (app,) = fleet.add("svc-1", client_id="billing-client")

    await fleet.settled()

    assert (fleet.box.vault.read("secret", "clients/billing-client") or {})["client_id"] == "billing-client"
    assert app.secrets


def renamed(fleet: Fleet) -> None:
    fleet.apps[0].label = "renamed"


def switched_off(fleet: Fleet) -> None:
    fleet.box.okta.deactivate_app_by_admin(fleet.apps[0])


def removed(fleet: Fleet) -> None:
    fleet.box.okta.delete_app_by_admin(fleet.apps[0])


def hidden(fleet: Fleet) -> None:
    fleet.allow(AdminRole(apps=frozenset(app.id for app in fleet.apps[1:])))


@pytest.mark.parametrize("happens", [renamed, switched_off, removed, hidden])
async def test_who_is_gone_is_left_alone_and_told_once(fleet: Fleet, happens: Any) -> None:
    fleet.add("svc-1", "svc-2", "svc-3", "svc-4")
    await fleet.settled()
    gone, *others = fleet.apps
    before = {app.id: fleet.box.vault.read("secret", f"apps/{app.id}/okta") for app in fleet.apps}
    fleet.expire()
    happens(fleet)

    told = [kind for _ in range(3) for kind in kinds(await fleet.go())]

    assert told == [Kind.CHANGED]
    assert fleet.box.vault.read("secret", f"apps/{gone.id}/okta") == before[gone.id]
    for app in others:
        assert fleet.rotated(app)
        assert fleet.box.vault.read("secret", f"apps/{app.id}/okta") != before[app.id]


async def test_who_comes_back_goes_on(fleet: Fleet) -> None:
    fleet.add("svc-1", "svc-2", "svc-3", "svc-4")
    await fleet.settled()
    fleet.apps[0].label = "renamed"
    await fleet.go()
    fleet.apps[0].label = "svc-1"
    fleet.expire()
    calls = fleet.box.journal.mark()

    assert kinds(await fleet.go()) == [Kind.CHANGED]

    assert fleet.box.journal.count(Wanted(kind="kv.write", path=f"*/{fleet.apps[0].id}/okta"), since=calls) == 1


def nothing_seen(fleet: Fleet) -> None:
    fleet.allow(AdminRole(apps=frozenset()))


def nothing_allowed(fleet: Fleet) -> None:
    fleet.allow(AdminRole(read=False))


def half_seen(fleet: Fleet) -> None:
    fleet.allow(AdminRole(apps=frozenset(app.id for app in fleet.apps[2:])))


def half_renamed(fleet: Fleet) -> None:
    for app in fleet.apps[:2]:
        app.label = "renamed"


@pytest.mark.parametrize("happens", [nothing_seen, nothing_allowed, half_seen, half_renamed])
async def test_a_list_that_is_not_believed_has_nothing_written_and_is_one_notice(fleet: Fleet, happens: Any) -> None:
    fleet.add("svc-1", "svc-2", "svc-3", "svc-4")
    await fleet.settled()
    fleet.expire()
    happens(fleet)
    calls = fleet.box.journal.mark()

    stocks = [await fleet.go() for _ in range(3)]

    assert {notice for stock in stocks for notice in stock.notices} == set(stocks[0].notices)
    assert kinds(stocks[0]) == [Kind.NOT_BELIEVED]
    assert stocks[0].notices[0].hint
    assert fleet.writes(calls) == (0, 0)


async def test_a_fleet_goes_on_when_the_list_is_plausible_again(fleet: Fleet) -> None:
    fleet.add("svc-1", "svc-2", "svc-3")
    await fleet.settled()
    fleet.expire()
    nothing_seen(fleet)
    await fleet.go()
    fleet.allow(AdminRole())
    calls = fleet.box.journal.mark()

    assert kinds(await fleet.go()) == [Kind.BELIEVED]
    assert fleet.writes(calls)[0] > 0


async def test_a_fleet_goes_on_without_the_missing_when_a_person_believes_the_list(fleet: Fleet) -> None:
    fleet.add("svc-1", "svc-2", "svc-3", "svc-4")
    await fleet.settled()
    half_renamed(fleet)
    fleet.expire()
    await fleet.go()
    gone = [fleet.box.vault.read("secret", f"apps/{app.id}/okta") for app in fleet.apps[:2]]
    await let_in(fleet.roster, ["services"])
    calls = fleet.box.journal.mark()

    assert kinds(await fleet.go()) == []

    assert fleet.writes(calls)[0] > 0
    assert [fleet.box.vault.read("secret", f"apps/{app.id}/okta") for app in fleet.apps[:2]] == gone


async def test_too_many_matches_make_nobody_a_member(fleet: Fleet) -> None:
    fleet.select(max_matches=2, newcomers="policy")
    fleet.add("svc-1", "svc-2", "svc-3")

    stock = await fleet.go()

    assert (kinds(stock), stock.targets) == ([Kind.REFUSED], ())
    assert fleet.writes(0) == (0, 0)


async def test_an_app_that_is_a_target_as_well_is_blocked_on_both_sides(fleet: Fleet) -> None:
    fleet.select(newcomers="policy")
    app = fleet.site.add("svc-listed")
    (other,) = fleet.add("svc-other")

    listed, *members = (await fleet.go()).targets

    conflicts = {target.app_id: target.conflict for target in members}
    assert listed.conflict == f"target `services/{app.id}` has the same app"
    assert conflicts == {app.id: "target `svc-listed` has the same app", other.id: None}
    assert fleet.site.holder(app, "svc-listed") is app.secrets[0]
    assert fleet.rotated(other)


async def test_a_restart_while_okta_is_down_knows_its_members(fleet: Fleet) -> None:
    fleet.add("svc-1", "svc-2")
    await fleet.settled()
    before = await fleet.go()
    fleet.box.faults.drop(Wanted(service="okta"), when="before", times=None)

    stock = await fleet.go()

    assert stock.targets == before.targets
    assert kinds(stock) == [Kind.NOT_LISTED]
    fleet.box.faults.clear()
    assert kinds(await fleet.go()) == []


# --- the commands ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["services", "services/{id}", "{id}"])
def test_a_command_takes_a_selection_a_member_or_its_app(fleet: Fleet, command: str, name: str) -> None:
    fleet.select(newcomers="policy")
    (app,) = fleet.add("svc-1")

    ran = fleet.site.run(command, name.format(id=app.id), "-o", "json")

    assert ran.code == 0, ran.err
    (target,) = ran.json()["targets"]
    assert (target["target"], target["path"]) == (f"services/{app.id}", f"secret/apps/{app.id}/okta")
    assert fleet.rotated(app) is (command in {"reconcile", "rotate"})


@pytest.mark.parametrize("command", COMMANDS)
def test_all_are_those_of_the_configuration_and_the_members(fleet: Fleet, command: str) -> None:
    fleet.site.add("billing")
    fleet.add("svc-1", "svc-2")

    ran = fleet.site.run(command, *(["--all"] if command == "rotate" else []), "-o", "json")

    names = [target["target"] for target in ran.json()["targets"]]
    assert names == ["billing", *sorted(f"services/{app.id}" for app in fleet.apps)]
    assert fleet.box.journal.count(LISTS) == 1


def test_a_command_only_observes_who_is_new_to_it_and_says_how_that_ends(fleet: Fleet) -> None:
    (app,) = fleet.add("svc-1")

    ran = fleet.site.run("rotate", "services")
    forced = fleet.site.run("rotate", "services", "--force")

    assert (ran.code, forced.code) == (1, 2)
    hint = f"Only observed, so nothing was changed: it is new; `rotator resume services/{app.id}` lets it in."
    assert hint in ran.out
    assert f"--force cannot rotate services/{app.id}: it is only observed, since it is new" in forced.err
    assert fleet.writes(0) == (0, 0)


def test_a_command_without_selections_lists_nothing(fleet: Fleet) -> None:
    fleet.site.selections.clear()
    fleet.site.add("billing")

    assert fleet.site.run("status").code == 0
    assert fleet.box.journal.count(LISTS) == 0


def test_an_unknown_member_is_corrected(fleet: Fleet) -> None:
    (app,) = fleet.add("svc-1")

    ran = fleet.site.run("status", f"services/{app.id[:-1]}")

    assert ran.code == 2
    assert f"did you mean `services/{app.id}`?" in ran.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_selection_that_cannot_be_listed_is_a_failure_of_its_own(fleet: Fleet, command: str) -> None:
    fleet.box.faults.answer(503, LISTS, body={}, times=None)
    fleet.site.add("billing")

    ran = fleet.site.run(command, *(["--all"] if command == "rotate" else []), "-o", "json")

    assert ran.code == 3
    billing, services = ran.json()["targets"]
    assert (billing["target"], billing["exit_code"]) == ("billing", 0)
    assert (services["target"], services["exit_code"], services["error"]["kind"]) == ("services", 5, "UnavailableError")


@pytest.mark.parametrize(
    ("happens", "code"), [pytest.param("down", 5, id="an outage"), pytest.param("refused", 1, id="a lost permission")]
)
def test_a_member_that_nobody_could_tell_us_of_is_no_misspelt_name(fleet: Fleet, happens: str, code: int) -> None:
    (app,) = fleet.add("svc-1")
    fleet.box.faults.answer(503 if happens == "down" else 403, LISTS, body={}, times=None)

    ran = fleet.site.run("status", f"services/{app.id}")

    assert ran.code == code
    assert "did you mean" not in ran.err


def test_adopt_takes_a_member_and_not_a_selection_of_several(fleet: Fleet) -> None:
    fleet.select(newcomers="policy")
    app, _ = fleet.add("svc-1", "svc-2")
    fleet.box.okta.add_secret_by_admin(app)
    fleet.box.okta.revoke(app, app.secrets[0].id)

    several = fleet.site.run("adopt", "services")
    ran = fleet.site.run("adopt", f"services/{app.id}", "--yes")

    assert (several.code, ran.code) == (2, 0)
    assert "'services' is a selection with 2 members; name one of them" in several.err
    assert fleet.rotated(app)


def test_adopt_says_why_it_cannot_tell_who_is_meant(fleet: Fleet) -> None:
    fleet.box.faults.answer(503, LISTS, body={}, times=None)

    ran = fleet.site.run("adopt", "services")

    assert ran.code == 5
    assert "is a selection with" not in ran.err


def test_what_a_command_finds_out_is_in_the_log(fleet: Fleet) -> None:
    fleet.add("svc-1")
    key = fleet.box.okta.add_app("svc-key", auth_method="private_key_jwt")

    ran = fleet.site.run("status", "-o", "json")

    assert [(event["event"], event["level"], event["selection"]) for event in ran.events()] == [
        ("selection_members_changed", "info", "services"),
        ("selection_apps_passed_over", "warning", "services"),
    ]
    assert f"svc-key ({key.id})" in ran.events()[-1]["detail"]
