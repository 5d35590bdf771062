"""`rotator doctor --explain`: a captured error is explained without asking anybody, and nothing of it is repeated."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.diagnosis import captured as read
from rotator.core.diagnosis.signs import Sign, sign_of
from rotator.sandbox.okta_oauth_errors import OAUTH, oauth_refused, unknown_client
from rotator.sandbox.okta_settings import OktaSettings
from tests.doctor.curl import captured
from tests.doctor.ward import Ward, each_way
from tests.entry.site import SCOPE, Site

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.sandbox.okta_errors import OktaError
    from tests.entry.site import Ran

CLIENT, SECRET = "0oa2example2example2", "Some-secret_0123456789012345678901234567890123456789"
UNTOLD = {
    "missing_grant_type",
    "missing_token",
    "missing_code",
    "missing_refresh_token",
    "invalid_client_assertion_type",
}


def text_of(case: dict[str, Any], site: Site) -> str:
    """Return what somebody captured."""
    if "text" in case:
        return str(case["text"])
    if "body" in case:
        return json.dumps(case["body"])
    ward = Ward(site, {"world": [{"refuse": case["refuse"]}] if "refuse" in case else [], **case})
    if "html" in case:
        ward._html({"status": case["html"], "path": "*"})
    request = json.loads(json.dumps(case["request"]))
    put = {"{client}": ward.app.client_id, "{first}": ward.values["first"], "{nobodys}": ward.values["nobodys"]}

    def real(text: str) -> str:
        for shown, meant in put.items():
            text = text.replace(shown, meant)
        return text

    form = {"grant_type": "client_credentials", "scope": SCOPE} | request.get("form", {})
    return captured(
        ward.box.okta_url + request.get("path", "/oauth2/default/v1/token"),
        {name: real(text) for name, text in form.items()},
        query={name: real(text) for name, text in request.get("query", {}).items()},
        basic=real(request.get("basic", "")),
        raw=request.get("raw", False),
    )


def explained(text: str, site: Site, *more: str) -> Ran:
    file = site.folder / "captured"
    file.write_text(text)
    return site.run_bare("doctor", "--explain", str(file), *more)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in each_way("explain")])
def test_a_captured_error_is_explained(case: dict[str, Any], site: Site) -> None:
    text = text_of(case, site)
    asked = site.box.journal.mark()

    ran = explained(text, site, "--output", "json")

    assert site.secrets_in(ran.out + ran.err) == []
    assert site.box.journal.mark() == asked
    assert ran.code == case.get("code", 1), ran.out
    if ran.code == 2:
        return
    client = ran.json()["client"]
    assert {cause["cause"] for cause in client["causes"]} == set(case["certain"]), ran.out
    assert client["possible"][:1] == [likely] if (likely := case.get("likely")) else True, ran.out


def test_the_set_is_as_large_as_promised() -> None:
    assert len(each_way("explain")) >= 35


@pytest.mark.parametrize("wording", ["catalogue", "spec"])
@pytest.mark.parametrize("reason", sorted(OAUTH))
def test_every_refusal_that_is_known_is_understood(reason: str, wording: Any) -> None:
    """In both wordings; but for requests that miss a field, which the client's library would have sent."""
    settings = OktaSettings(oauth_wording=wording)
    refusal = oauth_refused(reason, settings, grants="g", scopes="s", endpoint="/introspect", why="w")

    sign = sign_of(answered(refusal))

    assert (sign is Sign.OTHER) is (reason in UNTOLD)
    assert sign is not Sign.VAGUE


@pytest.mark.parametrize("wording", ["catalogue", "spec"])
def test_an_unknown_client_is_understood_in_the_management_shape(wording: Any) -> None:
    assert sign_of(answered(unknown_client(OktaSettings(oauth_wording=wording)))) is Sign.UNKNOWN_CLIENT


def answered(refusal: OktaError) -> Any:
    log = f"< HTTP/1.1 {refusal.status} No\n<\n{json.dumps(dict(refusal.body))}"
    found = read.read(log)
    assert found
    return found[1]


# --- The header -----------------------------------------------------------------------------------------------


def header(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("encoded", "readable"),
    [
        pytest.param(header(f"{CLIENT}:{SECRET}"), True, id="as it should be"),
        pytest.param(f"{CLIENT}:{SECRET}", False, id="not encoded"),
        pytest.param(header(f"{CLIENT}{SECRET}"), False, id="without a colon"),
        pytest.param(header(f"{CLIENT}:{SECRET}")[:30] + "\n" + header("x"), False, id="broken into lines"),
        pytest.param(base64.b64encode(b"\xff\xfe:\xff").decode(), False, id="no text"),
    ],
)
def test_a_header_is_taken_apart_as_the_other_side_does(encoded: str, readable: bool) -> None:
    found = read.basic_header(encoded)

    assert found is not None
    assert found.readable is readable
    assert bool(found.why) is not readable


@pytest.mark.parametrize("encoded", ["***", "[redacted]", "<hidden>", "REDACTED", "xxxxxxxx"])
def test_a_header_that_was_blacked_out_is_not_judged(encoded: str) -> None:
    assert read.basic_header(encoded) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{CLIENT}:{SECRET}", "base64 of an id of Okta's form, a colon, and a secret with nothing odd about it"),
        (
            f"my-id:{SECRET}\n",
            "base64 of an id that is not of Okta's usual form, a colon, and a secret with a line end",
        ),
        (f"{CLIENT}:' x'", "with quotes around it"),
        (SECRET, "what stands after `Basic ` has no colon between id and secret"),
    ],
)
def test_what_can_be_said_of_a_header_is_said(text: str, says: str) -> None:
    found = read.basic_header(header(text))

    assert found is not None
    assert says in found.words


def test_nothing_of_a_header_is_kept() -> None:
    found = read.basic_header(header(f"{CLIENT}:{SECRET}"))

    assert CLIENT not in repr(found)
    assert SECRET not in repr(found)


def test_a_header_is_told_about_and_not_shown(site: Site) -> None:
    log = f"> POST /oauth2/default/v1/token HTTP/1.1\n> Authorization: Basic {header(f'{CLIENT}:{SECRET}')}\n>\n"

    ran = explained(log + '< HTTP/1.1 401 No\n<\n{"error": "invalid_client"}', site)

    assert "  header       base64 of an id of Okta's form, a colon, and a secret with nothing odd about it\n" in ran.out
    assert not [text for text in (CLIENT, SECRET, header(f"{CLIENT}:{SECRET}")) if text in ran.out + ran.err]


# --- Where it comes from --------------------------------------------------------------------------------------


def test_it_reads_stdin(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"error": "use_dpop_nonce", "error_description": "Authorization server requires nonce in DPoP proof."}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(body).encode())))

    ran = site.run_bare("doctor", "--explain", "-")

    assert ran.code == 1
    assert ran.out.startswith("what was captured: DPoP proof wanted\n")


def test_the_last_of_several_exchanges_counts() -> None:
    first = "> POST /oauth2/v1/token HTTP/1.1\n< HTTP/1.1 401 No\n<\n" + '{"error": "invalid_client"}'
    last = "> POST /oauth2/default/v1/token HTTP/1.1\n< HTTP/2 429\n< x-rate-limit-reset: 1\n<\n{}"

    found = read.read(f"{first}\n{last}")

    assert found is not None
    request, answer = found
    assert request is not None
    assert (request.path, answer.status, answer.headers["x-rate-limit-reset"]) == ("/oauth2/default/v1/token", 429, "1")


def test_the_body_alone_may_stand_in_a_line_of_a_log() -> None:
    found = read.read('2026-11-27 ERROR token request failed: {"error":"invalid_scope"} (attempt 3)')

    assert found is not None
    assert found[1].error == "invalid_scope"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_curls_own_log_is_understood(site: Site, tmp_path: Path) -> None:
    ward = Ward(site, {})
    said = subprocess.run(
        [
            *("curl", "-v", "-s", "-u", f"{ward.app.client_id}: {SECRET}\n"),
            *("-d", f"grant_type=client_credentials&scope={SCOPE}", f"{ward.box.okta_url}/oauth2/default/v1/token"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    ran = explained(said.stderr + said.stdout, site, "-o", "json")

    assert [cause["cause"] for cause in ran.json()["client"]["causes"]] == ["newline in the secret"]
    assert SECRET not in ran.out + ran.err


@pytest.mark.parametrize("more", [["billing"], ["--client-id", "0oa1"], ["--issuer", "https://acme.okta.com"]])
def test_it_goes_with_nothing_else(site: Site, more: list[str]) -> None:
    ran = site.run_bare("doctor", "--explain", "-", *more)

    assert ran.code == 2
    assert "give it alone" in ran.err


def test_a_file_that_is_not_there_is_told(site: Site) -> None:
    ran = site.run_bare("doctor", "--explain", "nowhere")

    assert (ran.code, ran.out) == (2, "")
    assert "nowhere cannot be read" in ran.err
