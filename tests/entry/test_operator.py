"""What operators order for single targets: approve, retire, reclaim, roll back, cut short; and what they are shown.

Each order is given both ways: to a running daemon, by somebody who has its socket and no credentials, and from here.
"""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_state import AdminRole
from tests.entry.daemon import SOON
from tests.entry.site import SCOPE, WRITES, Site
from tests.entry.test_control import ME, Operator
from tests.entry.test_rotate import FRESH
from tests.entry.test_watch import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rotator.sandbox.okta_state import ClientSecret, OktaApp
    from tests.entry.daemon import Daemon
    from tests.entry.site import Ran

    Run = Callable[..., Daemon]

CONSUMER = "legacy-job/3.1"
ORDERS = ("approve", "retire", "reclaim", "rollback")
KEYS = {"target", "org", "app_id", "path", "exit_code", "result", "message", "hint", "error"}


@dataclass
class Desk:
    """Where orders are given: at the daemon's socket if there is one, else from here."""

    site: Site
    start: Run | None
    around: ExitStack
    daemon: Daemon | None = None

    def open(self) -> None:
        """Have a state that is known to be good, and a daemon if there is to be one."""
        self.site.release()
        if self.start is not None:
            self.daemon = self.around.enter_context(self.start("--resync", "1h"))
            self.daemon.until_ready()

    def give(self, command: str, *args: str) -> Ran:
        """Give an order, agreed to beforehand."""
        who = Operator(self.site) if self.daemon else self.site
        by = ["--daemon"] if self.daemon and command == "rotate" else []
        return who.run(command, *args, *by, "--yes", "-o", "json")

    def done(self, command: str, *args: str) -> dict[str, Any]:
        """Give an order that can be carried out; return what is told of it."""
        ran = self.give(command, *args)
        assert ran.code == 0, ran
        return ran.target()

    def refused(self, command: str, *args: str) -> dict[str, Any]:
        """Give an order that cannot; see that it says so, and that nothing is written."""
        writes = self.site.box.journal.count(WRITES)
        ran = self.give(command, *args)
        told = ran.target()
        assert (ran.code, told["result"], bool(told["hint"])) == (1, "failed", True), ran
        assert self.site.box.journal.count(WRITES) == writes
        return told


@pytest.fixture(params=["by the daemon", "from here"])
def desk(request: pytest.FixtureRequest, site: Site, run: Run) -> Iterator[Desk]:
    with ExitStack() as around:
        yield Desk(site, run if request.param == "by the daemon" else None, around)


def rotated(site: Site) -> tuple[OktaApp, ClientSecret, ClientSecret]:
    """Return an app in its overlap, its old secret and its new one."""
    app = site.add(age=FRESH)
    assert site.run("rotate", "billing", "--force").code == 0
    old, new = app.secrets
    return app, old, new


def ask(site: Site, app: OktaApp, secret: ClientSecret) -> bool:
    """Ask for a token as a consumer does; say whether there was one."""
    answer = requests.post(
        f"{site.box.okta_url}/oauth2/default/v1/token",
        {"grant_type": "client_credentials", "scope": SCOPE},
        auth=(app.client_id, secret.value),
        headers={"User-Agent": CONSUMER},
        timeout=30,
    )
    return answer.status_code == 200


def day_in(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%a}".lower()


# --- approve ----------------------------------------------------------------------------------------------------


def test_nothing_begins_before_it_is_approved_and_then_it_is_carried_through(site: Site, desk: Desk) -> None:
    site.policy = "{mode: approve}"
    app = site.add()
    desk.open()
    assert site.run("reconcile", "-o", "json").target()["next"]["waiting"] == "approval"
    assert "nothing before it is approved (expired): `rotator approve billing`" in site.run("plan").out
    shown = site.run("status", "-o", "json").target()
    assert (shown["state"], shown["next"]["waiting"], shown["staging"]["approved"]) == ("expired", "approval", False)
    assert (len(app.secrets), desk.refused("retire", "billing")["error"]["code"]) == (1, "no_such_secret")

    told = desk.done("approve", "billing")

    assert (told["result"], told["ordered"]) == ("rotated", "a new secret may be made: expired")
    assert (len(app.secrets), site.works(app), site.holder(app)) == (2, True, app.secrets[-1])
    assert desk.refused("approve", "billing")["message"] == "nothing of billing waits for approval"


def test_what_is_approved_waits_for_the_window(site: Site, desk: Desk) -> None:
    window = f'{{days: [{day_in(3)}], from: "00:00", to: "12:00", zone: UTC}}'
    site.policy = f"{{mode: approve, windows: [{window}]}}"
    app = site.add()
    desk.open()

    told = desk.done("approve", "billing")

    assert (told["result"], told["next"]["waiting"], len(app.secrets)) == ("waiting", "window", 1)
    assert "approved" in site.run("status").out
    assert site.staged(app)["approved"] != "null"


def test_a_person_who_names_the_target_needs_no_approval(site: Site) -> None:
    site.policy = "{mode: approve}"
    app = site.add()

    assert site.run("rotate", "billing", "-o", "json").target()["result"] == "rotated"
    assert len(app.secrets) == 2


# --- retire -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("usage", ["required", "stop_if_seen", "'off'"])
def test_the_old_one_is_switched_off_in_its_overlap_whoever_uses_it(site: Site, desk: Desk, usage: str) -> None:
    site.policy = f"{{mode: auto, usage: {usage}}}"
    app, old, new = rotated(site)
    assert ask(site, app, old)
    desk.open()

    told = desk.done("retire", "billing")

    assert told["ordered"] == f"{old.id} is switched off, and deleted after the soak"
    assert (told["result"], told["next"]["waiting"]) == ("carried on", "soak")
    assert (old.active, new.active, site.works(app)) == (False, True, True)
    again = desk.refused("retire", "billing")
    ends = site.box.clock.now() + timedelta(days=3)
    assert again["message"].startswith(f"{old.id} is switched off already, and deleted after {ends:%Y-%m-%d}")


def test_whoever_fails_with_the_retired_one_has_it_back_once(site: Site) -> None:
    app, old, _ = rotated(site)
    assert ask(site, app, old)
    assert site.run("retire", "billing", "--yes").code == 0
    assert not ask(site, app, old)

    ran = site.run("reconcile")

    assert (ran.code, old.active) == (0, True)
    kept = f"{old.id} was switched on again and stays until it is retired"
    assert kept in site.run("status").out
    assert site.run("reconcile").code == 0
    assert old.active
    site.box.clock.advance(timedelta(seconds=2))  # the failure was not in the second in which it is switched off again
    assert site.run("retire", "billing", "--yes", "-o", "json").target()["result"] == "carried on"
    assert not old.active


def test_there_is_nothing_to_retire(site: Site, desk: Desk) -> None:
    site.add(age=FRESH)
    desk.open()

    told = desk.refused("retire", "billing")

    assert (told["message"], told["error"]["code"]) == ("billing has no old secret", "no_such_secret")
    assert "no old secret of billing" in desk.refused("retire", "billing", "--secret", "ocsUnknown")["message"]


# --- reclaim ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("active", [True, False], ids=["active", "inactive"])
def test_a_secret_that_nobody_told_us_about_is_removed(site: Site, desk: Desk, active: bool) -> None:
    app = site.add(age=FRESH)
    foreign = site.box.okta.add_secret_by_admin(app)
    if not active:
        site.box.okta.revoke(app, foreign.id)
    desk.open()

    told = desk.done("reclaim", "billing", foreign.id)

    then = "is switched off, and deleted after the soak" if active else "is deleted after the soak"
    assert (told["ordered"], told["next"]["waiting"]) == (f"{foreign.id} {then}", "soak")
    assert (foreign.active, site.works(app)) == (False, True)
    (other,) = site.run("status", "-o", "json").target()["others"]
    assert (other["id"], other["role"]) == (foreign.id, "leaving")


def test_only_a_foreign_one_is_reclaimed(site: Site, desk: Desk) -> None:
    _, old, new = rotated(site)
    desk.open()

    ours = desk.refused("reclaim", "billing", old.id)
    assert (ours["error"]["code"], f"`rotator retire billing --secret {old.id}`" in ours["hint"]) == (
        "not_needed",
        True,
    )
    assert desk.refused("reclaim", "billing", new.id)["message"] == f"{new.id} is in use"
    assert "has no secret ocsUnknown" in desk.refused("reclaim", "billing", "ocsUnknown")["message"]


# --- rollback ---------------------------------------------------------------------------------------------------


def test_consumers_read_the_former_secret_again_until_the_target_is_resumed(site: Site, desk: Desk) -> None:
    app, old, new = rotated(site)
    desk.open()

    told = desk.done("rollback", "billing")

    assert (told["result"], told["secret_id"], told["instead_of"]) == ("rolled back", old.id, new.id)
    assert told["proof"]["level"] == "token issued"
    assert "`rotator resume billing`" in told["hint"]
    assert (site.holder(app), site.works(app), site.fields()["note"]) == (old, True, "theirs")
    assert site.staged(app)["pause"].startswith(f"rolled back to {old.id} (by {ME}")
    again = desk.done("rollback", "billing")
    assert (again["result"], again["changed"], again["secret_id"]) == ("already rolled back", False, old.id)

    assert site.run("reconcile").code == 4
    assert (site.holder(app), new.active) == (old, True)
    assert site.run("resume", "billing").code == 0
    assert site.run("rotate", "billing", "-o", "json").target()["next"]["waiting"] == "overlap"
    assert (site.holder(app), new.active, len(app.secrets)) == (old, True, 2)


def test_what_we_switched_off_is_switched_on_again(site: Site, desk: Desk) -> None:
    app, old, _ = rotated(site)
    desk.open()
    desk.done("retire", "billing")
    assert not old.active

    assert desk.done("rollback", "billing")["secret_id"] == old.id

    assert (old.active, site.holder(app), site.works(app)) == (True, old, True)


def test_what_an_admin_switched_off_stays_off(site: Site, desk: Desk) -> None:
    app, old, new = rotated(site)
    site.box.okta.revoke(app, old.id)
    desk.open()

    told = desk.refused("rollback", "billing")

    assert (told["error"]["code"], "was switched off by somebody else" in told["message"]) == ("revoked", True)
    assert (old.active, site.holder(app)) == (False, new)


UNHEARD = pytest.mark.parametrize(("status", "headers"), [(401, {}), (307, {"Location": "https://login.invalid/"})])


@UNHEARD
def test_an_org_that_does_not_hear_us_has_not_said_that_it_was_an_admin(
    site: Site, status: int, headers: dict[str, str]
) -> None:
    app, old, new = rotated(site)
    assert site.run("retire", "billing", "--yes").code == 0
    site.box.vault.put("secret", "billing/okta", {**site.fields(), "client_secret": old.value})
    site.box.faults.answer(status, Wanted(path="/api/v1/logs"), headers=headers)

    assert site.run("reconcile", "billing").code == 0

    assert (old.active, new.active, site.holder(app), site.works(app)) == (True, True, old, True)
    assert len(app.secrets) == 2


@UNHEARD
def test_nor_has_it_said_that_nobody_uses_the_old_one(site: Site, status: int, headers: dict[str, str]) -> None:
    _, old, new = rotated(site)
    site.box.clock.advance(timedelta(days=8))
    site.box.faults.answer(status, Wanted(path="/api/v1/logs"), headers=headers, times=None)

    assert asyncio.run(site.reconcile()).exit_code == 5
    assert (old.active, new.active) == (True, True)

    site.box.faults.clear()
    asyncio.run(site.reconcile())
    assert (old.active, new.active) == (False, True)


def test_a_log_that_we_may_not_read_leaves_it_to_an_admin_and_a_new_one_is_made(site: Site) -> None:
    app, old, _ = rotated(site)
    assert site.run("retire", "billing", "--yes").code == 0
    site.box.vault.put("secret", "billing/okta", {**site.fields(), "client_secret": old.value})
    site.box.okta.org.api_tokens[site.api_token].role = AdminRole(read_log=False)

    assert site.run("reconcile", "billing").code == 0

    assert (site.holder(app) in (None, old), site.works(app)) == (False, True)


def test_what_is_deleted_cannot_be_gone_back_to(site: Site, desk: Desk) -> None:
    app, old, new = rotated(site)
    site.box.okta.revoke(app, old.id)
    site.box.okta.delete_secret_by_admin(app, old.id)
    desk.open()

    told = desk.refused("rollback", "billing")

    assert (told["error"]["code"], told["hint"]) == (
        "no_such_secret",
        "`rotator rotate billing --force` makes a new one.",
    )
    assert (site.holder(app), site.staged(app)["pause"]) == (new, "")


# --- rotate, and what is cut short ------------------------------------------------------------------------------


def test_force_waits_for_an_overlap_and_now_does_not(site: Site, desk: Desk) -> None:
    app, old, new = rotated(site)
    desk.open()
    options = ("--daemon",) if desk.daemon else ()
    waits = site.run("rotate", "billing", "--force", *options)

    assert waits.code == 1
    assert "cannot be finished now, waits for end of the overlap" in waits.out
    assert f"old secret {old.id} stays active until {site.box.clock.now() + timedelta(days=7):%Y-%m-%d}" in waits.out
    assert "hint   `rotator rotate billing --force --now` does not wait" in waits.out
    assert old.active

    told = desk.done("rotate", "billing", "--force", "--now")

    assert (told["result"], told["secret_id"]) == ("rotated", app.secrets[-1].id)
    assert (old in app.secrets, new.active, len(app.secrets), site.works(app)) == (False, True, 2, True)


def test_a_compromised_secret_is_off_at_once_and_stays_off(site: Site, desk: Desk) -> None:
    app = site.add(age=FRESH)
    (old,) = app.secrets
    assert ask(site, app, old)
    desk.open()

    told = desk.done("rotate", "billing", "--compromised")

    assert (told["result"], old.active, site.works(app)) == ("rotated", False, True)
    assert not ask(site, app, old)
    assert site.run("reconcile").code == 0
    assert not old.active


def test_a_compromised_secret_cuts_the_overlap_of_an_older_one(site: Site, desk: Desk) -> None:
    app, old, new = rotated(site)
    desk.open()

    assert desk.done("rotate", "billing", "--compromised")["result"] == "rotated"

    assert (old in app.secrets, new.active, site.works(app)) == (False, False, True)


# --- who is asked -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("approve", "billing"), "Have a new secret made for billing?"),
        (("retire", "billing"), "Switch the old secret of billing off? Whoever still uses it is refused."),
        (("reclaim", "billing", "ocs1"), "Have ocs1 of billing removed?"),
        (("rollback", "billing"), "Have consumers of billing read the former secret again?"),
        (("rotate", "billing", "--force", "--now"), "An older secret of billing in its overlap is switched off"),
        (("rotate", "billing", "--compromised"), "The secret that consumers of billing read now is switched off"),
    ],
    ids=lambda each: each[0] if isinstance(each, tuple) else "",
)
@pytest.mark.parametrize("way", ["by the daemon", "from here"])
def test_without_a_terminal_nobody_is_cut_off_unless_it_was_agreed(
    site: Site, run: Run, argv: tuple[str, ...], said: str, way: str
) -> None:
    site.add(age=FRESH)
    with ExitStack() as around:
        if way == "by the daemon":
            around.enter_context(run()).until_ready()
        ran = site.run(*argv)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "There is nobody to ask; --yes agrees beforehand" in ran.err
    assert site.box.journal.count(WRITES) == 0


def test_before_it_asks_it_says_how_the_target_stands(site: Site) -> None:
    _, old, _ = rotated(site)

    assert f"old secret {old.id} stays active until" in site.run("retire", "billing").err


@pytest.mark.parametrize(("answer", "code", "off"), [("n", 1, False), ("y", 0, True)])
def test_whoever_sits_at_a_terminal_is_asked(site: Site, answer: str, code: int, off: bool) -> None:
    _, old, _ = rotated(site)
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())

    done = subprocess.run(
        [sys.executable, "-m", "rotator", *site.argv("retire", "billing")],
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    os.close(theirs)
    os.close(ours)
    assert (done.returncode, not old.active) == (code, off), done.stderr
    assert "Switch the old secret of billing off? Whoever still uses it is refused. [y/N]" in done.stderr
    assert ("nothing was ordered" in done.stderr) is not off


@pytest.mark.parametrize(
    "argv",
    [
        ("approve",),
        ("retire",),
        ("reclaim", "billing"),
        ("rollback",),
        ("rotate", "billing", "--now"),
        ("rotate", "billing", "--force", "--compromised"),
        ("retire", "billing", "portal"),
    ],
    ids=json.dumps,
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(site: Site, argv: tuple[str, ...]) -> None:
    site.add()

    assert site.run(*argv).code == 2
    assert site.box.journal.count() == 0


@pytest.mark.parametrize("command", ORDERS)
def test_an_unknown_target_is_corrected(site: Site, command: str) -> None:
    site.add()
    more = ("ocs1",) if command == "reclaim" else ()

    ran = site.run(command, "biling", *more, "--yes")

    assert (ran.code, "did you mean `billing`?" in ran.err) == (2, True)


def test_an_order_from_here_beside_a_daemon_has_it_look(site: Site, run: Run) -> None:
    _, old, _ = rotated(site)
    site.release()
    with run("--resync", "1h") as daemon:
        daemon.until_ready()

        assert site.run("retire", "billing", "--yes", "--direct").code == 0

        assert daemon.until("command_answered")["command"] == "wake"
        until(lambda: not old.active, SOON)  # here, or by the daemon if that was looking at it


def test_the_log_of_the_daemon_says_who_gave_an_order(site: Site, run: Run) -> None:
    rotated(site)
    site.release()
    with run("--resync", "1h") as daemon:
        daemon.until_ready()
        assert Operator(site).run("retire", "billing", "--yes").code == 0

        answered = daemon.until("command_answered", command="retire")
    assert (answered["by"], answered["targets"]) == (ME, ["billing"])


# --- status -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("usage", ["required", "stop_if_seen", "'off'"])
def test_status_of_a_named_target_says_who_still_uses_the_old_secret(site: Site, usage: str) -> None:
    site.policy = f"{{mode: auto, usage: {usage}}}"
    app, old, _ = rotated(site)
    assert ask(site, app, old)

    ran, told = site.run("status", "billing"), site.run("status", "billing", "-o", "json").target()

    assert f"billing: {old.id} was used by {CONSUMER} at 127.0.0.1, last " in ran.out
    (used,) = told["usage"]
    assert (used["secret_id"], used["unproven"], used["failing"]) == (old.id, None, [])
    assert [(user["address"], user["program"]) for user in used["users"]] == [("127.0.0.1", CONSUMER)]
    assert site.box.clock.now() - datetime.fromisoformat(used["users"][0]["last"]) < timedelta(minutes=1)
    assert told["policy"]["usage"] == usage.strip("'")
    assert site.secrets_in(ran.out + ran.err) == []


def test_status_says_so_where_nobody_uses_it(site: Site) -> None:
    _, old, _ = rotated(site)

    assert f"billing: nobody has used {old.id} since it left" in site.run("status", "billing").out


def test_status_names_who_fails_with_one_that_is_off(site: Site) -> None:
    app, old, _ = rotated(site)
    assert ask(site, app, old)
    assert site.run("retire", "billing", "--yes").code == 0
    assert not ask(site, app, old)

    ran = site.run("status", "billing")

    assert f"billing: {old.id} is missed by {CONSUMER} at 127.0.0.1" in ran.out
    (used,) = site.run("status", "billing", "-o", "json").target()["usage"]
    assert [user["program"] for user in used["failing"]] == [CONSUMER]


def test_status_of_all_asks_no_log(site: Site) -> None:
    rotated(site)
    mark = site.box.journal.mark()

    told = site.run("status", "-o", "json").target()

    assert told["usage"] is None
    assert [call for call in site.box.journal.calls(since=mark) if call.path == "/api/v1/logs"] == []


def test_status_says_what_the_log_does_not_prove(site: Site) -> None:
    _, old, _ = rotated(site)
    site.box.okta.org.api_tokens[site.api_token].role = AdminRole(read_log=False)

    ran = site.run("status", "billing")

    assert ran.code == 0
    assert f"billing: whether {old.id} is used is not known: the System Log cannot be read: " in ran.out
    assert site.run("status", "billing", "-o", "json").target()["usage"][0]["users"] == []


# --- history ----------------------------------------------------------------------------------------------------


def story(site: Site) -> list[dict[str, Any]]:
    rotations: list[dict[str, Any]] = site.run("history", "billing", "-o", "json").json()["rotations"]
    return rotations


def steps(told: dict[str, Any]) -> list[str]:
    return [step["step"] for step in told["steps"]]


def test_an_approval_leads_to_the_rotation_in_its_history(site: Site) -> None:
    site.policy = "{mode: approve}"
    site.release()
    site.add()
    assert site.run("approve", "billing", "--yes").code == 0

    (told,) = story(site)

    assert steps(told)[:2] == ["Approve", "Stage"]
    assert (told["state"], told["steps"][0]["actor"]) == ("promoted and verified", ME)
    assert "approved: secret/rotator/staging/" in site.run("history", "billing").out


def test_an_old_secret_that_is_retired_missed_and_back_is_told_in_its_rotation(site: Site) -> None:
    site.release()
    app, old, _ = rotated(site)
    assert ask(site, app, old)
    assert site.run("retire", "billing", "--yes").code == 0
    assert not ask(site, app, old)
    assert site.run("reconcile").code == 0

    (told,) = story(site)

    done = [step for step in steps(told) if step not in {"Verify", "ScrubStaging"}]
    assert done[-4:] == ["CloseStaging", "Retire", "Deactivate", "Activate"]
    assert (told["state"], told["old_off_at"]) == ("the old one is on again", None)
    out = site.run("history", "billing").out
    assert f"retirement ordered: secret/rotator/staging/127.0.0.1/{app.id} version" in out
    assert f"switched on again: {old.id} is active again: still used: {CONSUMER} at 127.0.0.1" in out


def test_a_reclaimed_secret_is_a_story_of_its_own(site: Site) -> None:
    site.release()
    app = site.add(age=FRESH)
    assert site.run("rotate", "billing", "--force", "--yes").code == 0
    assert site.run("retire", "billing", "--yes").code == 0
    site.box.okta.delete_secret_by_admin(app, app.secrets[0].id)
    foreign = site.box.okta.add_secret_by_admin(app)
    assert site.run("reclaim", "billing", foreign.id, "--yes").code == 0

    rotation, reclaimed = story(site)

    assert (rotation["state"], foreign.id in rotation["secret_ids"]) == ("the old one is off", False)
    assert (steps(reclaimed), reclaimed["rotation_id"]) == (["Reclaim", "Deactivate"], None)
    assert reclaimed["secret_ids"] == [foreign.id]


def test_going_back_is_a_rotation_of_its_own(site: Site) -> None:
    site.release()
    _, old, _ = rotated(site)
    assert site.run("retire", "billing", "--yes").code == 0
    assert site.run("rollback", "billing", "--yes").code == 0

    _, told = story(site)

    assert steps(told) == ["Rollback", "Activate", "Promote", "Verify"]
    assert (told["state"], told["secret_ids"], told["proof"]) == ("rolled back", [old.id], "token issued")
    assert told["rotation_id"] == site.fields()["rotation_id"]
    assert "rollback begun: secret/rotator/staging/" in site.run("history", "billing").out


def test_copies_and_hooks_are_told_in_the_rotation(site: Site) -> None:
    site.release()
    site.policy = "{mode: auto, hooks: [reload]}"
    site.extra = {"hooks": {"reload": {"command": ["/bin/true"]}}}
    app = site.add(age=FRESH)
    site.targets["billing"]["write_to"].append({"mount": "secret", "path": "reports/okta"})
    assert site.run("rotate", "billing", "--force").code == 0

    (told,) = [each for each in story(site) if each["rotation_id"]]

    assert {"path": "secret/reports/okta", "version": 2} in told["vault_versions"]
    assert [step for step in steps(told) if step in {"Promote", "Copy", "RunHook"}] == ["Promote", "Copy", "RunHook"]
    out = site.run("history", "billing").out
    assert "copied: secret/reports/okta version 2" in out
    assert "ran: reload: exit code 0" in out
    assert len(app.secrets) == 2


def test_a_rollback_goes_to_every_path(site: Site) -> None:
    app = site.add(age=FRESH)
    site.targets["billing"]["write_to"].append({"mount": "secret", "path": "reports/okta"})
    assert site.run("rotate", "billing", "--force").code == 0

    assert site.run("rollback", "billing", "--yes").code == 0

    there = site.box.vault.read("secret", "reports/okta") or {}
    assert there["client_secret"] == site.fields()["client_secret"] == app.secrets[0].value


def test_a_repeated_rollback_leaves_no_story(site: Site) -> None:
    site.release()
    rotated(site)
    assert site.run("rollback", "billing", "--yes").code == 0
    before = story(site)

    assert site.run("rollback", "billing", "--yes").code == 0

    assert story(site) == before


def test_the_evidence_has_every_order_and_a_whole_chain(site: Site) -> None:
    site.release()
    rotated(site)
    assert site.run("retire", "billing", "--yes").code == 0
    assert site.run("rollback", "billing", "--yes").code == 0

    told = site.run("evidence", "billing").json()

    assert told["chain"]["whole"] is True
    assert {"Retire", "Rollback"} <= {step for each in told["rotations"] for step in steps(each)}


# --- what is told -----------------------------------------------------------------------------------------------


def test_json_is_versioned_and_has_the_same_keys_for_every_order(site: Site, desk: Desk) -> None:
    app, old, _ = rotated(site)
    desk.open()

    for argv in (("retire", "billing"), ("rollback", "billing"), ("approve", "billing"), ("reclaim", "billing", "x")):
        document = desk.give(*argv).json()
        assert (document["version"], document["command"]) == (1, argv[0])
        assert document["targets"][0].keys() >= KEYS
    names = {"target": "billing", "org": "acme", "app_id": app.id, "path": "secret/billing/okta"}
    assert names.items() <= document["targets"][0].items()
    assert old.active


def test_no_secret_is_said_anywhere(site: Site, desk: Desk) -> None:
    site.policy = "{mode: approve}"
    app = site.add()
    desk.open()
    said = ""
    for argv in (
        ("approve", "billing"),
        ("retire", "billing"),
        ("rollback", "billing"),
        ("rollback", "billing"),
        ("retire", "billing"),
        ("rotate", "billing", "--compromised"),
    ):
        for output in ("json", "table"):
            ran = desk.give(*argv, *(("-o", output) if output == "table" else ()))
            said += ran.out + ran.err
    assert ask(site, app, next(secret for secret in app.secrets if secret.active))
    for looking in (("status", "billing"), ("history", "billing"), ("evidence", "billing"), ("plan",)):
        ran = site.run(*looking)
        said += ran.out + ran.err
    said += desk.daemon.log.read_text() if desk.daemon else ""

    assert len(said) > 3000
    assert site.secrets_in(said) == []
