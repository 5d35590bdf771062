"""`rotator demo`, the real command: what becomes of each app, what is shown of it, and what is left behind."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
import requests

from rotator.adapters.okta_tokens import NO_SUCH_TOKEN
from rotator.cli.demo import play
from rotator.cli.demo_findings import Tried
from rotator.cli.demo_screen import Screen
from rotator.cli.demo_site import Site, new_sandbox, open_site
from rotator.cli.main import main
from rotator.cli.options import Invocation
from rotator.sandbox.consumer import Credentials, Granted
from rotator.sandbox.furnish import furnish
from rotator.sandbox.scenes import FLEET, Expected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.sandbox.http import Request, Response
    from rotator.sandbox.okta import OktaEmulator
    from rotator.sandbox.vault import VaultEmulator

LONGEST = 15  # seconds: nobody waits longer for a demo
SAID = Path(__file__).parents[2] / "docs" / "demo.txt"


@pytest.fixture
def home(clean: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home with a configuration that leads elsewhere, and an environment that does."""
    (tmp_path / ".vault-token").write_text("somebody-elses")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    (tmp_path / ".netrc").chmod(0o600)
    environment = {
        "ROTATOR_CONFIG": "/nowhere/rotator.yaml",
        "ROTATOR_VAULTS__DEMO__ADDRESS": "https://vault.invalid",
        "OKTA_CLIENT_ORGURL": "https://okta.invalid",
        "OKTA_CLIENT_TOKEN": "somebody-elses",
        "VAULT_ADDR": "https://vault.invalid",
        "VAULT_TOKEN": "somebody-elses",
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of its own for temporary files."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


# --- what becomes of each app ---------------------------------------------------------------------------------

TOKEN, CLIENT = "token issued", "client authenticated"
ENDED = {
    "catalog-api": ("nothing due", None, None),
    "orders-api": ("rotated", TOKEN, None),
    "inventory-sync": ("rotated", TOKEN, None),
    "payments-api": ("rotated", TOKEN, None),
    "customer-web": ("rotated", CLIENT, None),
    "report-export": ("rotated", CLIENT, None),
    "billing-api": ("adopted", TOKEN, None),
    "search-indexer": ("rotated", TOKEN, None),
    "mail-relay": ("adopted", TOKEN, None),
    "login-gateway": ("carried on", TOKEN, None),
    "audit-feed": ("carried on", None, None),
    "legacy-portal": ("blocked", None, "slots_full"),
    "old-intranet": ("blocked", None, "app_inactive"),
    "crm-sync": ("blocked", None, "other_client"),
}


def test_every_app_ends_as_its_state_asks_for_whatever_the_users_environment_says(
    home: Path, temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(home.rglob("*"))

    code = main(["demo", "--output", "json"])

    told = json.loads(capsys.readouterr().out)
    by_name = {each["target"]: each for each in told["targets"]}
    ended = {
        name: (each["result"], each["proof"] and each["proof"]["level"], each["block"])
        for name, each in by_name.items()
    }
    assert (code, told["exit_code"], ended) == (0, 0, ENDED)
    assert [each["surprises"] for each in told["targets"]] == [[]] * len(ENDED)
    assert "invalid_scope" in by_name["report-export"]["proof"]["detail"]
    assert len(re.findall(r"ocs\w{17}", by_name["legacy-portal"]["message"])) == 2
    assert [step["step"] for step in by_name["login-gateway"]["steps"]] == ["AskUsage", "Verify", "Deactivate"]
    assert [step["step"] for step in by_name["audit-feed"]["steps"]] == ["AskUsage", "Delete"]
    assert [(each["which"], each["status"], each["error"], each["length"]) for each in told["consumers"]] == [
        ("now", 200, None, 64),
        ("overlap", 200, None, 64),
        ("now", 200, None, 64),
        ("retired", 401, "invalid_client", 64),
    ]
    assert told["consumers"][0]["secret_hash"] != told["consumers"][1]["secret_hash"]
    assert told["seconds"] < LONGEST
    assert (sorted(home.rglob("*")), list(temporary.iterdir())) == (before, [])


def test_what_does_not_end_as_it_should_is_named_and_makes_it_fail(
    clean: None, temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = Expected("blocked", block="cap", works=False)
    fleet = [replace(scene, expected=wrong) if scene.name == "orders-api" else scene for scene in FLEET]

    with open_site(fleet) as site:
        code = play(Invocation(), site, Screen(as_json=False))

    said = capsys.readouterr().out
    assert code == 1
    for line in (
        "NOT AS IT SHOULD BE:",
        "orders-api  the result: expected blocked, found rotated",
        "orders-api  the block: expected cap, found None",
        "orders-api  whether Okta takes what is in Vault: expected False, found True",
    ):
        assert line in said
    assert "13 of 14 apps ended as they should" in said


def test_an_application_that_is_refused_makes_it_fail(clean: None, capsys: pytest.CaptureFixture[str]) -> None:
    with open_site(FLEET) as site:
        site.box.vault.delete_metadata("secret", "apps/login-gateway")
        code = play(Invocation(), site, Screen(as_json=True))

    told = json.loads(capsys.readouterr().out)
    assert (code, told["exit_code"]) == (1, 1)
    assert [each["as_it_should_be"] for each in told["consumers"]] == [True, True, False, False]


@pytest.mark.parametrize(
    ("which", "granted", "right"),
    [
        pytest.param("now", Granted(200, None, 3600), True, id="the current one gets a token"),
        pytest.param(
            "overlap", Granted(401, "invalid_client", None), False, id="one in its overlap must not be refused"
        ),
        pytest.param("retired", Granted(401, "invalid_client", None), True, id="a retired one is refused"),
        pytest.param("retired", Granted(200, None, 3600), False, id="a retired one must not get a token"),
        pytest.param("retired", Granted(400, "invalid_scope", None), False, id="nor be refused for another reason"),
        pytest.param("now", None, False, id="nothing to read is never right"),
    ],
)
def test_what_an_application_gets_is_judged_by_which_secret_it_has(
    which: str, granted: Granted | None, right: bool
) -> None:
    read = Credentials(1, "0oa", "a-secret-of-some-length") if granted else None

    assert Tried("orders-api", which, read, granted).as_it_should_be is right


def test_without_a_place_for_its_files_it_says_what_it_needs(
    clean: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")

    code = main(["demo", "-o", "json"])

    said = capsys.readouterr()
    assert (code, said.out) == (1, "")
    assert said.err.startswith("rotator: the demo cannot run here: ")
    assert "temporary folder" in said.err


# --- what is shown --------------------------------------------------------------------------------------------


def test_the_copy_in_the_docs_is_what_it_prints(clean: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0

    said = capsys.readouterr()
    assert table_of(said.out) == table_of(SAID.read_text())
    assert outline_of(said.out) == outline_of(SAID.read_text())
    assert max(map(len, said.out.splitlines())) <= 100
    assert said.out.isascii()
    assert said.err == ""


def table_of(text: str) -> list[list[str]]:
    """Return the cells of the table, which has neither ids nor dates."""
    lines = text.splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("APP "))
    return [re.split(r" {2,}", line) for line in lines[begin : lines.index("", begin)]]


def outline_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(r"[A-Z].*:$", line)]


class Listener:
    """An emulator that notes whatever passes and is secret."""

    def __init__(self, emulator: OktaEmulator | VaultEmulator, heard: set[str]) -> None:
        self._emulator = emulator
        self._heard = heard

    def kind_of(self, request: Request) -> tuple[str, str | None]:
        return self._emulator.kind_of(request)

    def answer(self, request: Request) -> Response:
        answer = self._emulator.answer(request)
        for name in ("authorization", "x-vault-token"):
            self._heard.update((request.header(name) or "").split())
        for body in (request.body.decode(), answer.body.decode()):
            self._heard.update(re.findall(r'"(?:client_secret|access_token|client_token|secret_id)": ?"([^"]+)"', body))
            self._heard.update(
                unquote_plus(value) for value in re.findall(r"(?:client_secret|client_assertion|token)=([^&]+)", body)
            )
        return answer


NO_SECRETS = {"Basic", "Bearer", "SSWS", NO_SUCH_TOKEN}


@pytest.fixture
def overheard(tmp_path: Path) -> Iterator[tuple[Site, set[str]]]:
    """Return a site whose every word passes a listener, and what that heard."""
    heard: set[str] = set()
    with new_sandbox() as box:
        site = Site(box, furnish(box, FLEET), tmp_path)
        box.okta_url = box.serve("okta", Listener(box.okta, heard))
        box.vault_url = box.serve("vault", Listener(box.vault, heard))
        site.write_config()
        yield site, heard


def forms_of(secret: str) -> set[str]:
    """Return a secret and the forms in which it might be shown: base64 at any offset, encoded for a URL."""
    inner = {base64.b64encode(b"x" * pad + secret.encode())[4:-4].decode() for pad in range(3)}
    urlsafe = {each.replace("+", "-").replace("/", "_") for each in inner}
    return {secret, quote(secret, safe=""), quote_plus(secret), *inner, *urlsafe}


def pieces_of(text: str) -> set[str]:
    """Return every run of 16 characters: a table may show a secret in pieces."""
    return {text[n : n + 16] for n in range(len(text) - 15)}


@pytest.mark.parametrize("as_json", [False, True], ids=["the table", "the JSON"])
def test_nothing_secret_is_shown_or_logged(
    as_json: bool, clean: None, overheard: tuple[Site, set[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    site, heard = overheard

    code = play(Invocation(log_level="debug"), site, Screen(as_json=as_json))

    said = capsys.readouterr()
    held = {secret.value for tenant in site.tenants.values() for secret in tenant.secrets.values()}
    held |= {secret.value for tenant in site.tenants.values() for secret in tenant.app.secrets}
    held |= {*site.box.vault._core.tokens.by_id, *site.box.okta.org.api_tokens}
    held |= {line for line in (site.folder / "okta-key.pem").read_text().splitlines() if len(line) == 64}
    canaries = (held | heard) - NO_SECRETS
    assert code == 0
    assert "step_begun" in said.err
    assert {secret.value for tenant in site.tenants.values() for secret in tenant.app.secrets} <= heard
    assert {(site.folder / "vault-secret-id").read_text()} <= heard
    assert any(each.startswith("s.") for each in heard), "no Vault token was heard"
    assert min(map(len, canaries)) >= 20
    shown = pieces_of(said.out) | pieces_of(said.err)
    assert [each for each in canaries for form in forms_of(each) if pieces_of(form) & shown] == []


# --- kept -----------------------------------------------------------------------------------------------------


def read_until(stream: int, end: str) -> str:
    said = b""
    while end.encode() not in said:
        piece = os.read(stream, 65536)
        assert piece, said.decode()
        said += piece
    return said.decode()


def variables_in(said: str) -> dict[str, str]:
    """Return what the file sets that a person is told to source."""
    found = re.search(r"source (\S+)", said)
    assert found
    file = Path(found[1])
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    lines = [shlex.split(line) for line in file.read_text().splitlines()]
    return dict(line[1].partition("=")[::2] for line in lines)


def answer_of(url: str, **how: Any) -> Any:
    answer = requests.request(url=url, timeout=10, **how)
    answer.raise_for_status()
    return answer.json()


def test_kept_it_can_be_played_with_as_it_says_until_ctrl_c(
    clean: None,
    tmp_path: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal, its_end = pty.openpty()
    argv = [sys.executable, "-m", "rotator", "demo", "--keep"]
    process = subprocess.Popen(argv, stdin=its_end, stdout=its_end, stderr=its_end, env={**os.environ, "TERM": "xterm"})
    try:
        said = read_until(terminal, "removes all of it.")
        variables = variables_in(said)
        assert not any(value in said for name, value in variables.items() if name.endswith("TOKEN"))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        okta, vault = variables["OKTA_CLIENT_ORGURL"], variables["VAULT_ADDR"]
        apps = answer_of(
            f"{okta}/api/v1/apps", method="GET", headers={"Authorization": f"SSWS {variables['OKTA_CLIENT_TOKEN']}"}
        )
        read = answer_of(
            f"{vault}/v1/secret/data/apps/orders-api",
            method="GET",
            headers={"X-Vault-Token": variables["VAULT_TOKEN"]},
        )
        assert {"orders-api", "crm-sync"} <= {app["label"] for app in apps}
        assert read["data"]["metadata"]["version"] == 2
        revocation = re.search(r"(http\S+|\$OKTA_CLIENT_ORGURL)(/_sandbox/okta/revoke) -d '(.+?)'", said)
        assert revocation
        assert answer_of(okta + revocation[2], method="POST", data=revocation[3]) == {"status": "INACTIVE"}

        assert main(["rotate", "orders-api", "--output", "json"]) == 0

        (mended,) = json.loads(capsys.readouterr().out)["targets"]
        assert (mended["result"], mended["found"].partition(":")[0]) == ("rotated", "revoked")
        for command in ("status", "plan", "status", "plan"):
            main([command])
            assert "unreachable" not in capsys.readouterr().out
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=20)
        os.close(its_end)
        rest = os.read(terminal, 65536).decode()
        os.close(terminal)
    assert code == 0
    assert "its files are removed" in rest
    assert "Traceback" not in said + rest
    assert (list(temporary.iterdir()), list(tmp_path.iterdir())) == ([], [])


def test_it_leaves_nothing_behind_when_it_is_terminated(clean: None, tmp_path: Path, temporary: Path) -> None:
    argv = [sys.executable, "-m", "rotator", "demo", "--keep", "--output", "json"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    told = read_until(process.stderr.fileno(), "removes all of it.")

    process.terminate()
    out, err = process.communicate(timeout=20)

    assert process.returncode == 143
    assert json.loads(out)["exit_code"] == 0
    assert "Traceback" not in told + err.decode()
    assert (list(temporary.iterdir()), list(tmp_path.iterdir())) == ([], [])
