"""A reader who does what a document says: types its commands, one after the other, in a world made for it.

* `rotator` is the real command, run in this process against the sandbox; `vault` is played by the sandbox's console.
* The documents' example values stand for those of the sandbox: an address, an app id, a role id.
* What a command prints must be what the document shows, where it shows anything; `…` stands for any text.
"""

from __future__ import annotations

import re
import shlex
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from joserfc.jwk import RSAKey

from rotator.cli.main import main
from rotator.sandbox.okta_console import GivenSecret
from rotator.sandbox.okta_state import AdminRole
from rotator.sandbox.vault_tokens import TokenTraits
from tests.entry.documents import ROOT, blocks_of
from tests.entry.predicaments import PREDICAMENTS
from tests.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from rotator.sandbox.okta_state import OktaApp
    from rotator.sandbox.world import Sandbox
    from tests.entry.documents import Block
    from tests.entry.predicaments import Predicament

APPS = {"billing-api": "0oa2example2example2", "portal": "0oa3example3example3"}
PATHS = {"billing-api": "billing/okta"}
NOTHING = AdminRole(apps=frozenset(), label="Rotation")
ANYTHING = TokenTraits(policies=["root"], ttl=timedelta(minutes=20))
CONFIG = """\
okta:
  org_url: https://acme.okta.com
  auth: {method: ssws, token_file: okta-token}
vaults:
  address: https://vault.example.com:8200
  auth: {method: token, token_file: vault-token}
policies:
  default: {mode: auto}
targets:
"""
TARGET = """\
  {name}:
    app_id: {app_id}
    verify: {{authorization_server: default, scope: billing.read}}
    write_to: [{{mount: kv, path: {path}}}]
"""
SERVER, SCOPE = "default", "billing.read"
EXPIRED = timedelta(days=100)
ASK_FOR_CODE = "echo $?"
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
RULE = re.compile(r'^path "([^"]+)" *\{ *capabilities *= *\[([^\]]*)\] *\}$', re.MULTILINE)


@lru_cache
def our_key() -> Any:
    return RSAKey.generate_key(2048)


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str = ""


@dataclass
class Reader:
    """Somebody with a shell, an Okta org and a Vault. `app` is `billing-api`, expired; `portal` is young."""

    box: Sandbox
    folder: Path
    capsys: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch
    example: dict[str, str] = field(default_factory=dict)  # what the documents write, and what there is
    last: int = 0
    around: ExitStack = field(default_factory=ExitStack)  # what ends with it
    _managed: AdminRole = NOTHING

    def __post_init__(self) -> None:
        self.patch.chdir(self.folder)
        self.box.okta.add_authorization_server(SERVER, scopes=[SCOPE])
        for mount in ("kv", "secret"):
            self.box.vault.add_mount(mount)  # an empty one, in place of the last reader's
        scopes = ["okta.apps.read", "okta.apps.manage", "okta.logs.read"]
        self.service = self.box.okta.add_service_app(our_key().as_dict(private=False), scopes=scopes)
        self.token = self.box.okta.add_api_token()
        self.role = self.box.vault.add_approle("rotator", ANYTHING)
        self.example = {
            "https://acme.okta.com": self.box.okta_url,
            "acme.okta.com": "127.0.0.1",
            "https://vault.example.com:8200": self.box.vault_url,
            "0oa1example1example1": self.service.client_id,
            "7f3b5e0c-example": self.role.role_id,
            "<the API token>": self.token,
            "<the Vault token>": self.box.vault.settings.root_token,
        }
        self.write("okta-token", self.token)
        self.write("vault-token", self.box.vault.settings.root_token)
        self.write("okta-key.pem", our_key().as_pem(private=True).decode())
        self.write("vault-secret-id", self.box.vault.new_secret_id(self.role))
        self.portal = self.add_app("portal", age=timedelta(days=12))
        self.app = self.add_app("billing-api", age=EXPIRED)

    @property
    def staging(self) -> str:
        return f"rotator/staging/127.0.0.1/{self.app.id}"

    def add_app(self, name: str, *, age: timedelta) -> OktaApp:
        """Add an app with one secret of that age, which lies in Vault; our role may manage no others."""
        app = self.box.okta.add_app(name, secrets=[GivenSecret(age=age)])
        self.path = PATHS.get(name, f"{name}/okta")
        if self.box.vault.key("kv", self.path):
            self.box.vault.delete_metadata("kv", self.path)
        self.box.vault.put("kv", self.path, {"client_id": app.client_id, "client_secret": app.secrets[-1].value})
        if shown := APPS.get(name):
            self.example[shown] = app.id
        self.may(apps=(self._managed.apps or frozenset()) | {app.id})
        return app

    def may(self, **changes: Any) -> None:
        """Change what our role at Okta may do, and on which apps."""
        self._managed = replace(self._managed, **changes)
        self.service.role = self.box.okta.org.api_tokens[self.token].role = self._managed

    def get_into(self, name: str, trouble: str) -> Predicament:
        """Begin anew with a target of that name, in that predicament, and with a configuration that has it."""
        self.box.okta.settings.hash_formula = "sha256_128"
        self.box.okta.org.scripted_refusals.clear()
        self.may(view_secrets=True, read_log=True)
        self.app = self.add_app(name, age=EXPIRED)
        target = TARGET.format(name=name, app_id=self.app.id, path=self.path)
        self.patch.setenv("ROTATOR_CONFIG", str(self.write("rotator.yaml", self.real(CONFIG) + target)))
        predicament = PREDICAMENTS[trouble]
        predicament.make(self)
        return predicament

    def write(self, name: str, text: str) -> Path:
        """Write a file that nobody else can read."""
        file = self.folder / name
        file.write_text(text)
        file.chmod(0o600)
        return file

    def real(self, text: str) -> str:
        """Put what there is in place of the examples."""
        for shown, meant in self.example.items():
            text = text.replace(shown, meant)
        return text

    # --- Blocks -----------------------------------------------------------------------------------------------

    def follow(self, block: Block) -> list[str]:
        """Do what a block says; return what did not go as it says."""
        if block.kind == "file":
            self.write(block.value, self.real(block.text))
            return []
        if block.kind == "scene":
            self.get_into(*block.value.split(", ", 1))
        if block.kind == "receiver":
            self._be_told(block)
        return self.do(block) if block.language in {"sh", "console"} else []

    def _be_told(self, block: Block) -> None:
        """Have a configuration with the channels that the document shows first, and somebody behind them."""
        receiver = self.around.enter_context(receiving())
        self.example["https://inventory.example.com"] = receiver.url
        for name in (*block.value.split(", "), "heartbeat-url"):
            self.write(name, f"json://127.0.0.1:{receiver.port}/{name}")
        shown = next(each.text for each in blocks_of(block.document) if each.kind == "fragment")
        target = TARGET.format(name="portal", app_id=self.portal.id, path="portal/okta")
        self.patch.setenv("ROTATOR_CONFIG", str(self.write("rotator.yaml", self.real(CONFIG + target + shown))))

    def do(self, block: Block) -> list[str]:
        """Type the commands of a block; return what did not go as it says."""
        problems = []
        for (command, shown), (following, _) in pairwise([*typed(block), ("", [])]):
            said = self.run(self.real(command))
            if said.code and following != ASK_FOR_CODE:
                problems.append(f"{block}: {command}: ends with {said.code}: {said.out}{said.err}")
            elif problem := not_said(self.real("\n".join(shown)).splitlines(), said.out):
                problems.append(f"{block}: {command}: {problem}")
        return problems

    # --- Commands ---------------------------------------------------------------------------------------------

    def run(self, command: str) -> Said:
        """Run one line as a shell would, as far as the documents need one."""
        words = shlex.split(command)
        target = words.index(">") if ">" in words else len(words)
        said = self._run(words[:target])
        if target < len(words):
            self.write(words[target + 1], said.out)
            said = Said(said.code, "")
        return said

    def _run(self, words: list[str]) -> Said:
        match words:
            case ["rotator", *argv]:
                return self._rotator(argv)
            case ["vault", *argv]:
                return Said(0, Vault(self).run(argv))
            case ["make", *targets]:
                return Said(0 if targets and set(targets) <= TARGETS else 2, "", f"no such target in {targets}")
            case ["export", assignment]:
                name, _, value = assignment.partition("=")
                self.patch.setenv(name, value)
                return Said(0, "")
            case ["echo", "$?"]:  # what a document asks for right after a command that is to fail
                return Said(0, f"{self.last}\n")
        return Said(127, "", f"the reader does not know {words[0]}")

    def _rotator(self, argv: list[str]) -> Said:
        self.capsys.readouterr()
        self.last = main(argv)
        said = self.capsys.readouterr()
        return Said(self.last, said.out, said.err)


class Vault:
    """HashiCorp's command, as far as the documents use it, played by the console of the sandbox."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._console = reader.box.vault
        self._verbs: dict[str, Callable[[list[str], dict[str, str]], str]] = {
            "auth enable": self._enable,
            "policy write": self._policy,
            "write auth/approle/role/rotator": self._role,
            "read auth/approle/role/rotator/role-id": lambda *_: f"{reader.role.role_id}\n",
            "write auth/approle/role/rotator/secret-id": lambda *_: self._console.new_secret_id(reader.role),
            "kv put": self._put,
            "kv patch": self._put,
            "kv undelete": self._undelete,
            "kv rollback": self._rollback,
        }

    def run(self, argv: list[str]) -> str:
        flags = dict(word.lstrip("-").partition("=")[::2] for word in argv if word.startswith("-"))
        words = [word for word in argv if not word.startswith("-")]
        for length in (2, 1):
            if verb := self._verbs.get(" ".join(words[:length])):
                return verb(words[length:], flags)
        raise AssertionError(f"the reader's vault does not know {words}")

    def _enable(self, words: list[str], _: dict[str, str]) -> str:
        assert words == ["approle"], words  # the role of the reader's is there
        return ""

    def _policy(self, words: list[str], _: dict[str, str]) -> str:
        name, file = words
        self._console.add_policy(name, policy_in((self._reader.folder / file).read_text()))
        return ""

    def _role(self, words: list[str], _: dict[str, str]) -> str:
        given = dict(word.split("=") for word in words)
        assert set(given) <= {"token_policies", "token_ttl", "token_max_ttl"}, given
        self._reader.role.traits = TokenTraits(policies=[given["token_policies"]], ttl=timedelta(minutes=20))
        return ""

    def _put(self, words: list[str], flags: dict[str, str]) -> str:
        path, *fields = words
        before = self._console.read(flags["mount"], path) or {}
        self._console.put(flags["mount"], path, before | dict(field.split("=", 1) for field in fields))
        return ""

    def _undelete(self, words: list[str], flags: dict[str, str]) -> str:
        self._console.undelete(flags["mount"], words[0], int(flags["versions"]))
        return ""

    def _rollback(self, words: list[str], flags: dict[str, str]) -> str:
        old = self._console.read(flags["mount"], words[0], version=int(flags["version"]))
        assert old is not None
        self._console.put(flags["mount"], words[0], old)
        return ""


def policy_in(text: str) -> dict[str, list[str]]:
    """Return the rules of a policy in HCL, in the one form that the documents use."""
    rules = {path: re.findall(r'"(\w+)"', capabilities) for path, capabilities in RULE.findall(text)}
    assert len(re.findall("^path", text, re.MULTILINE)) == len(rules), "a rule is written in another form"
    return rules


def typed(block: Block) -> list[tuple[str, list[str]]]:
    """Return the commands of a block, each with what the document shows of its output."""
    text = block.text.replace("\\\n", " ")
    if block.language == "sh":
        lines = [line.strip() for line in text.splitlines()]
        return [(line.partition(" #")[0].strip(), []) for line in lines if line and not line.startswith("#")]
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip():
            found[-1][1].append(line.rstrip())
    return found


def not_said(shown: list[str], said: str) -> str:
    """Return the first line of the document that the command did not print, in that order."""
    lines = iter(said.splitlines())
    for line in shown:
        wanted = re.compile(r"\s+".join(re.escape(word).replace("…", ".*") for word in line.split()))
        if line != "…" and not any(wanted.fullmatch(" ".join(each.split())) for each in lines):
            return f"does not print {line!r} there, but:\n{said}"
    return ""
