"""A whole life of the program against the sandbox, at the level `debug`, with everything kept that it says or leaves.

* The daemon is a process of its own, started as people start it; so are some commands, and the rest are forks of one
  that has imported everything.
* Whatever becomes a secret meanwhile is noted: at Okta, in Vault, and each token that was given out.
* Okta and Vault also answer badly: with what they know of a secret in the wrong place.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from rotator.sandbox.faults import Reply
from rotator.sandbox.journal import Wanted
from rotator.sandbox.vault_tokens import TokenTraits
from tests.contract.okta_keys import rsa_pem
from tests.entry.daemon import Daemon
from tests.entry.site import Site
from tests.free_port import free_port
from tests.leaks.place import INPUTS, Place, Watcher
from tests.leaks.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rotator.daemon.talk import Request
    from rotator.sandbox.faults import Verdict
    from rotator.sandbox.http import Response
    from rotator.sandbox.journal import Call
    from rotator.sandbox.world import Sandbox
    from tests.entry.zygote import Zygote
    from tests.receiver import Receiver

WEBHOOK_SECRET = "wEbHoOk+sEcReT/of=the-life_7Yq2kL9mZx"
HOOK_SECRET = "hOoK+sEcReT/of=the-life_3Wd8nB5vQp"
ADDRESS_TOKEN = "aDdReSs-t0kEn_9Zx4KpLw7Rt2"
NOBODYS = "N0b0dys-sEcReT_4Fg8Hj2Kl6Qw1Er5Ty9Ui3Op7As"
FRESH = timedelta(days=1)
ROOT_FOR_AN_HOUR = TokenTraits(policies=["root"], ttl=timedelta(hours=1))
SCOPES = ("okta.apps.read", "okta.apps.manage", "okta.logs.read")
HOOK_SCRIPT = """
ulimit -Sc > "$0/cores-$$"; env > "$0/env-$$"; cat /proc/$$/cmdline > "$0/argv-$$"; cat > "$0/stdin-$$"; sleep 0.05
"""


@dataclass(frozen=True, slots=True)
class Echo:
    """The true answer with its secrets where none belong: as text, in an error, under another name, or cut in two."""

    how: str
    name = "echo"

    async def __call__(self, _call: Call, reply: Reply | None) -> Verdict:
        """Spoil the answer."""
        assert reply
        return Reply(self._spoilt(reply.response))

    def _spoilt(self, true: Response) -> Response:
        body = true.body
        match self.how:
            case "in an error of Okta's":
                text = body.decode("utf-8", "replace").replace("\\", "").replace('"', "'")
                spoilt = f'{{"errorCode": "E0000001", "errorSummary": "{text}", "errorCauses": []}}'.encode()
                return replace(true, status=400, body=spoilt)
            case "in an error of Vault's":
                text = body.decode("utf-8", "replace").replace("\\", "").replace('"', "'")
                return replace(true, status=400, body=f'{{"errors": ["{text}"]}}'.encode())
            case "under another name":
                spoilt = body.replace(b'"client_secret":', b'"status":').replace(b'"secret_hash":', b'"created":')
            case "of another type":
                spoilt = body.replace(b'"client_secret": "', b'"client_secret": ["').replace(b'"id":', b'"id_":')
            case "cut":
                spoilt = body[: len(body) * 3 // 4]
            case _:
                spoilt = b"<html>" + body + b"</html>"
        return replace(true, body=spoilt)


ECHOES = (
    "in an error of Okta's", "in an error of Vault's", "under another name", "of another type", "cut", "as a page",
)  # fmt: skip
SPOILT = (
    Wanted(service="okta", path="/api/v1/apps/*"),
    Wanted(service="vault", path="/v1/secret/*"),
    Wanted(service="okta", path="/oauth2/*/token"),
)


class LongLived(Daemon):
    """The daemon as a process of its own, which takes long to start where much else runs."""

    soon = 120.0

    def __init__(self, life: Life, *options: str) -> None:
        def start(argv: list[str], daemon: Daemon) -> subprocess.Popen[bytes]:
            self.log = life.place.folder / f"log-{time.monotonic_ns()}"
            with self.log.open("wb") as log:
                argv = [sys.executable, "-m", "rotator", *argv]
                return subprocess.Popen(
                    argv, env=life.environ | {"NOTIFY_SOCKET": self._notified}, stdout=log, stderr=log
                )

        super().__init__(life.site, start, "--poll", "1s", *options)


@dataclass
class Life:
    """What runs, where it leaves things, and what must not be among them."""

    box: Sandbox
    place: Place
    receiver: Receiver
    zygote: Zygote
    scanner: Scanner = field(default_factory=Scanner)
    codes: dict[str, int] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    _learnt: int = -1

    def __post_init__(self) -> None:
        self.site = Site(self.box, self.place.folder / INPUTS, propagation="1s", answer_within="2s")
        self.runtime = tempfile.mkdtemp(prefix="rt")  # a socket's path may not be long
        self._secure()
        self._configure()

    def close(self) -> None:
        shutil.rmtree(self.runtime)

    # --- What there is --------------------------------------------------------------------------------------

    def _secure(self) -> None:
        """Make every secret that the program is given, and learn it."""
        us = self.box.okta.add_service_app(_public(), scopes=SCOPES)
        role = self.box.vault.add_approle("rotator", ROOT_FOR_AN_HOUR)
        given = {
            "okta-key": rsa_pem(),
            "okta-token": self.site.api_token,
            "vault-token": self.box.vault.create_token(["root"]),
            "vault-secret-id": self.box.vault.new_secret_id(role),
            "hook-secret": WEBHOOK_SECRET,
            "ci-secret": HOOK_SECRET,
            "hook-url": f"{self.receiver.url}/hook/{ADDRESS_TOKEN}",
            "ci-url": f"{self.receiver.url}/ci/{ADDRESS_TOKEN}",
            "apprise-url": f"json://127.0.0.1:{self.receiver.port}/apprise/{ADDRESS_TOKEN}",
            "heartbeat-url": f"{self.receiver.url}/ping/{ADDRESS_TOKEN}",
            "nobodys": NOBODYS,
        }
        for name, text in given.items():
            self.give(name, text, secret=ADDRESS_TOKEN if name.endswith("-url") else text)
        self.by_key = {"method": "private_key_jwt", "client_id": us.client_id, "key_file": "okta-key"}
        self.by_role = {"method": "approle", "role_id": role.role_id, "secret_id_file": "vault-secret-id"}

    def give(self, name: str, text: str, *, secret: str | None = None) -> Path:
        """Put a secret where the program finds it."""
        self.scanner.learn(name, text if secret is None else secret)
        file = self.site.folder / name
        file.write_text(text)
        file.chmod(0o600)
        return file

    def _configure(self) -> None:
        told = self.place.file("hook/it").parent
        self.site.okta_auth = self.by_key
        self.site.policy = "{mode: auto, overlap: 1s, soak: 1s, usage: off, hooks: [note, ci]}"
        self.site.extra = {
            "hooks": {
                "note": {"command": ["/bin/sh", "-c", HOOK_SCRIPT, str(told)]},
                "ci": {"url_file": "ci-url", "secret_file": "ci-secret"},
            },
            "notify": {
                "channels": {
                    "hook": {"kind": "webhook", "url_file": "hook-url", "secret_file": "hook-secret"},
                    "chat": {"kind": "apprise", "url_file": "apprise-url"},
                },
                "upcoming": "7d",
            },
            "heartbeat": {"url_file": "heartbeat-url", "every": "1s"},
            "health": {"listen": f"127.0.0.1:{free_port()}"},
            **self.state,
        }
        self.box.okta.settings.limits = {"apps": 100_000, "app": 100_000, "logs": 100_000}

    @property
    def environ(self) -> dict[str, str]:
        """The environment of the program."""
        folder = str(self.place.folder)
        passed = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
        return passed | {
            "HOME": folder,
            "XDG_STATE_HOME": f"{folder}/state",
            "TMPDIR": f"{folder}/tmp",
            "RUNTIME_DIRECTORY": self.runtime,
            "ROTATOR_LOG_LEVEL": "debug",
            "PYTHONFAULTHANDLER": "1",
        }

    # --- What is watched ------------------------------------------------------------------------------------

    def watched(self) -> Watcher:
        """Return who looks at processes and files, and notes what becomes a secret."""
        return Watcher(self.place, self.learn)

    def learn(self) -> None:
        """Note every secret that there is now, if anything was asked since the last time."""
        if (mark := self.box.journal.mark()) == self._learnt:
            return
        self._learnt = mark
        with self.box.lock:
            org, core = self.box.okta.org, self.box.vault._core
            at_okta = [secret.value for app in org.apps.values() for secret in app.secrets]
            keys = self.box.vault.kv("secret").keys.values()
            versions = [version.fields for key in keys for version in key.versions.values() if version.fields]
            tokens = [*org.access_tokens, *(token for token in core.tokens.by_id if token != "root")]
        in_vault = [value for fields in versions if isinstance(value := fields.get("client_secret"), str)]
        for value in (*at_okta, *in_vault):
            if value:
                self.scanner.learn("a client secret", value, in_parts=True)
        for token in tokens:
            self.scanner.learn("a token", token)

    def made(self) -> set[str]:
        """Return the hashes of what the program says that it made."""
        found: set[str] = set()
        for path, key in self.box.vault.kv("secret").keys.items():
            if path.startswith("rotator/") and (version := key.versions.get(key.current)) and version.fields:
                found |= {each["hash"] for each in json.loads(version.fields.get("made") or "[]")}
        return found

    # --- What is done ---------------------------------------------------------------------------------------

    def run(self, *args: str, bare: bool = False) -> int:
        """Run a command and keep what it says."""
        argv = list(args) if bare else self._with_config(*args)
        name = f"{len(self.codes):03}-{'-'.join(args[:2]).replace('/', '_')}"
        out = self.place.file(f"said/{name}")
        self.codes[name] = self.zygote.run(argv, out, **self.environ).wait()
        return self.codes[name]

    def both(self, *args: str) -> None:
        """Run a command for people, then for programs."""
        self.run(*args)
        self.run(*args, "-o", "json")

    def run_alone(self, *args: str, module: str = "rotator", into: str = "said/alone") -> int:
        """Run a command as a new process."""
        argv = [sys.executable, "-m", module, *self._with_config(*args)]
        done = subprocess.run(argv, env=self.environ, capture_output=True, check=False)
        self.place.file(f"{into}-{len(self.codes)}").write_bytes(done.stdout + done.stderr)
        self.codes[f"{into}-{len(self.codes)}"] = done.returncode
        return done.returncode

    def _with_config(self, *args: str) -> list[str]:
        """Put `--config` after the command's own words: `audit export` has two."""
        words = 2 if args[0] in {"audit", "policy", "notify", "config"} else 1
        return [*args[:words], "--config", str(self.site.config), *args[words:]]

    def copied(self, name: str, into: str) -> None:
        """Keep what the last command of that name said as a file of another channel too."""
        said = [file for file in (self.place.folder / "said").iterdir() if file.name.endswith(name)]
        shutil.copy(max(said), self.place.file(into))

    def spoilt(self, do: Callable[[], object], *ways: str) -> None:
        """Do something in a world whose answers hold secrets in the wrong places, one kind of answer at a time."""
        for wanted in SPOILT:
            for how in ways:
                self.box.faults.arm(Echo(how), wanted, when="after", times=None)
                do()
                self.box.faults.clear()

    def look_up(self, daemon: Daemon) -> None:
        """Fetch the daemon's pages."""
        url = daemon.until("health_served")["url"]
        for page in ("livez", "readyz", "metrics"):
            with urlopen(f"{url}/{page}", timeout=10) as answer:
                self.place.file(f"pages/{page}").write_bytes(str(answer.headers).encode() + answer.read())

    def ask(self, request: Request) -> None:
        """Ask the daemon at its socket and keep the bare answer."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(60)
            line.connect(f"{self.runtime}/control.sock")
            line.sendall(request.line())
            said = b"".join(iter(lambda: line.recv(65536), b""))
        number = len(list(self.place.file("answers/it").parent.iterdir()))
        self.place.file(f"answers/{request.command}-{number}").write_bytes(said)

    def keep_post(self) -> None:
        """Keep what was sent to people and programs."""
        keep_post(self.place, self.receiver)


def keep_post(place: Place, receiver: Receiver) -> None:
    """Keep what came. The address itself is a secret that belongs there."""
    for number, got in enumerate(receiver.got):
        heads = "\n".join(f"{name}: {text}" for name, text in got.headers.items())
        path = got.path.replace(ADDRESS_TOKEN, "…")
        place.file(f"post/{got.path.split('/')[1]}/{number}").write_bytes(f"{path}\n{heads}\n\n".encode() + got.body)


def _public() -> dict[str, Any]:
    from joserfc.jwk import RSAKey

    return dict(RSAKey.import_key(rsa_pem()).as_dict(private=False), kid="k1")
