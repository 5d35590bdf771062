"""A stand for trials: the sandbox behind the misbehaving proxy, the real command in front, and the observer beside it.

The program knows the addresses of the proxy alone, logs in at Vault with an AppRole, signs in at Okta with a key where
the scene is about that, and runs as a fork of a process that has imported everything. After every call that was applied
the observer is told the whole state, read over the sandbox's console.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.faults import GoOn
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.vault_tokens import TokenTraits
from rotator.sandbox.world import Sandbox
from tests.entry.site import STAGING, Site
from tests.faults.observer import Observer, Slot, State, Version
from tests.faults.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from joserfc.jwk import RSAKey

    from rotator.sandbox.faults import Reply, Verdict
    from rotator.sandbox.journal import Call
    from rotator.sandbox.server import Tls
    from tests.entry.zygote import Zygote

BACK = timedelta(days=24)
OVERLAP = timedelta(days=7)
PATH, NEIGHBOUR = "billing/okta", "payroll/okta"
HOST_STAGING = f"{STAGING}/127.0.0.1"
ANSWER_WITHIN = 2.0
LOOKS = frozenset(
    {"login", "token", "revoke", "introspect", "revoke-self", "capabilities-self"}
)  # POSTs that change neither secrets nor paths
RULES = {
    "secret/*": ("create", "read", "update", "list"),
    "sys/internal/ui/mounts/*": ("read",),
}
POLICY = "rotator"
UGLY = ("Traceback", "Exception ignored", "never retrieved", "never awaited", "Unclosed", "Error in sys")


class Scene(NamedTuple):
    """A command at the point of a rotation's life where it is faulted, and how the slots are in the end."""

    name: str
    argv: tuple[str, ...]
    prepared: tuple[timedelta, ...]  # the time that went by after each pass before it
    then: dict[str, str]
    rolled_back: bool = False  # a person has put the old value back, which was switched off by then
    with_key: bool = False  # signs in at Okta with a key, which takes much of the CPU; else an API token
    answer_within: float = ANSWER_WITHIN

    @property
    def rotates(self) -> bool:
        return self.argv[0] == "rotate"

    @property
    def hastily(self) -> tuple[str, ...]:
        """What makes the command end where it has to wait."""
        return ("--wait", "0") if self.rotates else ()


EIGHT, FOUR = timedelta(days=8), timedelta(days=4)
ROTATE = Scene("rotate", ("rotate", "billing"), (), {"old": "ACTIVE", "new": "ACTIVE"})
SIGN_IN = ROTATE._replace(name="sign-in", with_key=True, answer_within=3 * ANSWER_WITHIN)
SWITCH_OFF = Scene("switch-off", ("reconcile", "billing"), (EIGHT,), {"old": "INACTIVE", "new": "ACTIVE"})
REMOVE = Scene("remove", ("reconcile", "billing"), (EIGHT, FOUR), {"new": "ACTIVE"})
ACTIVATE = Scene(
    "activate", ("reconcile", "billing"), (EIGHT, timedelta(hours=1)), {"old": "ACTIVE", "new": "ACTIVE"}, True
)


@dataclass(frozen=True, slots=True)
class Certificates:
    """The one that the program trusts, and two that it must not."""

    ours: Tls
    unknown: Tls
    misnamed: Tls
    ca: Path  # vouches for ours and for the misnamed one
    key: RSAKey  # ours, to sign in at Okta


@dataclass(frozen=True, slots=True)
class Ran:
    """How one run ended."""

    code: int
    seconds: float
    peak: int  # kilobytes
    wrote: int
    said: str

    @property
    def idle(self) -> bool:
        return self.code == 0 and not self.wrote


@dataclass
class Watch:
    """An act of the sandbox that changes nothing: tells the observer what each call came to."""

    trial: Trial
    name: str = "watch"

    async def __call__(self, call: Call, _: Reply | None) -> Verdict:
        with self.trial.box.lock:
            self.trial.applied(call)
        return GoOn()


@dataclass
class Trial:
    """A world of its own, in which one thing goes wrong."""

    scene: Scene
    folder: Path
    trust: Certificates
    zygote: Zygote
    faulted: bool = True  # else it has all the time that it may need on a busy machine
    runs: list[Ran] = field(default_factory=list)
    around: ExitStack = field(default_factory=ExitStack)
    theirs: dict[str, str] = field(default_factory=lambda: {"note": "theirs"})  # fields that other people wrote
    interfered: bool = False  # a person acted in the instant of the call that comes next

    def __enter__(self) -> Self:
        self.folder.mkdir()
        clock = SandboxClock(datetime.now(UTC) - BACK)  # so that it can go on, up to our own time
        self.box = self.around.enter_context(
            Sandbox(clock=clock, tls=self.trust.ours, okta=OktaSettings(client_clock="real"))
        )
        self.proxy = self.around.enter_context(Proxy(self.trust.ours))
        self.trap = self.proxy.line_to("trap", self.box.vault_url)  # where nobody has reason to go
        self.site = self._site()
        self.app, self.other = self.site.add(), self.site.add("payroll", age=timedelta(0))
        self.old = self.app.secrets[0]
        del self.site.targets["payroll"]  # somebody else's, who shares org and Vault with us
        clock.advance(BACK - sum(self.scene.prepared, timedelta(0)) - timedelta(minutes=1))
        for span in self.scene.prepared:
            passed = asyncio.run(self.site.reconcile())
            assert passed.exit_code == 0, passed.message
            clock.advance(span)
        if self.faulted:
            self.site.answer_within = f"{self.scene.answer_within:g}s"
        if self.scene.rolled_back:
            self.box.vault.put("secret", PATH, self.site.fields() | {"client_secret": self.old.value})
        clock.advance(timedelta(minutes=1))
        self.proxy.calls.clear()
        self.neighbour = self._neighbour()
        self.mark = self.box.journal.mark()
        self.observer = self._observer()
        self.box.faults.arm(Watch(self), when="after", times=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.around.close()

    # --- the command --------------------------------------------------------------------------------------

    def run(self, *more: str) -> Ran:
        """Run the command to its end."""
        log = self.folder / f"log-{len(self.runs)}"
        home = str(self.folder)
        began, wrote = time.monotonic(), self.observer.writes
        child = self.zygote.run(self.site.argv(*self.scene.argv, *more), log, HOME=home, XDG_STATE_HOME=f"{home}/state")
        code, peak = child.ended()
        ran = Ran(code, time.monotonic() - began, peak, self.observer.writes - wrote, log.read_text())
        self.runs.append(ran)
        return ran

    # --- people -------------------------------------------------------------------------------------------

    def person(self, deed: Callable[[], object]) -> Callable[[], None]:
        """Return the deed, told to the observer as somebody else's."""

        def done() -> None:
            with self.box.lock:
                deed()
                self.observer.person(self.state())
                self.interfered = True

        return done

    def put(self, **fields: str) -> None:
        """Write to the consumers' path, where there is something to keep."""
        if held := self.site.fields():
            self.box.vault.put("secret", PATH, held | fields)
            self.theirs |= fields

    def destroy(self) -> None:
        """Destroy what consumers read; whoever does so has a copy."""
        key = self.box.vault.key("secret", PATH)
        assert key
        self.copy = self.site.fields()
        self.box.vault.destroy("secret", PATH, key.current)

    def put_back(self) -> None:
        """Write it again, unless there is something to read by now."""
        if not self.site.fields():
            self.box.vault.put("secret", PATH, self.copy)

    # --- what the observer sees ---------------------------------------------------------------------------

    def applied(self, call: Call) -> None:
        state = self.state()
        if _looks(call):
            self.observer.time(state)
        else:
            self.observer.effect(call.kind, call.n, state, stale=self.interfered)
        self.interfered = False

    def state(self) -> State:
        now = self.box.clock.now()
        accepted = set(self.app.accepted(now))
        slots = tuple(
            Slot(each.id, each.value, each.active, each.value in accepted, each.updated) for each in self.app.secrets
        )
        key = self.box.vault.key("secret", PATH)
        return State(
            now=now,
            slots=slots,
            consumer=tuple(self._versions(PATH)),
            latest=key.current if key else 0,
            staging=tuple(self._versions(self.staging)),
        )

    def settled(self) -> bool:
        """Whether the slots are as they are in the end, and staging is closed."""
        with self.box.lock:
            closed = self.staged().get("state") == "empty" and len([*self._versions(self.staging)]) == 1
            return closed and self.slots == self.scene.then and len(self.app.secrets) == len(self.scene.then)

    @property
    def slots(self) -> dict[str, str]:
        return {"old" if each.id == self.old.id else "new": each.status for each in self.app.secrets}

    def foreign(self) -> list[str]:
        """Return what was touched that is none of ours."""
        found = [] if self._neighbour() == self.neighbour else ["the neighbour's app or path was changed"]
        found += ["a redirect was followed"] * self.proxy.met["trap"]
        found += ["a wrong certificate was trusted"] * self.proxy.deceived
        ours = (f"/api/v1/apps/{self.app.id}/", f"/secret/data/{PATH}", f"/{self.staging}")
        for call in self.box.journal.calls(since=self.mark):
            if not _looks(call) and not any(part in call.path for part in ours):
                found.append(f"{call.method} {call.path}")
        return found

    @property
    def staging(self) -> str:
        return f"{HOST_STAGING}/{self.app.id}"

    def staged(self) -> dict[str, Any]:
        return self.box.vault.read("secret", self.staging) or {}

    def _versions(self, path: str) -> Iterator[Version]:
        now, key = self.box.clock.now(), self.box.vault.key("secret", path)
        for number, version in sorted(key.versions.items() if key else ()):
            if version.fields is not None and not version.gone_by(now):
                yield Version(number, version.created, dict(version.fields))

    def _neighbour(self) -> object:
        slots = [(each.id, each.value, each.active) for each in self.other.secrets]
        paths = [path for path in self.box.vault.kv("secret").keys if not path.startswith(HOST_STAGING)]
        return slots, list(self._versions(NEIGHBOUR)), sorted(paths)

    def _observer(self) -> Observer:
        state = self.state()
        observer = Observer(
            overlap=OVERLAP,
            may_make=int(self.scene.rotates),
            reclaim_after=timedelta(days=30),
            settle=timedelta(seconds=2 * ANSWER_WITHIN),
            before=state,
        )
        observer.owns(*(slot.value for slot in state.slots))
        return observer

    def _site(self) -> Site:
        vault = self.box.vault
        vault.add_policy(POLICY, RULES)
        role = vault.add_approle(POLICY, TokenTraits(policies=(POLICY,), ttl=timedelta(minutes=20)))
        self._file("secret-id", vault.new_secret_id(role))
        site = Site(
            self.box,
            self.folder,
            okta_url=self.proxy.line_to("okta", self.box.okta_url),
            vault_url=self.proxy.line_to("vault", self.box.vault_url),
            vault_auth={"method": "approle", "role_id": role.role_id, "secret_id_file": "secret-id"},
            ca_file=str(self.trust.ca),
            answer_within="20s",
            propagation="1s",
        )
        if self.scene.with_key:
            site.okta_auth = self._key_login()
        return site

    def _key_login(self) -> dict[str, str]:
        key, scopes = self.trust.key, ("okta.apps.read", "okta.apps.manage", "okta.logs.read")
        us = self.box.okta.add_service_app(dict(key.as_dict(private=False), kid="k1"), scopes=scopes)
        self._file("key.jwk", json.dumps(key.as_dict(private=True) | {"kid": "k1"}))
        return {"method": "private_key_jwt", "client_id": us.client_id, "key_file": "key.jwk"}

    def _file(self, name: str, text: str) -> None:
        file = self.folder / name
        file.write_text(text)
        file.chmod(0o600)


def _looks(call: Call) -> bool:
    return call.method in {"GET", "HEAD"} or call.path.rpartition("/")[2] in LOOKS
