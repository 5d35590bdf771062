"""`rotator rotate` and `rotator reconcile`, the real command over real HTTP against the sandbox."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from rotator.cli.results import Result
from rotator.sandbox.journal import Wanted
from tests.contract.okta_keys import rsa_pem
from tests.entry.site import APPS, SCOPE, WRITES, Site

FRESH = timedelta(days=5)
CREATE = Wanted(method="POST", path="/api/v1/apps/*/credentials/secrets")


# --- rotated ------------------------------------------------------------------------------------------------


def test_an_expired_secret_is_replaced_proven_and_told(site: Site) -> None:
    app = site.add()
    old = app.secrets[0]

    ran = site.run("rotate", "billing")

    new = site.holder(app)
    assert ran.code == 0
    assert new is not None
    assert new is not old
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", new.value)
    assert (site.works(app), old.active, site.fields()["note"]) == (True, True, "theirs")
    assert site.staged(app)["state"] == "empty"
    for line in (
        "billing: rotated",
        f"found  expired: {old.id}",
        f"created: {new.id} is active",
        "promoted: secret/billing/okta version 2",
        "proof  token issued",
        f"old secret {old.id} stays active until",
        "`rotator reconcile` (cron) or the next `rotator rotate` then switches it off",
    ):
        assert line in ran.out


def test_each_finished_step_is_an_event_in_the_log(site: Site) -> None:
    app = site.add()

    ran = site.run("rotate", "billing")

    events = ran.events()
    assert [event["event"] for event in events] == [
        "secret_staged",
        "secret_created",
        "secret_tried",
        "secret_promoted",
        "secret_tried",
        "staging_closed",
    ]
    assert {(event["target"], event["org"], event["app_id"]) for event in events} == {("billing", "acme", app.id)}
    assert {event["rotation_id"] for event in events} == {site.fields()["rotation_id"]}


def test_no_secret_is_said_anywhere(site: Site) -> None:
    site.add()

    for args in (["rotate", "billing", "-o", "json"], ["rotate", "billing"], ["status"], ["verify"], ["reconcile"]):
        ran = site.run(*args)

        assert ran.code == 0
        assert site.secrets_in(ran.out + ran.err) == []


def test_a_rotation_costs_two_calls_of_the_small_bucket(site: Site) -> None:
    site.add()

    site.run("rotate", "billing")

    assert site.box.journal.count(APPS) == 2


def test_json_is_stable_and_alone_on_stdout(site: Site) -> None:
    app = site.add()
    old = app.secrets[0]

    ran = site.run("rotate", "billing", "--output", "json")

    document, target = ran.json(), ran.target()
    assert (document["version"], document["command"], document["exit_code"]) == (1, "rotate", 0)
    assert set(target) == {
        "target", "org", "app_id", "path", "paths", "result", "exit_code", "message", "hint", "found", "secret_id",
        "vault_version", "rotation_id", "steps", "planned", "proof", "next", "block", "error",
    }  # fmt: skip
    new = site.holder(app)
    assert new is not None
    assert (target["result"], target["secret_id"], target["vault_version"]) == ("rotated", new.id, 2)
    assert (target["path"], target["proof"]["level"]) == ("secret/billing/okta", "token issued")
    steps = [step["step"] for step in target["steps"]]
    assert steps == ["Stage", "Create", "Verify", "Promote", "Verify", "CloseStaging"]
    assert target["next"]["waiting"] == "overlap"
    assert old.id in target["next"]["detail"]


@pytest.mark.parametrize(
    ("traits", "verify", "level"),
    [
        pytest.param({"auth_method": "client_secret_post"}, None, "token issued", id="by post"),
        pytest.param({"auth_method": "client_secret_jwt"}, None, "token issued", id="by an assertion"),
        pytest.param({}, {}, "client authenticated", id="at the org's own server"),
        pytest.param(
            {"grant_types": ["authorization_code"], "app_type": "web"},
            None,
            "client authenticated",
            id="without a grant",
        ),
    ],
)
def test_an_app_is_proven_in_the_way_it_authenticates(
    site: Site, traits: dict[str, Any], verify: dict[str, str] | None, level: str
) -> None:
    app = site.add(verify=verify, **traits)

    ran = site.run("rotate", "billing", "-o", "json")

    assert (ran.code, ran.target()["result"], ran.target()["proof"]["level"]) == (0, "rotated", level)
    assert site.works(app)


def test_a_revoked_secret_is_replaced_whatever_its_age(site: Site) -> None:
    app = site.add(age=FRESH, older=["older-secret-of-somebody"])
    older, revoked = app.secrets
    site.box.okta.revoke(app, revoked.id)
    assert not site.works(app)

    ran = site.run("rotate", "billing", "-o", "json")

    assert (ran.code, ran.target()["result"], ran.target()["found"].split(":")[0]) == (0, "rotated", "revoked")
    assert site.works(app)
    assert (older in app.secrets, older.active, revoked in app.secrets) == (True, True, False)


def test_a_secret_that_somebody_made_in_place_of_a_revoked_one_is_taken_over(site: Site) -> None:
    app = site.add(age=FRESH)
    made = site.box.okta.add_secret_by_admin(app)
    site.box.okta.revoke(app, app.secrets[0].id)

    ran = site.run("rotate", "billing", "-o", "json")

    assert (ran.code, ran.target()["result"]) == (0, "adopted")
    assert f"{made.id} there in its place" in ran.target()["found"]
    assert site.holder(app) is made


def test_what_is_not_due_is_left_alone(site: Site) -> None:
    app = site.add(age=FRESH)
    mark = site.box.journal.mark()

    ran = site.run("rotate", "billing")

    assert (ran.code, len(app.secrets)) == (0, 1)
    assert "nothing due" in ran.out
    assert "5 days old" in ran.out
    assert site.box.journal.count(WRITES, since=mark) == 0


def test_force_replaces_a_young_secret(site: Site) -> None:
    app = site.add(age=FRESH)

    ran = site.run("rotate", "billing", "--force", "-o", "json")

    assert (ran.code, ran.target()["result"], ran.target()["found"].split(":")[0]) == (0, "rotated", "ordered")
    assert (len(app.secrets), site.works(app)) == (2, True)


def test_force_that_has_to_wait_for_a_slot_is_a_failure_that_says_when(site: Site) -> None:
    site.add()
    site.run("rotate", "billing")

    ran = site.run("rotate", "billing", "--force")

    assert ran.code == 1
    assert "cannot be finished now, waits for end of the overlap" in ran.out
    assert "stays active until" in ran.out


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(site: Site) -> None:
    app = site.add()

    ran = site.run("rotate", "billing", "--dry-run")

    assert (ran.code, len(app.secrets)) == (0, 1)
    assert "would make a new secret: expired" in ran.out
    assert site.box.journal.count(WRITES) == 0


def test_all_means_every_target_and_a_path_that_is_empty_is_filled(site: Site) -> None:
    site.add("billing")
    fresh = site.add("portal", age=FRESH, in_vault=False)

    ran = site.run("rotate", "--all", "-o", "json")

    assert ran.code == 0
    assert [target["result"] for target in ran.json()["targets"]] == ["rotated", "adopted"]
    assert site.works(fresh, "portal")


def test_a_target_is_named_by_its_app_as_well(site: Site) -> None:
    app = site.add()

    assert site.run("rotate", app.id).code == 0

    assert len(app.secrets) == 2


def test_a_service_app_signs_in_with_the_key_that_okta_showed(site: Site) -> None:
    app = site.add()
    key = RSAKey.import_key(rsa_pem())
    scopes = ("okta.apps.read", "okta.apps.manage", "okta.logs.read")
    us = site.box.okta.add_service_app(dict(key.as_dict(private=False), kid="k1"), scopes=scopes)
    (site.folder / "key.jwk").write_text(json.dumps(key.as_dict(private=True) | {"kid": "k1"}))
    (site.folder / "key.jwk").chmod(0o600)
    site.okta_auth = {"method": "private_key_jwt", "client_id": us.client_id, "key_file": "key.jwk"}

    ran = site.run("rotate", "billing")

    assert (ran.code, site.works(app), len(app.secrets)) == (0, True, 2)


# --- without a configuration --------------------------------------------------------------------------------


def test_a_single_app_needs_no_configuration(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    app = site.add(in_vault=False)
    fields = {"ID": app.client_id, "SECRET": app.secrets[0].value}
    site.box.vault.put("secret", "billing/okta", fields)
    for name, value in (
        ("OKTA_CLIENT_ORGURL", site.box.okta_url),
        ("OKTA_CLIENT_TOKEN", site.api_token),
        ("VAULT_ADDR", site.box.vault_url),
        ("VAULT_TOKEN", "root"),
    ):
        monkeypatch.setenv(name, value)

    ran = site.run_bare(
        "rotate", "--app", app.id, "--to", "secret/billing/okta", "--authorization-server", "default", "--scope", SCOPE,
        "--client-id-field", "ID", "--client-secret-field", "SECRET", "-o", "json",
    )  # fmt: skip

    assert (ran.code, ran.target()["proof"]["level"]) == (0, "token issued")
    assert site.fields()["SECRET"] != fields["SECRET"]
    assert site.fields()["SECRET"] in {secret.value for secret in app.secrets}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        pytest.param([], "Name the targets", id="nothing named"),
        pytest.param(["billing", "--all"], "Name the targets", id="both named and all"),
        pytest.param(["--app", "0oa1"], "--app and --to go together", id="an app without a path"),
        pytest.param(["billing", "--scope", "x"], "go with --app", id="a stray scope"),
        pytest.param(["bilingg"], "did you mean `billing`?", id="a name that is nearly right"),
        pytest.param(["billing", "--wait", "soon"], "--wait", id="a wait that is no number"),
    ],
)
def test_a_wrong_call_is_explained_and_touches_nothing(site: Site, args: list[str], said: str) -> None:
    site.add()

    ran = site.run("rotate", *args)

    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert site.box.journal.calls() == ()


# --- what a policy lets it do -------------------------------------------------------------------------------


def test_a_policy_that_observes_lets_rotate_only_say_what_is_due(site: Site) -> None:
    app = site.add(policy="observing")

    ran = site.run("rotate", "billing")

    assert (ran.code, len(app.secrets)) == (1, 1)
    assert "would make a new secret: expired" in ran.out
    assert "Policy `observing` observes, so nothing was changed" in ran.out
    assert site.run("reconcile").code == 0
    assert site.box.journal.count(WRITES) == 0


def test_force_does_not_override_a_policy_that_observes(site: Site) -> None:
    site.add(policy="observing")

    ran = site.run("rotate", "billing", "--force")

    assert ran.code == 2
    assert "its policy `observing` observes" in ran.err
    assert site.box.journal.calls() == ()


def test_manual_leaves_it_to_the_person_who_names_the_target(site: Site) -> None:
    app = site.add(policy="manual")

    assert site.run("reconcile", "-o", "json").target()["result"] == "waiting"
    assert len(app.secrets) == 1
    assert site.run("rotate", "billing", "-o", "json").target()["result"] == "rotated"


# --- what stands in the way ---------------------------------------------------------------------------------


def test_a_path_of_another_app_is_blocked_with_what_to_do(site: Site) -> None:
    site.add()
    site.box.vault.put("secret", "billing/okta", {"client_id": "0oaTheirs", "client_secret": "s" * 40})

    ran = site.run("rotate", "billing")

    assert ran.code == 1
    assert "billing: blocked — path belongs to another client" in ran.out
    assert "hint   Correct `write_to` or `app_id`" in ran.out
    assert [event["level"] for event in ran.events()] == ["error"]


def test_a_secret_that_is_refused_stays_staged_and_consumers_keep_the_old_one(site: Site) -> None:
    app = site.add()
    site.box.okta.settings.create_delay = 3600.0

    ran = site.run("rotate", "billing", "--wait", "1")

    assert ran.code == 1
    assert "billing: not verified — refused" in ran.out
    assert site.holder(app) is app.secrets[0]
    assert site.staged(app)["state"] == "staged"


def test_a_secret_that_is_not_known_everywhere_yet_is_tried_again(site: Site) -> None:
    app = site.add()
    site.box.okta.settings.create_delay = 0.7

    ran = site.run("rotate", "billing")

    assert ran.code == 0
    assert site.works(app)
    assert any("waiting" in event["event"] for event in ran.events())


def test_a_lost_answer_is_waited_out_and_no_second_secret_is_made(site: Site) -> None:
    app = site.add()
    site.box.faults.drop(CREATE, when="after")

    ran = site.run("rotate", "billing", "-o", "json")

    steps = [(step["step"], step["certain"]) for step in ran.target()["steps"]]
    assert steps[:3] == [("Stage", True), ("Create", False), ("Verify", True)]
    assert (ran.code, len(app.secrets), site.works(app)) == (0, 2, True)


def test_a_sealed_vault_is_an_outage_with_its_own_hint(site: Site) -> None:
    site.add()
    site.box.vault.seal()

    ran = site.run("rotate", "billing")

    assert ran.code == 5
    assert "billing: unreachable" in ran.out
    assert "Unseal Vault" in ran.out


def test_an_okta_that_is_not_there_is_an_outage(site: Site) -> None:
    app = site.add()
    site.okta_url = "http://127.0.0.1:9"

    ran = site.run("rotate", "billing", "--wait", "0")

    assert (ran.code, len(app.secrets)) == (5, 1)
    assert "no connection" in ran.out
    assert "Traceback" not in ran.out + ran.err


def test_one_failure_of_several_does_not_stop_the_others(site: Site) -> None:
    good = site.add("good")
    site.add("wrong")
    site.targets["wrong"]["app_id"] = "0oaNobody00000000000"
    last = site.add("last")

    ran = site.run("rotate", "--all", "-o", "json")

    assert ran.code == 3
    assert [target["result"] for target in ran.json()["targets"]] == ["rotated", "blocked", "rotated"]
    assert site.works(good, "good")
    assert site.works(last, "last")


def test_a_target_that_somebody_works_on_is_busy(site: Site) -> None:
    app = site.add()
    hold = site.box.faults.hold(CREATE, when="before")
    other = subprocess.Popen(
        [sys.executable, "-m", "rotator", *site.argv("rotate", "billing")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    )
    try:
        hold.wait(60)

        ran = site.run("rotate", "billing", "--wait", "0")

        assert ran.code == 4
        assert f"being worked on by process {other.pid}" in ran.out
        hold.release()
        assert other.wait(15) == 0
    finally:
        other.kill()
        other.wait()
    assert (len(app.secrets), site.works(app)) == (2, True)


def test_a_paused_target_rests(site: Site) -> None:
    app = site.add()
    site.run("rotate", "billing")
    site.box.vault.put(
        "secret", f"rotator/staging/127.0.0.1/{app.id}", site.staged(app) | {"pause": "ops, change 4711"}
    )

    ran = site.run("rotate", "billing", "--force")

    assert ran.code == 4
    assert "paused" in ran.out
    assert "change 4711" in ran.out


def test_a_run_without_targets_is_fine(site: Site) -> None:
    assert site.run("reconcile").code == 0


# --- from outside -------------------------------------------------------------------------------------------


def test_the_program_itself_does_the_same(site: Site) -> None:
    app = site.add()

    done = subprocess.run(
        [sys.executable, "-m", "rotator", *site.argv("rotate", "billing")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=dict(os.environ),
    )

    assert done.returncode == 0, done.stderr
    assert "billing: rotated" in done.stdout
    assert site.works(app)
    assert site.secrets_in(done.stdout + done.stderr) == []


def test_whoever_sits_at_a_terminal_sees_lines_instead_of_the_log(site: Site) -> None:
    app = site.add()
    ours, theirs = pty.openpty()

    with subprocess.Popen(
        [sys.executable, "-m", "rotator", *site.argv("rotate", "billing")],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=dict(os.environ) | {"TERM": "xterm", "COLUMNS": "60"},
    ) as process:
        os.close(theirs)
        shown = read_all(ours)
        assert process.stdout
        said = process.stdout.read()

    new = site.holder(app)
    assert new is not None
    assert f"✓ billing  created: {new.id} is active" in shown
    assert '"event"' not in shown
    assert "billing: rotated" in said
    assert site.secrets_in(shown + said) == []


def read_all(terminal: int) -> str:
    """Read until whoever writes has gone: Linux says so by an error."""
    parts = []
    with suppress(OSError):
        while part := os.read(terminal, 65536):
            parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()


def test_a_request_that_is_simply_sent_again_is_not_told(site: Site) -> None:
    site.add()
    site.box.faults.drop(Wanted(service="vault", kind="kv.metadata.read"), when="before", nth=2)

    ran = site.run("rotate", "billing")

    assert ran.code == 0
    assert "Retrying" not in ran.err


def test_ctrl_c_ends_it_without_a_traceback_and_the_next_run_settles(site: Site) -> None:
    app = site.add()
    hold = site.box.faults.hold(CREATE, when="after")
    with subprocess.Popen(
        [sys.executable, "-m", "rotator", *site.argv("rotate", "billing")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as process:
        hold.wait(60)

        process.send_signal(signal.SIGINT)

        _, err = process.communicate(timeout=60)
    hold.release()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert site.run("rotate", "billing").code == 0
    assert (site.works(app), len(app.secrets)) == (True, 2)


# --- the whole life -----------------------------------------------------------------------------------------


async def test_a_secret_lives_from_its_making_to_its_removal(site: Site) -> None:
    app = site.add()
    first = app.secrets[0]
    told: list[tuple[Result, list[str]]] = []
    site.box.okta.settings.api_token_idle_life = None

    for days in (0, 6.9, 0.2, 2.9, 0.2, 79, 2):
        site.box.clock.advance(timedelta(days=days))
        assert site.works(app)
        passed = await site.reconcile()
        assert site.works(app)
        told.append((passed.result, [secret.status for secret in app.secrets]))

    assert told == [
        (Result.ROTATED, ["ACTIVE", "ACTIVE"]),
        (Result.NOTHING_DUE, ["ACTIVE", "ACTIVE"]),
        (Result.CARRIED_ON, ["INACTIVE", "ACTIVE"]),
        (Result.NOTHING_DUE, ["INACTIVE", "ACTIVE"]),
        (Result.CARRIED_ON, ["ACTIVE"]),
        (Result.NOTHING_DUE, ["ACTIVE"]),
        (Result.ROTATED, ["ACTIVE", "ACTIVE"]),
    ]
    assert first not in app.secrets
    assert site.box.journal.count(Wanted(method="DELETE", service="okta")) == 1
