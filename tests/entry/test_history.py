"""The audit of a real rotation's life, as the commands tell it, and what is found when somebody changes it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from rotator import logs
from rotator.sandbox.journal import Wanted
from tests.entry.site import PASSES, Ran, Site

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.sandbox.okta_state import OktaApp

CREATE = Wanted(method="POST", path="/api/v1/apps/*/credentials/secrets")
STAGED = "secret/rotator/staging/127.0.0.1"


class Lived:
    """A site whose only target has lived through a rotation, and its log."""

    def __init__(self, site: Site) -> None:
        """Lose Okta's answer to the creation; pass by the old one's overlap and soak."""
        self.site = site
        site.extra = {"state": {"url": f"sqlite:///{site.folder}/database/state.db"}}
        site.policy = "{mode: auto, rotate_after: 20d, overlap: 7d, soak: 3d}"
        self.app: OktaApp = site.add()
        (self.old,) = [secret.id for secret in self.app.secrets]
        values = [str(site.fields()["client_secret"])]
        site.box.faults.drop(CREATE, when="after")
        self.log = site.folder / "log"
        self.log.write_text('{"event": "status", "number": "none of ours"}\nand a line that is no JSON\n')
        self.live(0, 8, 4)
        (self.new,) = [secret.id for secret in self.app.secrets]
        self.values = [*values, str(site.fields()["client_secret"])]

    def live(self, *days: int) -> None:
        """Make a pass after each of these."""
        with self.log.open("a") as stream:
            logs.start(style="json", stream=stream)
            for passing in days:
                self.site.box.clock.advance(timedelta(days=passing))
                asyncio.run(self.site.reconcile())
        structlog.reset_defaults()

    def audit(self, *args: str) -> Ran:
        return self.site.run_bare("audit", args[0], "--config", str(self.site.config), *args[1:])

    def history(self, *args: str) -> dict[str, Any]:
        document: dict[str, Any] = self.site.run("history", *args, "-o", "json").json()
        return document

    def exported(self, *args: str) -> list[str]:
        ran = self.audit("export", *args)
        assert ran.code == 0, ran
        return ran.out.splitlines()

    def change(self, statement: str) -> None:
        """Do what only somebody with the file can do."""
        with closing(sqlite3.connect(self.site.folder / "database" / "state.db")) as database:
            database.execute(statement)
            database.commit()


@pytest.fixture
def lived(site: Site) -> Lived:
    return Lived(site)


# --- history ----------------------------------------------------------------------------------------------------


def test_a_rotation_is_told_from_its_beginning_to_the_end_of_the_old_secret(lived: Lived) -> None:
    (told,) = lived.history("billing")["rotations"]

    assert (told["actor"], told["reason"], told["state"]) == (PASSES, "expired", "finished")
    assert (told["proof"], told["secret_ids"]) == ("token issued", [lived.new, lived.old])
    assert {"path": "secret/billing/okta", "version": 2} in told["vault_versions"]
    times = [told[name] for name in ("begun_at", "promoted_at", "verified_at", "old_off_at", "old_gone_at")]
    assert times == sorted(times)
    done = [(step["step"], step["how"]) for step in told["steps"]]
    assert done[:3] == [("Stage", "done"), ("Create", "unknown"), ("Verify", "done")]
    assert done[-2:] == [("Deactivate", "done"), ("Delete", "done")]
    assert told["steps"][1]["settled_by"]["step"] == "Verify"


def test_each_write_is_told_with_the_id_that_okta_or_vault_gave_it(lived: Lived) -> None:
    (told,) = lived.history("billing")["rotations"]
    logged = {event.origin.request_id for event in lived.site.box.okta.org.log.events()}

    assert all(step["request_id"] for step in told["steps"] if step["how"] == "done")
    by_okta = {step["step"]: step["request_id"] for step in told["steps"]}
    assert {by_okta[step] for step in ("Deactivate", "Delete")} <= logged


def test_the_story_for_people_says_how_long_everything_took_and_what_was_in_doubt(lived: Lived) -> None:
    ran = lived.site.run("history", "billing")

    lines = ran.out.splitlines()
    assert lines[0].endswith(" finished")
    assert lines[1].endswith(f" UTC by {PASSES}, expired")
    assert [line.split(":")[0].strip() for line in lines[4:6]] == ["old off   after 8 days", "old gone  after 12 days"]
    (doubt,) = [line for line in lines if "unknown" in line]
    assert "creating it at Okta: unknown: okta " in doubt
    assert "; the next look went on: tried, " in doubt


def test_a_target_is_found_by_its_app_and_after_the_configuration_has_lost_it(lived: Lived) -> None:
    by_name = lived.history("billing")["rotations"]
    lived.site.targets["renamed"] = lived.site.targets.pop("billing")

    assert lived.history(str(lived.app.id))["rotations"] == by_name
    assert lived.history("billing")["rotations"] == by_name


def test_only_the_last_rotations_are_told_if_so_said(lived: Lived) -> None:
    lived.live(10)
    everything = lived.history("billing")["rotations"]

    assert len(everything) == 2
    assert lived.history("billing", "--last", "1")["rotations"] == everything[1:]
    assert lived.history("billing", "--last", "2")["rotations"] == everything


def test_a_target_without_a_history_and_one_that_was_mistyped(lived: Lived) -> None:
    lived.site.add("portal")

    assert lived.site.run("history", "portal").out == "portal: nothing was written down yet\n"
    mistyped = lived.site.run("history", "portl")
    assert (mistyped.code, "did you mean `portal`?" in mistyped.err) == (2, True)


@pytest.mark.parametrize("command", ["history", "evidence"])
def test_without_a_state_database_there_is_no_history_and_none_is_made(site: Site, command: str) -> None:
    site.add()

    ran = site.run(command, "billing")

    assert (ran.code, ran.out) == (1, "")
    assert "there is no state database" in ran.err
    assert not list(site.folder.rglob("*.db"))


# --- evidence ---------------------------------------------------------------------------------------------------


def test_the_evidence_has_what_an_auditor_asks_for(lived: Lived) -> None:
    ran = lived.site.run("evidence", "billing")

    told = ran.json()
    assert (ran.code, told["target"], told["chain"]["whole"]) == (0, "billing", True)
    assert told["rotations"] == lived.history("billing")["rotations"]
    hashes = {row["hash"] for step in told["rotations"][0]["steps"] for row in step["rows"]}
    assert hashes == {json.loads(line)["hash"] for line in lived.exported()}
    assert told["chain"]["head"] in hashes


def test_evidence_since_a_day_has_every_rotation_of_which_something_was_done_then(lived: Lived) -> None:
    last = lived.history("billing")["rotations"][0]["old_gone_at"]
    (day, _), after = last.split("T"), (lived.site.box.clock.now() + timedelta(days=1)).isoformat()

    assert len(lived.site.run("evidence", "billing", "--since", day).json()["rotations"]) == 1
    assert lived.site.run("evidence", "billing", "--since", after).json()["rotations"] == []
    refused = lived.site.run("evidence", "billing", "--since", "yesterday")
    assert (refused.code, "is no date; write it as 2026-01-31" in refused.err) == (2, True)


def test_evidence_over_a_broken_chain_says_so_and_fails(lived: Lived) -> None:
    lived.change("UPDATE rotator_audit SET actor = 'nobody' WHERE number = 6")

    ran = lived.site.run("evidence", "billing")

    why = "it is not as it was written"
    assert (ran.code, ran.json()["chain"]) == (1, {"whole": False, "broken_at": 6, "why": why})


# --- audit ------------------------------------------------------------------------------------------------------


def test_the_database_the_export_and_the_log_tell_the_same_chain(lived: Lived, tmp_path: Path) -> None:
    export = tmp_path / "export"
    export.write_text("\n".join(lived.exported()))

    found = [lived.audit("verify", *where) for where in ((), (str(export),), (str(lived.log),))]

    assert {ran.code for ran in found} == {0}
    assert len({ran.out for ran in found}) == 1
    assert found[0].out.startswith(f"whole: {len(lived.exported())} rows, 1 to {len(lived.exported())}\n")
    assert lived.audit("verify", "--against", str(lived.log)).code == 0


def test_an_export_can_be_piped(lived: Lived, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    export = tmp_path / "export"
    export.write_text("\n".join(lived.exported()))
    with export.open() as piped:
        monkeypatch.setattr(sys, "stdin", piped)

        assert lived.audit("verify", "-").out.startswith("whole: ")


def test_an_export_since_a_day_begins_there_and_says_what_it_follows(lived: Lived, tmp_path: Path) -> None:
    day = (lived.site.box.clock.now() - timedelta(days=1)).isoformat()
    rows = [json.loads(line) for line in lived.exported("--since", day)]
    (tmp_path / "export").write_text("\n".join(map(json.dumps, rows)))

    ran = lived.audit("verify", str(tmp_path / "export"))

    assert [row["step"] for row in rows] == ["Delete", "Delete"]
    assert ran.code == 0
    assert f"the oldest follows {rows[0]['previous']}, which is not here" in ran.out


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        pytest.param("UPDATE rotator_audit SET detail = 'nothing' WHERE number = 4", 4, id="a changed row"),
        pytest.param("UPDATE rotator_audit SET at = datetime(at, '+1 day') WHERE number = 4", 4, id="a changed time"),
        pytest.param("DELETE FROM rotator_audit WHERE number = 4", 5, id="a removed row"),
        pytest.param(
            "UPDATE rotator_audit SET hash = NULL, previous = NULL WHERE number < 4", 4, id="hashes taken off"
        ),
    ],
)
def test_what_somebody_did_to_the_database_is_named(lived: Lived, statement: str, number: int) -> None:
    lived.change(statement)

    ran, as_json = lived.audit("verify"), lived.audit("verify", "-o", "json")

    assert (ran.code, ran.out.startswith(f"broken at row {number}: ")) == (1, True), ran.out
    assert (as_json.code, as_json.json()["broken_at"]) == (1, number)


def test_newest_rows_that_are_gone_are_found_by_the_log(lived: Lived) -> None:
    last = len(lived.exported())
    lived.change(f"DELETE FROM rotator_audit WHERE number > {last - 2}")
    assert lived.audit("verify").code == 0, "the rest shows nothing of it"

    ran = lived.audit("verify", "--against", str(lived.log))

    assert (ran.code, ran.out) == (1, f"broken at row {last - 1}: the other record has it, it is not here\n")


def test_a_log_may_be_out_of_order_and_tell_a_row_twice(lived: Lived, tmp_path: Path) -> None:
    lines = lived.log.read_text().splitlines()
    (tmp_path / "joined").write_text("\n".join([*lines[6:], *lines[:9]]))

    assert lived.audit("verify", str(tmp_path / "joined")).out == lived.audit("verify").out


def test_a_changed_copy_of_a_row_in_a_log_is_found(lived: Lived, tmp_path: Path) -> None:
    text = lived.log.read_text()
    (tmp_path / "joined").write_text(text + text.replace(PASSES, "nobody@site"))

    ran = lived.audit("verify", str(tmp_path / "joined"))

    assert (ran.code, "broken at row 1: " in ran.out) == (1, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "there is no row of the audit in it", id="empty"),
        pytest.param('{"event": "status"}\n', "there is no row of the audit in it", id="another log"),
        pytest.param('\n{"event": "audit", "number": 1', ":2: is no row of the audit", id="a line that broke off"),
        pytest.param('{"number": 1}\n', "`target` is missing", id="a line that is no row"),
    ],
)
def test_a_file_that_cannot_be_checked_is_a_failure(lived: Lived, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "file").write_text(text)

    ran = lived.audit("verify", str(tmp_path / "file"))

    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err


def test_a_file_is_checked_or_compared_not_both(lived: Lived) -> None:
    assert lived.audit("verify", str(lived.log), "--against", str(lived.log)).code == 2


def test_an_audit_without_rows_is_no_failure(lived: Lived) -> None:
    lived.change("DELETE FROM rotator_audit")

    assert (lived.audit("verify").code, lived.audit("verify").out) == (0, "there is no row of a chain yet\n")


# --- nothing secret ---------------------------------------------------------------------------------------------


def test_no_secret_is_in_the_audit_the_log_or_what_is_told_of_them(lived: Lived) -> None:
    told = [lived.site.run("history", "billing"), lived.site.run("evidence", "billing"), lived.audit("export")]
    said = "".join(ran.out + ran.err for ran in told) + lived.log.read_text()
    kept = (lived.site.folder / "database" / "state.db").read_bytes()

    assert len(set(lived.values)) == 2
    assert lived.site.secrets_in(said) == []
    assert [value for value in lived.values if value in said or value.encode() in kept] == []
