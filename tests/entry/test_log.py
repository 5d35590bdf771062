"""What the log may show: one line an event, no secret, no local variable, nothing that steers a terminal."""

from __future__ import annotations

import io
import json
import logging
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from rotator import logs
from rotator.core.secret_value import SecretValue
from rotator.printable import printable
from rotator.redaction import REDACTED, Redactor, hide

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "cnry-7vYw3xZk9Lm2PbT5RjH8sNdF4gC6aE1WqU0"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    top = logging.getLogger()
    handlers, level = top.handlers, top.level
    disabled = {name: logging.getLogger(name).disabled for name in ("okta", "okta-sdk-python")}
    yield
    logging.captureWarnings(capture=False)
    top.handlers = handlers
    top.setLevel(level)
    for name, was in disabled.items():
        logging.getLogger(name).disabled = was
    structlog.reset_defaults()


@pytest.fixture(params=["json", "console"])
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def begun(style: str, **options: Any) -> io.StringIO:
    stream = io.StringIO()
    logs.start(style=style, stream=stream, environ={}, **options)
    return stream


def fail_with_a_secret_in_reach() -> None:
    in_a_variable = f"held-{CANARY}"
    assert in_a_variable
    raise ValueError(f"refused\nwith SSWS {CANARY}")


def test_an_event_is_one_json_object_with_its_context() -> None:
    stream = begun("json")

    with structlog.contextvars.bound_contextvars(target="billing"):
        structlog.get_logger().info("secret_published", vault_version=8, ids={"ocs1"})

    event = json.loads(stream.getvalue())
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "secret_published",
        "level": "info",
        "target": "billing",
        "vault_version": 8,
        "ids": ["ocs1"],
    }


def test_what_is_no_text_shows_only_its_own_form(style: str) -> None:
    stream = begun(style)
    secret = SecretValue(CANARY)

    structlog.get_logger().info("made", secret=secret, nested={"in": [secret]})

    assert CANARY not in stream.getvalue()
    assert stream.getvalue().count(secret.hash) == 2


def test_an_event_is_one_line_that_steers_nothing(style: str) -> None:
    stream = begun(style)

    structlog.get_logger().warning("app\nseen", label="a\r\nb\x1b[2J\u202ec\u2028d", **{"k\ney": ["x\ny"]})

    text = stream.getvalue()
    assert text.endswith("\n")
    assert printable(text[:-1]) == text[:-1]


def test_a_traceback_is_one_line_without_local_variables_or_secrets(style: str) -> None:
    stream = begun(style)

    try:
        fail_with_a_secret_in_reach()
    except ValueError:
        structlog.get_logger().exception("it_failed")
        logging.getLogger("urllib3").exception("theirs")

    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "fail_with_a_secret_in_reach" in line
        assert "ValueError" in line
        assert "in_a_variable" not in line
        assert "held" not in line
        assert CANARY not in line


def test_libraries_speak_the_same_way_and_only_of_what_is_wrong(style: str) -> None:
    stream = begun(style, level="debug")

    logging.getLogger("hvac").info("chatter")
    logging.getLogger("okta-sdk-python").error("Request: %s", CANARY)
    logging.getLogger("urllib3").warning("retrying\nhvs.%s", CANARY)

    (line,) = stream.getvalue().splitlines()
    assert "retrying" in line
    assert CANARY not in line


def test_a_warning_of_python_is_an_event_too() -> None:
    stream = begun("json")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old\nways", DeprecationWarning, stacklevel=1)

    assert json.loads(stream.getvalue())["logger"] == "py.warnings"


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        pytest.param("debug", ["d", "i", "w", "e"], id="debug shows all"),
        pytest.param("info", ["i", "w", "e"], id="info hides debug"),
        pytest.param("warning", ["w", "e"], id="warning hides info"),
        pytest.param("error", ["e"], id="error shows what needs a person"),
    ],
)
def test_a_level_hides_what_is_below_it(level: str, seen: list[str]) -> None:
    stream = begun("json", level=level)
    log = structlog.get_logger()

    log.debug("d")
    log.info("i")
    log.warning("w")
    log.error("e")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == seen


@pytest.mark.parametrize(
    ("stream", "environ", "json_lines", "colored"),
    [
        pytest.param(io.StringIO, {}, True, False, id="JSON where nobody looks"),
        pytest.param(Terminal, {}, False, True, id="colours on a terminal"),
        pytest.param(Terminal, {"NO_COLOR": "1"}, False, False, id="none with NO_COLOR"),
    ],
)
def test_the_style_fits_the_reader(
    stream: type[io.StringIO], environ: dict[str, str], *, json_lines: bool, colored: bool
) -> None:
    target = stream()
    logs.start(stream=target, environ=environ)

    structlog.get_logger().info("seen")

    assert target.getvalue().startswith("{") == json_lines
    assert ("\x1b[" in target.getvalue()) == colored


def test_colours_can_be_forced() -> None:
    stream = io.StringIO()
    logs.start(style="console", stream=stream, environ={"FORCE_COLOR": "1"})

    structlog.get_logger().info("seen")

    assert "\x1b[" in stream.getvalue()


def test_what_was_read_as_a_secret_is_cut_out_wherever_it_stands(style: str) -> None:
    stream = begun(style)
    hide("hunter2+hunter2/hunter2")

    structlog.get_logger().info("said", a="x hunter2+hunter2/hunter2 y", b="?t=hunter2%2Bhunter2%2Fhunter2&z")

    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count(REDACTED) == 2


# --- Redaction --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"Authorization: SSWS {CANARY}", id="an API token"),
        pytest.param(f"authorization: ssws{CANARY}", id="an API token without a space"),
        pytest.param("Authorization: Basic MG9hMTpzZWNyZXQrLz0=", id="basic credentials"),
        pytest.param("Authorization: Bearer abcdefgh.ijk1", id="an access token"),
        pytest.param("{'client_secret': 'short-one'}", id="a client secret in a dict"),
        pytest.param('{"secret_id": "6f8c-11"}', id="a secret id in JSON"),
        pytest.param("grant_type=client_credentials&client_secret=abcd", id="a client secret in a form"),
        pytest.param("X-Vault-Token: root-token", id="a Vault token's header"),
        pytest.param("hvs.CAESIJlWh0pCanary000000000000", id="a Vault token"),
        pytest.param("s.CanaryCanaryCanary000000", id="an old Vault token"),
        pytest.param("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", id="a JSON Web Token"),
        pytest.param("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", id="a private key"),
        pytest.param("-----BEGIN PRIVATE KEY-----\nMIIE", id="half a private key"),
        pytest.param("aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3bC5dE7fG9hJ1kL3mN5pQ7rS9tU1vW3x", id="a value of ours"),
    ],
)
def test_what_looks_like_a_secret_is_cut_out(text: str) -> None:
    cut = Redactor().redact(text)

    assert REDACTED in cut
    for part in (
        "MG9h",
        "abcdefgh",
        "short-one",
        "6f8c",
        "=abcd",
        "root-token",
        "CAES",
        "Canary",
        "eyJ",
        "MIIE",
        "aB3",
    ):
        assert part not in cut
    assert CANARY not in cut


@pytest.mark.parametrize(
    "text",
    [
        "target=billing-api app=0oa1example1example1 secret_id=ocs9288npzaKNsaK5d7",
        "secret_hash=yiLDZBBXpWBTTAQPUcb2gQ version=8",
        "rotation 3f2b8c1e-0a4d-4c3f-9d55-1b6a6f0e7c21 at https://acme.okta.com/api/v1/apps",
        "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "client_secret_id=ocs1 ROTATOR_OKTA__ACME__AUTH__TOKEN_FILE is not set",
        "Basic authentication is off; a bearer authorization is expected",
        "/var/run/secrets/kubernetes.io/serviceaccount/token cannot be read",
        '{"secret_id": null, "event": "status"}',
        "secret_id=None event=status",
    ],
)
def test_ids_hashes_and_paths_stay(text: str) -> None:
    assert Redactor().redact(text) == text


def test_a_secret_of_several_lines_is_hidden_line_by_line() -> None:
    redactor = Redactor()
    redactor.hide("first-secret-line\nshort\n  second-secret-line")

    assert redactor.redact("second-secret-line first-secret-line short") == f"{REDACTED} {REDACTED} short"


def test_of_many_secrets_the_newest_are_remembered() -> None:
    redactor = Redactor()
    for number in range(5000):
        redactor.hide(f"secret-{number:06}")

    assert redactor.redact("secret-004999") == REDACTED


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain", "plain", id="plain text stays"),
        pytest.param("Ålesund, 東京", "Ålesund, 東京", id="letters of the world stay"),
        pytest.param("a\tb\nc\x00", r"a\tb\nc\x00", id="controls are escaped"),
        pytest.param("\x1b[31mred\x9b", r"\x1b[31mred\x9b", id="escape sequences are escaped"),
        pytest.param("\u202eevil\u2066", r"\u202eevil\u2066", id="direction is escaped"),
        pytest.param("a\u2028b\ud800", r"a\u2028b\ud800", id="line separators and halves are escaped"),
    ],
)
def test_text_from_elsewhere_is_made_safe(text: str, shown: str) -> None:
    assert printable(text) == shown
