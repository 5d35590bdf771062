"""`rotator plan --out` and `rotator apply`: just what was planned, if it still holds, and no secret in the file."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.foresight import Step
from rotator.core.model import SecretId
from rotator.core.plan import digest_of, fingerprint_of
from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_state import secret_hash
from tests.entry.site import APPS, WRITES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rotator.sandbox.okta_state import OktaApp
    from tests.entry.site import Ran, Site

YOUNG = timedelta(days=5)
OKTA_WRITES = Wanted(service="okta", method="POST", path="/api/*")


def planned(site: Site, *names: str) -> Path:
    file = site.folder / "the.plan"
    assert site.run("plan", *names, "--out", str(file)).code in {0, 4}
    return file


def apply(site: Site, file: Path, *more: str) -> Ran:
    return site.run("apply", str(file), *more)


def rewritten(file: Path, change: Callable[[dict[str, Any]], object], *, sealed: bool = True) -> None:
    """Change a plan; `sealed` makes its digests right again, as somebody who means it would."""
    document = json.loads(file.read_text())
    change(document)
    if sealed:
        document["digest"] = digest_of({key: value for key, value in document.items() if key != "digest"})
    file.write_text(json.dumps(document))


# --- carried out --------------------------------------------------------------------------------------------


def test_a_plan_is_carried_out_and_nothing_else(site: Site) -> None:
    app, other = site.add(), site.add("portal", age=YOUNG)
    file = planned(site)
    later = site.add("reports")  # due, and not in the plan

    ran = apply(site, file)

    assert ran.code == 0
    assert ran.out.startswith("billing: rotated\n")
    assert "portal" not in ran.out
    assert (len(app.secrets), len(other.secrets), len(later.secrets)) == (2, 1, 1)
    assert site.secrets_in(ran.out + ran.err) == []
    assert site.works(app)


def test_applied_twice_it_says_that_nothing_is_left_to_do(site: Site) -> None:
    app = site.add()
    file = planned(site)
    assert apply(site, file).code == 0
    mark = site.box.journal.mark()

    ran = apply(site, file)
    told = apply(site, file, "-o", "json")

    assert (ran.code, ran.out) == (0, "nothing is left to do\n")
    assert (told.code, told.target()["result"], told.target()["message"]) == (0, "nothing due", "nothing is left to do")
    assert site.box.journal.count(WRITES, since=mark) == 0
    assert len(app.secrets) == 2


def test_a_plan_with_nothing_to_do_asks_nobody(site: Site) -> None:
    site.add(age=YOUNG)
    file = planned(site)
    mark = site.box.journal.mark()

    assert (apply(site, file).code, apply(site, file).out) == (0, "nothing is left to do\n")
    assert site.box.journal.count(Wanted(), since=mark) == 0


def test_what_an_apply_that_was_cut_short_has_begun_is_carried_on(site: Site) -> None:
    site.answer_within = site.propagation = "1s"
    app = site.add()
    file = planned(site)
    site.box.faults.answer(500, Wanted(service="okta", method="POST", path="/api/v1/apps/*"), body={}, times=None)
    assert apply(site, file, "--wait", "0").code != 0
    assert site.staged(app)["state"] == "staged"
    site.box.faults.clear()

    ran = apply(site, file)

    assert (ran.code, "billing: rotated" in ran.out) == (0, True)
    assert len(app.secrets) == 2
    assert site.works(app)


def test_what_is_carried_out_is_written_down_as_a_rotation(site: Site) -> None:
    site.extra["state"] = {"url": f"sqlite:///{site.folder}/state.db"}
    site.folder.chmod(0o700)
    site.add()
    site.release()
    file = planned(site)
    assert apply(site, file).code == 0

    (rotation,) = site.run("history", "billing", "-o", "json").json()["rotations"]

    assert rotation["reason"] == "expired"
    assert site.run_bare("audit", "verify", "--config", str(site.config)).code == 0


def test_what_only_observes_is_not_carried_out(site: Site) -> None:
    app = site.add(policy="observing")
    file = planned(site)

    assert json.loads(file.read_text())["targets"][0]["step"] is None
    assert (apply(site, file).code, len(app.secrets)) == (0, 1)


# --- the world has changed ----------------------------------------------------------------------------------


def toggle(site: Site, app: OktaApp) -> None:
    site.box.okta.add_secret_by_admin(app)


def revoke(site: Site, app: OktaApp) -> None:
    site.box.okta.add_secret_by_admin(app)
    site.box.okta.revoke(app, app.secrets[0].id)


def write(site: Site, _: OktaApp) -> None:
    site.box.vault.put("secret", "billing/okta", site.fields() | {"note": "mine"})


def delete(site: Site, _: OktaApp) -> None:
    site.box.vault.delete("secret", "billing/okta")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(toggle, "is new, ACTIVE", id="somebody made a secret"),
        pytest.param(revoke, "was ACTIVE, it is INACTIVE", id="somebody revoked it"),
        pytest.param(write, "the consumer path was at version 1, it is at version 2", id="somebody wrote to the path"),
        pytest.param(delete, "it is blocked now: consumer version deleted", id="somebody deleted the version"),
    ],
)
def test_where_the_world_has_changed_it_says_what_and_does_nothing(
    site: Site, change: Callable[[Site, OktaApp], None], words: str
) -> None:
    app, other = site.add(), site.add("portal")
    file = planned(site)
    change(site, app)
    mark = site.box.journal.mark()

    ran = apply(site, file)

    assert ran.code == 1
    assert ran.out.startswith("billing: changed — ")
    assert words in ran.out
    assert "Make a new plan: `rotator plan --out FILE`." in ran.out
    assert "portal: left alone — the plan does not hold for others" in ran.out
    assert site.box.journal.count(WRITES, since=mark) == site.box.journal.count(OKTA_WRITES, since=mark) == 0
    assert len(other.secrets) == 1


def test_with_partial_the_others_go_on(site: Site) -> None:
    app, other = site.add(), site.add("portal")
    file = planned(site)
    write(site, app)

    ran = apply(site, file, "--partial", "-o", "json")

    assert ran.code == 3
    assert [each["result"] for each in ran.json()["targets"]] == ["changed", "rotated"]
    assert (len(app.secrets), len(other.secrets)) == (1, 2)


def test_where_it_cannot_be_looked_at_that_is_an_outage(site: Site) -> None:
    site.add()
    file = planned(site)
    site.box.vault.seal()

    ran = apply(site, file)

    assert ran.code == 5
    assert "it cannot be looked at" in ran.out


def test_a_target_that_is_paused_since_is_left_alone_and_that_is_said(site: Site) -> None:
    app = site.add()
    file = planned(site)
    assert site.run("pause", "billing", "--reason", "later").code == 0

    ran = apply(site, file)

    assert (ran.code, len(app.secrets)) == (1, 1)
    assert "it was not paused, and is now" in ran.out


# --- the file -----------------------------------------------------------------------------------------------


def test_a_plan_is_for_its_owner_alone_and_replaces_what_was_there(site: Site) -> None:
    site.add()
    site.folder.joinpath("the.plan").write_text("something older")

    file = planned(site)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["kind"] == "rotator plan"
    assert [each.name for each in site.folder.iterdir() if each.name.startswith(".the.plan")] == []


@pytest.mark.parametrize("scene", ["expired", "revoked", "rotated", "staged"])
def test_no_secret_and_no_hash_of_one_stands_in_a_plan(site: Site, scene: str) -> None:
    app = site.add()
    if scene == "revoked":
        revoke(site, app)
    if scene == "rotated":
        site.run("rotate", "--all")
    if scene == "staged":
        site.box.faults.answer(500, Wanted(service="okta", method="POST", path="/api/v1/apps/*"), body={}, times=None)
        site.run("rotate", "--all", "--wait", "0")
        site.box.faults.clear()
    text = planned(site).read_text()

    hashes = {secret_hash(secret.value) for secret in app.secrets} | {str(site.staged(app).get("secret_hash"))} - {
        "None",
        "",
    }
    values = {str(site.fields()["client_secret"]), str(site.staged(app).get("client_secret") or site.api_token)}
    assert site.secrets_in(text) == []
    assert [each for each in hashes | values if each in text] == []


@pytest.mark.parametrize(
    ("change", "sealed", "words"),
    [
        pytest.param(
            lambda d: d["targets"][0].update(words="x"), False, "was changed after it was written", id="edited"
        ),
        pytest.param(lambda d: d.update(version=9), True, "of another form than this release reads", id="newer form"),
        pytest.param(lambda d: d.update(rotator="9.9"), True, "was written by rotator 9.9, and this is", id="release"),
        pytest.param(lambda d: d.update(kind="x"), True, "is no plan of `rotator plan`", id="something else"),
        pytest.param(lambda d: d["orgs"].update(acme="evil.okta.com"), True, "org `acme` was evil.okta.com", id="org"),
        pytest.param(lambda d: d.pop("orgs"), True, "`orgs` is missing", id="a part is missing"),
        pytest.param(lambda d: d.update(more=1), True, "`more` does not belong there", id="a part too much"),
        pytest.param(lambda d: d.update(targets={}), True, "`targets` is no list", id="no list"),
        pytest.param(lambda d: d["targets"].append(3), True, "`targets[1]` is not what it should be", id="no target"),
        pytest.param(
            lambda d: d["targets"][0]["basis"]["consumer"].update(version="1"),
            True,
            "`targets[0].basis.consumer.version` is not what it should be",
            id="no number",
        ),
        pytest.param(lambda d: d["targets"].append(d["targets"][0]), True, "names a target twice", id="twice"),
        pytest.param(
            lambda d: d["targets"][0]["step"].update(name="Format"), True, "a step that there is not", id="step"
        ),
        pytest.param(
            lambda d: d["targets"][0]["basis"]["consumer"].update(version=7),
            True,
            "is not as it was written",
            id="basis",
        ),
        pytest.param(lambda d: d.update(written_at="noon"), True, "`written_at` is no time", id="no time"),
        pytest.param(
            lambda d: d.update(written_at="2026-01-01T00:00:00"), True, "`written_at` is no time", id="no zone"
        ),
        pytest.param(lambda d: d.update(written_at="2999-01-01T00:00:00+00:00"), True, "still to come", id="future"),
        pytest.param(
            lambda d: d.update(written_at=(datetime.now(UTC) - timedelta(days=3)).isoformat()),
            True,
            "is 3 days old, and --max-age allows 24 h",
            id="too old",
        ),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_with_what_to_do(
    site: Site, change: Callable[[dict[str, Any]], object], sealed: bool, words: str
) -> None:
    site.add()
    file = planned(site)
    rewritten(file, change, sealed=sealed)
    mark = site.box.journal.mark()

    ran = apply(site, file)

    assert ran.code == 2
    assert words in ran.err
    assert "make a new one with `rotator plan --out`" in ran.err
    assert "Traceback" not in ran.err
    assert site.box.journal.count(Wanted(), since=mark) == 0


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b'{"kind": "rotator plan"}'])
def test_what_is_no_plan_at_all_is_refused(site: Site, content: bytes) -> None:
    site.add()
    file = site.folder / "junk"
    file.write_bytes(content)

    ran = apply(site, file)

    assert (ran.code, "Traceback" in ran.err) == (2, False)
    assert str(file) in ran.err


def test_a_cut_file_is_refused_with_the_line(site: Site) -> None:
    site.add()
    file = planned(site)
    file.write_text(file.read_text()[:200])

    ran = apply(site, file)

    assert ran.code == 2
    assert f"{file}:" in ran.err
    assert "is no JSON" in ran.err


def test_a_plan_of_another_configuration_is_refused(site: Site) -> None:
    site.add()
    file = planned(site)
    site.policy = "{mode: auto, overlap: 8d}"

    ran = apply(site, file)
    del site.targets["billing"]
    site.add("portal")
    gone = apply(site, file)

    assert (ran.code, "the configuration of `billing` has changed since" in ran.err) == (2, True)
    assert (gone.code, "there is no target 'billing'" in gone.err) == (2, True)


def test_a_forged_plan_does_nothing_that_is_not_due(site: Site) -> None:
    app = site.add(age=YOUNG)
    file = planned(site)

    def forge(document: dict[str, Any]) -> None:
        entry = document["targets"][0]
        entry["step"] = {"name": "Delete", "secret": app.secrets[0].id, "why": "soak over"}
        step = Step("Delete", SecretId(app.secrets[0].id), "soak over")
        entry["fingerprint"] = fingerprint_of(entry["settings"], entry["basis"], step)

    rewritten(file, forge)
    mark = site.box.journal.mark()

    ran = apply(site, file)

    assert (ran.code, ran.out) == (0, "nothing is left to do\n")
    assert site.box.journal.count(WRITES, since=mark) == 0
    assert [call for call in site.box.journal.calls(APPS, since=mark) if call.method != "GET"] == []


def test_a_place_that_cannot_be_written_is_a_mistake_of_the_user(site: Site) -> None:
    site.add()

    ran = site.run("plan", "--out", str(site.folder / "nowhere" / "the.plan"))

    assert ran.code == 2
    assert "choose another place for --out" in ran.err


def test_writing_a_plan_says_what_is_in_it_and_what_is_not(site: Site) -> None:
    site.add()
    site.add("portal")
    site.targets["portal"]["app_id"] = "0oaNobody00000000000"
    site.box.faults.answer(403, Wanted(path="/v1/secret/*/portal/okta"), body={"errors": ["no"]}, times=None)

    ran = site.run("plan", "--detailed-exitcode", "--out", str(site.folder / "the.plan"))

    assert ran.code == 1
    assert "has 1 step for `rotator apply`; 1 could not be looked at and are not in it" in ran.err
