"""The worlds in which stories begin: what Okta and Vault hold, and what policy wants."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core.model import (
    AppId,
    Destination,
    KvPath,
    Mode,
    Onboard,
    OnUnknownValue,
    OrderMode,
    Policy,
    VerifySettings,
)
from rotator.core.secret_value import SecretValue
from rotator.core.usage import Usage
from tests.fakes.okta import NOON, FakeOkta, ManualClock
from tests.fakes.vault import FakeKv
from tests.faults.ports import run

if TYPE_CHECKING:
    from collections.abc import Callable

APP = AppId("0oa1")
CONSUMER = KvPath("kv", "billing/okta")
STAGING = KvPath("secret", "rotator/staging/acme/0oa1")
OVERLAP, SOAK = timedelta(days=7), timedelta(days=3)
POLICY = Policy(mode=Mode.AUTO, overlap=OVERLAP, soak=SOAK)
ONE, TWO, THREE = ("one-".ljust(64, "x"), "two-".ljust(64, "x"), "three-".ljust(64, "x"))
FOREIGN = "foreign-".ljust(64, "x")
SETTLE = timedelta(seconds=35)
ALSO = KvPath("kv", "billing/reports")
SERVER = VerifySettings("default")  # whose tokens show in the System Log


@dataclass(slots=True)
class Scene:
    """The world before the story: what Okta and Vault hold, and what policy wants."""

    clock: ManualClock
    okta: FakeOkta
    kv: FakeKv
    policy: Policy = POLICY
    order: OrderMode | None = None
    also: tuple[Destination, ...] = ()
    hooks: tuple[str, ...] = ()
    verify: VerifySettings = field(default_factory=VerifySettings)
    laggard: str | None = None  # a consumer that never takes another value than this
    owned: tuple[str, ...] = ()  # values that were ours before
    may_make: int = 1
    may_block: bool = False


def _scene() -> Scene:
    clock = ManualClock(NOON)
    return Scene(clock, FakeOkta(clock), FakeKv(clock))


def _write(scene: Scene, value: str, secret: str = "", *, path: KvPath = CONSUMER, **more: str) -> None:
    number = len(scene.kv.keys[path].versions) if path in scene.kv.keys else 0
    fields = {"client_id": APP, "client_secret": value, "client_secret_id": secret, "note": "theirs"}
    scene.kv.by_hand.put(path, {**fields, "rotation_id": f"before-{number}", **more})


def expired() -> Scene:
    """One secret, current and old."""
    scene = _scene()
    scene.okta.add_app(APP, ONE)
    _write(scene, ONE, scene.okta.held(APP)[0].id)
    scene.clock.advance(timedelta(days=91))
    return scene


def ordered() -> Scene:
    """A young secret, and an operator who wants another."""
    scene = expired()
    scene.policy = replace(POLICY, rotate_after=timedelta(days=400))
    scene.order = OrderMode.NOW
    return scene


def revoked() -> Scene:
    """The current one was switched off in the console, after a newer one was made there."""
    scene = expired()
    with scene.okta.by("admin") as okta:
        run(okta.create_secret(APP, SecretValue(FOREIGN)))
        run(okta.deactivate_secret(APP, scene.okta.held(APP)[0].id))
    scene.may_make = 1
    return scene


def deleted() -> Scene:
    """The current one was deleted in the console; an old inactive one is left."""
    scene = _scene()
    scene.okta.add_app(APP, FOREIGN)
    scene.clock.advance(timedelta(days=1))
    with scene.okta.by("admin") as okta:
        made = run(okta.create_secret(APP, SecretValue(ONE)))
    _write(scene, ONE, made.id)
    scene.clock.advance(timedelta(days=20))
    with scene.okta.by("admin") as okta:
        run(okta.deactivate_secret(APP, made.id))
        run(okta.delete_secret(APP, made.id))
    return scene


def overlapping() -> Scene:
    """A rotation was promoted yesterday: the old one is still active."""
    scene = expired()
    made = run(scene.okta.create_secret(APP, SecretValue(TWO)))
    _write(scene, TWO, made.id, retiring_secret_id=scene.okta.held(APP)[0].id, retiring_mode="overlap")
    scene.clock.advance(timedelta(days=1))
    scene.owned, scene.may_make = (ONE, TWO), 0
    return scene


def soaking() -> Scene:
    """The old one was switched off a day ago."""
    scene = overlapping()
    scene.clock.advance(OVERLAP)
    run(scene.okta.deactivate_secret(APP, scene.okta.held(APP)[0].id))
    scene.clock.advance(timedelta(days=1))
    return scene


def empty() -> Scene:
    """A new app with one secret, and a Vault path that never held one."""
    scene = _scene()
    scene.okta.add_app(APP, ONE)
    scene.clock.advance(timedelta(days=1))
    scene.may_make = 0
    return scene


def nothing() -> Scene:
    """An app without secrets, and nothing in Vault."""
    scene = _scene()
    scene.okta.add_app(APP)
    return scene


def replaced() -> Scene:
    """Policy replaces what is there instead of adopting it."""
    scene = empty()
    scene.policy, scene.may_make, scene.owned = replace(POLICY, onboard=Onboard.ROTATE), 1, (ONE,)
    return scene


def crowded() -> Scene:
    """Expired, and the other slot holds a foreign secret that was switched off five weeks ago."""
    scene = _scene()
    scene.okta.add_app(APP, FOREIGN, ONE)
    _write(scene, ONE, scene.okta.held(APP)[1].id)
    scene.clock.advance(timedelta(days=60))
    with scene.okta.by("admin") as okta:
        run(okta.deactivate_secret(APP, scene.okta.held(APP)[0].id))
    scene.clock.advance(timedelta(days=35))
    return scene


def guarded() -> Scene:
    """Expired, and the other slot holds a foreign active secret: nothing may be done."""
    scene = _scene()
    scene.okta.add_app(APP, FOREIGN, ONE)
    _write(scene, ONE, scene.okta.held(APP)[1].id)
    scene.clock.advance(timedelta(days=95))
    scene.may_make, scene.may_block = 0, True
    return scene


def hidden() -> Scene:
    """Expired, and Okta hides values: everything is matched by hash."""
    scene = expired()
    scene.okta.shows_values = False
    return scene


def strange_hash() -> Scene:
    """F4: Okta hides values, and its hash is not what we think: nothing can be matched, nothing may be harmed."""
    scene = expired()
    okta = FakeOkta(scene.clock, hash_of=lambda text: f"other-{text[:8]}")
    okta.add_app(APP, ONE)
    okta.shows_values = False
    scene.okta, scene.may_make, scene.may_block = okta, 0, True
    return scene


class SlowOkta(FakeOkta):
    """A new secret reaches the token endpoint some seconds after Okta has confirmed it."""

    def accepts(self, value: str, app_id: str = "0oa1") -> bool:
        young = self.clock.now() - timedelta(seconds=20)
        arrived = any(held.value.reveal() == value and held.created <= young for held in self.held(app_id))
        return arrived and super().accepts(value, app_id)

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.clock = clock


def slow() -> Scene:
    """Expired, at an Okta whose token endpoint lags behind."""
    clock = ManualClock(NOON)
    scene = Scene(clock, SlowOkta(clock), FakeKv(clock))
    scene.okta.add_app(APP, ONE)
    _write(scene, ONE, scene.okta.held(APP)[0].id)
    clock.advance(timedelta(days=91))
    return scene


def misplaced() -> Scene:
    """The path belongs to another app: its credentials are not ours to overwrite."""
    scene = expired()
    scene.kv.by_hand.put(CONSUMER, {"client_id": "0oa9", "client_secret": THREE, "note": "theirs"})
    scene.policy = replace(POLICY, on_unknown_value=OnUnknownValue.ROTATE)
    scene.may_make, scene.may_block = 0, True
    return scene


def unique() -> Scene:
    """Expired, at an Okta that refuses the same value twice."""
    scene = expired()
    scene.okta.unique_values = True
    return scene


def handwritten() -> Scene:
    """The value in Vault is a person's, unknown to Okta, and policy lets us replace it."""
    scene = expired()
    scene.kv.by_hand.put(CONSUMER, {"client_id": APP, "client_secret": THREE, "note": "theirs"})
    scene.policy = replace(POLICY, on_unknown_value=OnUnknownValue.ROTATE, rotate_after=timedelta(days=400))
    return scene


def lagging() -> Scene:
    """A rotation was promoted yesterday, and a consumer goes on with the old value."""
    scene = overlapping()
    scene.laggard, scene.may_block = ONE, True
    return scene


def lagging_unless_proven() -> Scene:
    """Likewise, where silence has to be proven."""
    scene = lagging()
    scene.policy, scene.verify = replace(POLICY, usage=Usage.REQUIRED), SERVER
    return scene


def lagging_unwatched() -> Scene:
    """Likewise, where nobody looks before the old one is switched off: the log tells who fails."""
    scene = lagging()
    scene.policy, scene.okta.logs_refused_hash = replace(POLICY, usage=Usage.OFF), True
    return scene


def proven_silent() -> Scene:
    """Expired, and silence has to be proven: there is."""
    scene = expired()
    scene.policy, scene.verify = replace(POLICY, usage=Usage.REQUIRED), SERVER
    return scene


def unheard() -> Scene:
    """Silence has to be proven, and the log may not be read."""
    scene = overlapping()
    scene.policy, scene.verify = replace(POLICY, usage=Usage.REQUIRED, overlap_max=OVERLAP + timedelta(days=1)), SERVER
    scene.okta.shows_log, scene.may_block = False, True
    return scene


def approving() -> Scene:
    """Expired, and a person has to approve."""
    scene = expired()
    scene.policy, scene.may_make, scene.may_block = replace(POLICY, mode=Mode.APPROVE), 0, True
    return scene


def compromised() -> Scene:
    """A young secret that has leaked, and the one before it is still in its overlap."""
    scene = overlapping()
    scene.order, scene.may_make = OrderMode.COMPROMISED, 1
    return scene


def leaked() -> Scene:
    """The only secret has leaked."""
    scene = ordered()
    scene.order = OrderMode.COMPROMISED
    return scene


def cut_short() -> Scene:
    """A new one is wanted at once, though the one before is in its overlap."""
    scene = overlapping()
    scene.order, scene.may_make = OrderMode.CUT, 1
    return scene


def hooked() -> Scene:
    """Expired, and two hooks are run after the promotion."""
    scene = expired()
    scene.hooks = ("restart", "tell")
    return scene


def _second_path(scene: Scene, value: str) -> Scene:
    scene.also = (Destination(ALSO),)
    _write(scene, value, path=ALSO)
    return scene


def two_paths() -> Scene:
    """Expired, and two paths hold the value."""
    return _second_path(expired(), ONE)


def one_path_behind() -> Scene:
    """A rotation reached one of two paths."""
    return _second_path(overlapping(), ONE)


def another_path_is_theirs() -> Scene:
    """The second path holds what a person put there."""
    scene = _second_path(expired(), THREE)
    scene.may_make, scene.may_block = 0, True
    return scene


SCENES: tuple[Callable[[], Scene], ...] = (
    expired,
    ordered,
    revoked,
    deleted,
    overlapping,
    soaking,
    empty,
    nothing,
    replaced,
    crowded,
    guarded,
    hidden,
    strange_hash,
    unique,
    slow,
    misplaced,
    handwritten,
    lagging,
    lagging_unless_proven,
    lagging_unwatched,
    proven_silent,
    unheard,
    approving,
    compromised,
    leaked,
    cut_short,
    hooked,
    two_paths,
    one_path_behind,
    another_path_is_theirs,
)
