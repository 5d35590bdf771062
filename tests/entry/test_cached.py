"""`plan --cached` and `status --cached`: what the daemon remembered, and that nobody is asked."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.agenda import Pace
from rotator.sandbox.journal import Wanted
from tests.entry.by_hand import lived

if TYPE_CHECKING:
    from tests.entry.site import Ran, Site

YOUNG = timedelta(days=5)
A_MOMENT = timedelta(seconds=1)


@pytest.fixture
def known(site: Site) -> Site:
    """A site with a state database."""
    site.extra["state"] = {"url": f"sqlite:///{site.folder}/state.db"}
    site.folder.chmod(0o700)
    return site


def looked_at(site: Site, *, released: bool = True) -> None:
    """Have the daemon look at all targets once."""
    asyncio.run(lived(site, A_MOMENT, Pace(), released=released))


def recalled(site: Site, command: str, *args: str) -> Ran:
    """Run a command with --cached; nobody is asked."""
    before = site.box.journal.mark()
    ran = site.run(command, "--cached", *args)
    assert site.box.journal.count(Wanted(), since=before) == 0
    return ran


def told(ran: Ran) -> dict[str, dict[str, Any]]:
    return {each["target"]: each for each in ran.json()["targets"]}


# --- plan ---------------------------------------------------------------------------------------------------


def test_a_plan_from_memory_is_that_of_a_look(known: Site) -> None:
    known.add("young", age=YOUNG)
    known.add("observed", policy="observing")
    known.add("blocked", age=YOUNG)
    known.box.vault.put("secret", "blocked/okta", {"client_id": "0oaTheirs", "client_secret": "x" * 40})
    known.add("manual", policy="manual")
    known.add("fresh")  # rotated at the first look
    looked_at(known)

    cached, real = told(recalled(known, "plan", "-o", "json")), told(known.run("plan", "-o", "json"))

    for name, one in real.items():
        keys = ("target", "org", "app_id", "path", "result", "exit_code", "secret_id", "vault_version", "planned")
        assert {key: cached[name][key] for key in keys} == {key: one[key] for key in keys}, name
    assert cached["observed"]["planned"] == "Stage"
    assert cached["blocked"]["hint"] == real["blocked"]["hint"]
    assert cached["young"]["next"]["waiting"] == real["young"]["next"]["waiting"] == "next_rotation"
    assert cached["young"]["next"]["step"] == "Stage"
    assert cached["fresh"]["next"]["step"] == "Deactivate"


def test_it_says_what_comes_next_and_when_in_words(known: Site) -> None:
    app = known.add("fresh")
    looked_at(known)

    ran = recalled(known, "plan")

    assert ran.code == 0
    assert "fresh   nothing due" in ran.out
    assert f"it would switch {app.secrets[0].id} off: overlap over" in ran.out
    assert "rotator: as the state database remembers it, nobody was asked: looked at 0 min to 0 min ago" in ran.err


def test_what_has_fallen_due_since_is_planned(known: Site) -> None:
    known.add("soon", age=timedelta(days=90) - timedelta(seconds=10))  # it is looked at before that
    looked_at(known)

    while (one := told(recalled(known, "plan", "-o", "json"))["soon"])["result"] == "nothing due":
        time.sleep(0.2)

    assert (one["result"], one["planned"]) == ("planned", "Stage")
    assert "would make a new secret: expired; it is due since" in one["message"]
    assert recalled(known, "plan", "--detailed-exitcode").code == 2


@pytest.mark.parametrize(("age", "code"), [(YOUNG, 0), (timedelta(days=100), 2)])
def test_the_detailed_exit_code_is_as_terraforms(known: Site, age: timedelta, code: int) -> None:
    known.add(age=age, policy="observing")
    looked_at(known)

    assert recalled(known, "plan", "--detailed-exitcode").code == code


def test_of_whom_nothing_is_known_nothing_is_told_but_that(known: Site) -> None:
    known.add("moved", age=YOUNG)
    looked_at(known)
    known.policy = "{mode: auto, overlap: 8d}"
    known.add("new", age=YOUNG)

    ran = recalled(known, "plan", "-o", "json")

    assert {name: (one["result"], one["message"]) for name, one in told(ran).items()} == {
        "moved": ("not known", "its configuration has changed since the last look"),
        "new": ("not known", "nobody has looked at it yet"),
    }
    assert ran.json()["cached"] == {"oldest_look": None, "newest_look": None, "not_known": 2}
    assert (ran.code, recalled(known, "plan", "--detailed-exitcode").code) == (0, 1)


def test_one_can_be_named(known: Site) -> None:
    known.add("a", age=YOUNG)
    known.add("b", age=YOUNG)
    looked_at(known)

    assert list(told(recalled(known, "plan", "b", "-o", "json"))) == ["b"]
    assert recalled(known, "plan", "c").code == 2


def test_a_brake_is_told(known: Site) -> None:
    for number in range(6):
        known.add(f"app{number}")
    looked_at(known, released=False)

    ran = recalled(known, "plan")
    assert "rotator: everything is only looked at: 6 targets are due at once, more than 5 (`limits`)\n" in ran.err
    assert "`rotator resume --all` lets everything go on." in ran.err


@pytest.mark.parametrize("command", ["plan", "status"])
def test_without_a_state_database_it_says_so(known: Site, command: str) -> None:
    known.add()

    ran = recalled(known, command)

    assert ran.code == 1
    assert "there is no state database" in ran.err
    assert not (known.folder / "state.db").exists()


@pytest.mark.parametrize(("command", "another"), [("plan", ("--out", "x")), ("status", ("--daemon",))])
def test_it_goes_with_nothing_that_looks(known: Site, command: str, another: tuple[str, ...]) -> None:
    assert recalled(known, command, *another).code == 2


# --- status -------------------------------------------------------------------------------------------------


def test_a_status_from_memory_is_in_the_words_of_the_daemon(known: Site) -> None:
    app = known.add("young", age=YOUNG)
    looked_at(known)

    ran, document = recalled(known, "status"), recalled(known, "status", "-o", "json")

    headings, row = ran.out.splitlines()
    assert headings.split()[:4] == ["TARGET", "STATE", "SECRET", "AGE"]
    assert row.split()[:5] == ["young", "resting", app.secrets[0].id, "5", "days"]
    one = told(document)["young"]
    assert (one["state"], one["secret"]["id"], one["policy"]["mode"]) == ("resting", app.secrets[0].id, "auto")
    assert one["looked_at"] == document.json()["cached"]["newest_look"]
    assert document.json()["command"] == "status"


def test_a_secret_stands_nowhere(known: Site) -> None:
    known.add("young", age=YOUNG)
    known.add("fresh")
    looked_at(known)
    ran = [recalled(known, command, "-o", form) for command in ("plan", "status") for form in ("table", "json")]

    assert known.secrets_in("".join(each.out + each.err for each in ran)) == []
    assert known.secrets_in((known.folder / "state.db").read_bytes().decode("latin-1")) == []
