"""The matrix: what is done in a rotation's life, times what can go wrong with it, once or from then on.

`selected` covers each effect and each fault, and every write under each fault that leaves its outcome open; `every` is
the whole product. A trial has a name, `create / reset after / once`, by which it is run alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

from rotator.sandbox.journal import Wanted
from tests.faults import wire_faults as wire
from tests.faults.legs import Answer
from tests.faults.stand import ACTIVATE, ANSWER_WITHIN, PATH, REMOVE, ROTATE, RULES, SIGN_IN, SWITCH_OFF, Scene, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rotator.sandbox.journal import Call
    from tests.faults.proxy import CallFault, ConnectionFault, Rule

    Make = Callable[[Trial], CallFault | ConnectionFault]


class Effect(NamedTuple):
    """One call of a rotation's life: the n-th of its kind in its scene."""

    name: str
    wanted: Wanted
    nth: int = 1
    scene: Scene = ROTATE
    writes: bool = False

    @property
    def service(self) -> str:
        assert self.wanted.service
        return self.wanted.service


def _okta(method: str, path: str) -> Wanted:
    return Wanted(service="okta", method=method, path=path)


def _vault(method: str, path: str) -> Wanted:
    return Wanted(service="vault", method=method, path=path)


SECRETS = "/api/v1/apps/*/credentials/secrets"
STAGED = "/v1/secret/data/rotator/staging/*"
CONSUMED = f"/v1/secret/data/{PATH}"
TOKEN = _okta("POST", "/oauth2/default/v1/token")

EFFECTS = (
    Effect("sign in at Okta", _okta("POST", "/oauth2/v1/token"), scene=SIGN_IN),
    Effect("get the app", _okta("GET", "/api/v1/apps/*")),
    Effect("list the secrets", _okta("GET", SECRETS)),
    Effect("log in at Vault", _vault("POST", "/v1/auth/approle/login")),
    Effect("look at the mount", _vault("GET", "/v1/sys/internal/ui/mounts/*")),
    Effect("read the staging metadata", _vault("GET", "/v1/secret/metadata/rotator/*")),
    Effect("read the metadata", _vault("GET", f"/v1/secret/metadata/{PATH}")),
    Effect("read a version", _vault("GET", CONSUMED)),
    Effect("stage", _vault("POST", STAGED), writes=True),
    Effect("read the staged record", _vault("GET", STAGED)),
    Effect("create", _okta("POST", SECRETS), writes=True),
    Effect("verify", TOKEN),
    Effect("revoke the test token", _okta("POST", "/oauth2/default/v1/revoke")),
    Effect("promote", _vault("POST", CONSUMED), writes=True),
    Effect("read back", _vault("GET", CONSUMED), 2),
    Effect("verify again", TOKEN, 2),
    Effect("close staging", _vault("POST", STAGED), 2, writes=True),
    Effect("destroy", _vault("POST", "/v1/secret/destroy/rotator/*"), writes=True),
    Effect("give the token back", _vault("POST", "/v1/auth/token/revoke-self")),
    Effect("read the System Log", _okta("GET", "/api/v1/logs"), scene=SWITCH_OFF),
    Effect("deactivate", _okta("POST", "*/lifecycle/deactivate"), scene=SWITCH_OFF, writes=True),
    Effect("delete", _okta("DELETE", f"{SECRETS}/*"), scene=REMOVE, writes=True),
    Effect("ask the System Log", _okta("GET", "/api/v1/logs"), scene=ACTIVATE),
    Effect("activate", _okta("POST", "*/lifecycle/activate"), scene=ACTIVATE, writes=True),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong. `open`: the outcome of a write is open after it. `only`: where it can go wrong at all."""

    name: str
    make: Make
    open: bool = False
    only: Callable[[Effect], bool] = lambda _: True
    repair: Callable[[Trial], object] = lambda _: None  # by a person, before the next run
    once_only: bool = False


def _same(fault: CallFault | ConnectionFault) -> Make:
    return lambda _: fault


JSON, HTML = ("Content-Type", "application/json"), ("Content-Type", "text/html")
SAYS = b'{"errorCode": "E0000009", "errorSummary": "Internal Server Error", "errorCauses": [], "errors": ["broken"]}'
RATE = (("X-Rate-Limit-Limit", "100"), ("X-Rate-Limit-Remaining", "0"), ("Retry-After", "1"))


def _instead(status: int, body: bytes = SAYS, *headers: tuple[str, str], applied: bool = False) -> Make:
    return _same(wire.Instead(Answer(status, (*headers, HTML if body == wire.PAGE else JSON), body), applied))


def _storm(trial: Trial) -> CallFault:
    reset = str(int(trial.box.clock.now().timestamp()) + 2)
    return wire.Instead(Answer(429, (*RATE, ("X-Rate-Limit-Reset", reset), JSON), SAYS))


def _elsewhere(scheme: str) -> Make:
    def make(trial: Trial) -> CallFault:
        there = trial.trap.replace("https", scheme) + "/v1/secret/data/x"
        return wire.Instead(Answer(307, (("Location", there),)))

    return make


def _of_vault(effect: Effect) -> bool:
    return effect.service == "vault"


def _with_token(effect: Effect) -> bool:
    return _of_vault(effect) and effect.name != "log in at Vault"


def _on_the_path(effect: Effect) -> bool:
    return effect.name in {"read the metadata", "read a version", "promote", "read back"}


def _of_kv(effect: Effect) -> bool:
    return _of_vault(effect) and "/secret/" in effect.wanted.path


def _vault_is(deed: Callable[[Trial], object]) -> Make:
    return lambda trial: wire.Meanwhile(trial.person(lambda: deed(trial)))


def _forget_tokens(trial: Trial) -> None:
    tokens = trial.box.vault._core.tokens
    for token in [*tokens.by_id.values()]:
        if "rotator" in token.policies:
            tokens.revoke(token)


def _write_in_between(trial: Trial) -> None:
    """Somebody patches the path, and copies the staging record over itself."""
    trial.put(motd="hello")
    if trial.staged():
        trial.box.vault.put("secret", trial.staging, trial.staged())


def _keep_one_version(trial: Trial) -> None:
    trial.box.vault.kv("secret").config.max_versions = 1


FAULTS = (
    # The wire.
    Fault("refused", _same(wire.Refused())),
    Fault("reset before", _same(wire.Reset()), open=True),
    Fault("reset after", _same(wire.Reset(applied=True)), open=True),
    Fault("truncated", _same(wire.Truncated())),
    Fault("half closed before", _same(wire.HalfClosed())),
    Fault("half closed after", _same(wire.HalfClosed(applied=True))),
    Fault("byte by byte", _same(wire.ByteByByte(0.0005))),
    Fault("byte by byte for ever", _same(wire.ByteByByte(ANSWER_WITHIN / 40))),
    Fault("silence before", _same(wire.Silent()), open=True),
    Fault("silence after", _same(wire.Silent(applied=True)), open=True),
    Fault("twice", _same(wire.Twice()), open=True),
    Fault("overtaken", _same(wire.Late(overtaken=True)), open=True, once_only=True),
    Fault("late", _same(wire.Late(overtaken=False)), open=True, once_only=True),
    # TLS.
    Fault("no handshake", _same(wire.NoHandshake())),
    Fault("half a handshake", _same(wire.HalfAHandshake())),
    Fault("cut within an answer", _same(wire.Truncated(0.3, abrupt=True))),
    Fault("unknown certificate", lambda trial: wire.Certificate(trial.trust.unknown)),
    Fault("wrong host name", lambda trial: wire.Certificate(trial.trust.misnamed)),
    # Answers.
    Fault("429 with its headers", _storm),
    Fault("429 without headers", _instead(429, b"")),
    *(
        Fault(
            f"{status} {'after' if applied else 'before'}",
            _instead(status, SAYS if status == 500 else wire.PAGE, applied=applied),
        )
        for status in (500, 502, 503, 504)
        for applied in (False, True)
    ),
    Fault("a page for JSON", _instead(200, wire.PAGE, applied=True)),
    Fault("an empty body", _instead(200, b"", applied=True)),
    Fault("10 MB", _instead(200, b'{"data": "' + b"x" * 10_000_000 + b'"}', applied=True)),
    Fault("redirected to another host", _elsewhere("https")),
    Fault("redirected to another scheme", _elsewhere("http")),
    Fault("401", _instead(401, b'{"errorCode": "E0000011", "errorSummary": "Invalid token", "errors": ["no"]}')),
    Fault(
        "403",
        _instead(403, b'{"errorCode": "E0000006", "errorSummary": "Forbidden", "errors": ["no"]}'),
        only=lambda effect: effect.name != "ask the System Log",  # who may not ask makes a new secret instead
    ),
    # Vault.
    Fault(
        "sealed",
        _vault_is(lambda trial: trial.box.vault.seal()),
        only=_of_vault,
        repair=lambda trial: trial.box.vault.unseal(),
        once_only=True,
    ),
    Fault("472, of a DR secondary", _instead(472, b'{"errors": []}'), only=_of_vault),
    Fault("473, of a performance standby", _instead(473, b'{"errors": []}'), only=_of_vault),
    Fault(
        "permission lost",
        _vault_is(lambda trial: trial.box.vault.add_policy("rotator", {})),
        only=_with_token,
        repair=lambda trial: trial.box.vault.add_policy("rotator", RULES),
        once_only=True,
    ),
    Fault("token ended", _vault_is(_forget_tokens), only=_with_token, once_only=True),
    Fault("written in between", _vault_is(_write_in_between), only=_of_kv, once_only=True),
    Fault(
        "version destroyed",
        _vault_is(Trial.destroy),
        only=_on_the_path,
        repair=lambda trial: trial.person(trial.put_back)(),
        once_only=True,
    ),
    Fault("one version kept", _vault_is(_keep_one_version), only=_of_kv, once_only=True),
)


# What the whole product has found, and the core had not.
FOUND = frozenset({"ask the System Log / 401 / once", "ask the System Log / redirected to another host / lasting"})


class Case(NamedTuple):
    """A trial to be made."""

    effect: Effect
    fault: Fault
    lasting: bool

    def arm(self, trial: Trial, calls: Sequence[Call]) -> Rule:
        """Have it go wrong at that call, as `calls`, the undisturbed ones, tell; if it lasts, from then on."""
        fault, effect = self.fault.make(trial), self.effect
        of_service = [call for call in calls if call.service == effect.service]
        place = [n for n, call in enumerate(of_service, start=1) if effect.wanted.fits(call)][effect.nth - 1]
        if self.lasting or hasattr(fault, "accepted"):
            return trial.proxy.arm(fault, Wanted(service=effect.service), nth=place, times=None if self.lasting else 1)
        return trial.proxy.arm(fault, effect.wanted, nth=effect.nth)

    @property
    def name(self) -> str:
        return f"{self.effect.name} / {self.fault.name} / {'lasting' if self.lasting else 'once'}"


def every() -> list[Case]:
    """Return the whole product."""
    return [
        Case(effect, fault, lasting)
        for effect in EFFECTS
        for fault in FAULTS
        if fault.only(effect)
        for lasting in ((False,) if fault.once_only else (False, True))
    ]


def selected() -> list[Case]:
    """Return the core: all writes whose outcome is left open, and each fault and each effect on either side."""
    core = [Case(effect, fault, lasting=False) for effect in EFFECTS if effect.writes for fault in FAULTS if fault.open]
    found = [case for case in every() if case.name in FOUND]
    return [*core, *found, *(case for case in _covering() if case.name not in FOUND)]


def _covering() -> Iterator[Case]:
    """Go round the effects of each service while going through the faults, so that both are spread evenly."""
    lasting = cycle((False, True))
    for service in ("okta", "vault"):
        effects = [effect for effect in EFFECTS if effect.service == service]
        turn = 0
        for fault in FAULTS:
            fitting = [effect for effect in effects if fault.only(effect)]
            if fitting and not fault.open:
                effect = min(fitting, key=lambda each: (effects.index(each) - turn) % len(effects))
                turn = effects.index(effect) + 1
                yield Case(effect, fault, next(lasting) and not fault.once_only)
