"""`rotator simulate`: what it prints, and that it comes true: by the real daemon, at the sandbox."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from rotator.core import capacity_warnings
from rotator.core.agenda import Pace
from rotator.core.capacity import played
from rotator.core.capacity_minutes import CALLS, REMOVAL, ROTATION, Room
from rotator.core.capacity_scene import Member, Scene
from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from rotator.settings import load
from tests.entry.by_hand import lived
from tests.entry.documents import DOCS, blocks_of, code_in, rows_of, sections_of
from tests.entry.site import APPS, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.entry.site import Ran

MONDAY = datetime(2026, 3, 2, 6, tzinfo=UTC)
POLICY = (
    '{"mode": "auto", "rotate_after": "30d", "overlap": "3d", "soak": "1d", "backlog_spread": "4d",'
    ' "wave": {"canary": 1, "size": 2, "spacing": "10m"},'
    ' "windows": [{"days": ["mon", "tue", "wed", "thu"], "from": "09:00", "to": "16:00", "zone": "UTC"}]}'
)
AGES = (1, 12, 13, 14, 15, 29, 40, 60)  # days
FOR = ("--targets", "300", "--start", "2026-01-01", "--days", "90")
SECRETS = "/api/v1/apps/{app}/credentials/secrets"
KINDS = {
    f"GET {SECRETS}": "look",
    f"POST {SECRETS}": "create",
    f"POST {SECRETS}/{{secret}}/lifecycle/deactivate": "deactivate",
    f"DELETE {SECRETS}/{{secret}}": "delete",
}


@pytest.fixture
def still() -> Iterator[Sandbox]:
    """A sandbox whose clock stands still; our token outlives that nobody uses it."""
    okta = OktaSettings(api_token_idle_life=None)
    with Sandbox(clock=SandboxClock(MONDAY, speed=0), okta=okta) as box:
        yield box


def made(box: Sandbox) -> Counter[str]:
    """Count the calls of the small bucket by what the simulation calls them."""
    return Counter(KINDS[call.kind] for call in box.journal.calls(APPS))


# --- it comes true ------------------------------------------------------------------------------------------


def test_the_daemon_makes_as_many_calls_as_were_told(still: Sandbox, clean: None, tmp_path: Path) -> None:
    span, pace = timedelta(days=45), Pace(resync=timedelta(days=7))
    site = Site(still, tmp_path, policy=POLICY, extra={"state": {"url": f"sqlite:///{tmp_path}/state.db"}})
    tmp_path.chmod(0o700)
    apps = {f"t{days}": site.add(f"t{days}", age=timedelta(days=days)) for days in AGES}
    targets = load(site.config).targets
    members = [Member(target, apps[target.name].secrets[0].created) for target in targets]
    run = played(Scene(members, MONDAY, span, {"acme": Room(20, 40)}, pace=pace))

    asyncio.run(lived(site, span, pace))

    told, calls = run.minutes["acme"].spent, made(still)
    told["look"] += told.pop("look at rest")
    assert calls.total() == pytest.approx(told.total(), rel=0.1)
    for kind in ("create", "deactivate", "delete"):
        assert calls[kind] == told[kind]
    assert told["create"] > len(AGES)


def test_a_rotation_and_its_removals_cost_what_the_table_says(still: Sandbox, clean: None, tmp_path: Path) -> None:
    site = Site(still, tmp_path, policy="{mode: auto}")
    site.add()
    costs = []
    for wait in (timedelta(0), timedelta(days=7, hours=1), timedelta(days=3, hours=1), timedelta(days=1)):
        still.clock.advance(wait)
        before = made(still)
        asyncio.run(site.reconcile())
        costs.append(made(still) - before)

    rotation, switching_off, deletion, look = costs
    one = {kind: CALLS[kind] for kind in ("look", "create", "deactivate", "delete")}
    assert rotation == {"look": one["look"], "create": one["create"]}
    assert switching_off == {"look": one["look"], "deactivate": one["deactivate"]}
    assert deletion == {"look": one["look"], "delete": one["delete"]}
    assert look == {"look": one["look"]}
    assert (rotation.total(), switching_off.total()) == (ROTATION, REMOVAL)
    assert ROTATION <= 3
    assert ROTATION + REMOVAL + deletion.total() <= 6


def test_a_compromised_one_costs_what_an_emergency_counts(site: Site) -> None:
    site.add(age=timedelta(days=5))

    assert site.run("rotate", "billing", "--compromised", "--yes").code == 0

    assert made(site.box).total() == ROTATION + REMOVAL


def test_a_page_of_apps_is_one_listing(site: Site) -> None:
    site.selections["all"] = {
        "where": {"label": "svc-*"},
        "write_to": [{"mount": "secret", "path": "apps/{app_id}/okta"}],
    }
    site.run("plan")

    assert site.box.journal.count(Wanted(path="/api/v1/apps")) == CALLS["listing"]


# --- what it prints -----------------------------------------------------------------------------------------


def simulated(site: Site, *more: str) -> Ran:
    site.add()
    return site.run("simulate", *FOR, *more)


def test_it_says_what_a_fleet_costs(site: Site) -> None:
    ran = simulated(site)

    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "300 invented targets, ages drawn with seed 1"
    assert lines[2].startswith("acme: 50 calls a minute for our login, by --limit and --login-share; of these 20 for")
    assert lines[4].split("  ")[0] == "ORG"
    assert re.match(r"acme +300 +[\d,]+ +0\.\d\d ", lines[5])
    assert re.match(r"default +300 +300 +- ", lines[8])
    assert "acme: were all 300 compromised at once, all would be replaced after 15 min, and the old ones" in ran.out


def test_it_is_the_same_each_time_and_another_by_another_seed(site: Site) -> None:
    runs = [simulated(site, *more).out for more in ((), (), ("-o", "json"), ("-o", "json"), ("--seed", "2"))]

    assert runs[0] == runs[1]
    assert runs[2] == runs[3]
    assert runs[4] != runs[0]


def test_in_json_it_has_every_day(site: Site) -> None:
    told = simulated(site, "--output", "json").json()

    assert (told["version"], told["command"], told["targets"], told["days"]) == (1, "simulate", 300, 90)
    (org,) = told["orgs"]
    assert len(org["calls_by_day"]) == len(told["rotations_by_day"]) == 90
    assert sum(org["calls_by_day"]) == org["calls"] == sum(org["calls_by_kind"].values())
    assert org["busiest_minute"]["calls"] == max(org["busiest_minute_by_day"]) <= org["urgent_share"]
    assert (org["limit"], org["limit_from"], org["routine_share"]) == (50, "option", 20)
    assert told["policies"][0]["rotations"] == sum(told["rotations_by_day"])


def test_it_asks_nobody(site: Site) -> None:
    simulated(site)

    assert site.box.journal.count(Wanted()) == 0


def test_it_asks_okta_for_its_limit_if_told(site: Site) -> None:
    ran = simulated(site, "--ask-okta", "-o", "json")

    limit = int(site.box.okta.org.limits.limit("apps") * site.box.okta.settings.principal_share)
    assert (ran.json()["orgs"][0]["limit"], ran.json()["orgs"][0]["limit_from"]) == (limit, "okta")
    assert [call.path for call in site.box.journal.calls(APPS)] == ["/api/v1/apps"]


def test_ages_come_from_the_state_database_and_others_are_drawn(site: Site) -> None:
    site.add("old", age=timedelta(days=60))
    site.extra["state"] = {"url": f"sqlite:///{site.folder}/state.db"}
    site.folder.chmod(0o700)
    asyncio.run(lived(site, timedelta(seconds=1), Pace()))
    site.add("unknown", age=timedelta(days=1))

    told = site.run("simulate", "-o", "json", "--days", "33", "--oldest", "1d").json()

    assert (told["targets"], told["invented"], told["ages_known"]) == (2, False, 1)
    # At 90 days; just before midnight the day after is the next one.
    assert sum(told["rotations_by_day"][29:32]) == sum(told["rotations_by_day"]) == 1


def test_without_targets_it_says_how_to_go_on(site: Site) -> None:
    ran = site.run("simulate")

    assert ran.code == 2
    assert "say how many to invent with --targets" in ran.err


def test_a_policy_that_is_not_there_is_corrected(site: Site) -> None:
    ran = site.run("simulate", *FOR, "--policy", "defualt")

    assert ran.code == 2
    assert "did you mean `default`?" in ran.err


# --- charts -------------------------------------------------------------------------------------------------


def test_a_chart_is_an_svg_for_light_and_dark_with_nothing_from_elsewhere(site: Site) -> None:
    file = site.folder / "year.svg"
    assert simulated(site, "--chart", str(file)).code == 0
    drawn = file.read_text()
    assert simulated(site, "--chart", str(file)).code == 0

    root = ET.fromstring(drawn)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme:dark" in drawn
    assert not re.search(r"(?:href|url\(|<script|@import)", drawn)
    assert file.read_text() == drawn
    assert len(drawn) < 100_000


def test_a_chart_that_cannot_be_written_is_a_mistake_of_the_user(site: Site) -> None:
    ran = simulated(site, "--chart", str(site.folder / "nowhere" / "year.svg"))

    assert ran.code == 2
    assert "choose another place for --chart" in ran.err


def test_when_piped_the_chart_is_plain(site: Site) -> None:
    out = simulated(site).out

    assert out.isascii()
    assert max(len(line) for line in out[out.index("acme: calls in") :].splitlines()) <= 80


def test_the_picture_in_the_documents_is_what_their_command_draws(site: Site) -> None:
    page = DOCS / "simulate.md"
    configuration, console = blocks_of(page)
    (command,) = [line[2:] for line in console.text.splitlines() if line.startswith("$ rotator")]
    (site.folder / "rotator.yaml").write_text(configuration.text)
    for name in ("okta-token", "vault-token"):
        (site.folder / name).chmod(0o600)

    argv = command.replace("simulate.svg", str(site.folder / "simulate.svg")).split()[1:]
    assert site.run_bare(*argv, "--config", str(site.folder / "rotator.yaml")).code == 0

    assert (site.folder / "simulate.svg").read_text() == (DOCS / "simulate.svg").read_text()


def test_every_warning_is_explained() -> None:
    words = set(re.findall(r'Warned\(\s*"([^"]+)"', inspect.getsource(capacity_warnings)))

    assert len(words) == 9
    table = sections_of(DOCS / "simulate.md", 2)["What it says"]
    assert words <= {code for row in rows_of(table) for code in code_in(row[0])}


def test_a_secret_stands_nowhere(site: Site) -> None:
    file = site.folder / "year.svg"
    ran = simulated(site, "--ask-okta", "--chart", str(file), "-o", "json")

    assert site.secrets_in(ran.out + ran.err + file.read_text() + json.dumps(ran.json())) == []
