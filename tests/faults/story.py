"""One schedule: a starting world, faults on effects, people who interfere, and then quiet until all is settled.

A story is a value: the same story gives the same run. `replay()` prints what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.adapters.no_state import NoJournal, OpenGate
from rotator.app.observe import World
from rotator.app.rotate import Outcome, carry_on
from rotator.core.actions import AskLog, Blocked, Rest, Verify, Waiting
from rotator.core.model import (
    AppId,
    KvPath,
    Mode,
    Onboard,
    OnUnknownValue,
    Policy,
    SecretId,
    SecretStatus,
    Target,
)
from rotator.core.secret_value import SecretValue
from rotator.errors import InvariantError, RefusedError
from tests.fakes.okta import NOON, FakeOkta, HeldSecret, ManualClock
from tests.fakes.vault import FakeKv
from tests.faults.observer import Observer, Slot, State, Version, Violation
from tests.faults.ports import (
    CountingMint,
    Crash,
    Fault,
    Gate,
    GatedKv,
    GatedOkta,
    OpenLeases,
    Silence,
    run,
)

if TYPE_CHECKING:
    from rotator.core.secret_value import SecretFields

APP = AppId("0oa1")
CONSUMER = KvPath("kv", "billing/okta")
STAGING = KvPath("secret", "rotator/staging/acme/0oa1")
OVERLAP, SOAK = timedelta(days=7), timedelta(days=3)
POLICY = Policy(mode=Mode.AUTO, overlap=OVERLAP, soak=SOAK)
ONE, TWO, THREE = ("one-".ljust(64, "x"), "two-".ljust(64, "x"), "three-".ljust(64, "x"))
FOREIGN = "foreign-".ljust(64, "x")
FINAL = {Waiting.NEXT_ROTATION, Waiting.TOLD}
SETTLE = timedelta(seconds=35)
QUIET = timedelta(days=80)  # long enough for overlap, soak and reclaim; too short for a second expiry
PASSES = 40  # a whole life takes about ten; the rest is for faults and people


@dataclass(slots=True)
class Scene:
    """The world before the story: what Okta and Vault hold, and what policy wants."""

    clock: ManualClock
    okta: FakeOkta
    kv: FakeKv
    policy: Policy = POLICY
    force: bool = False
    owned: tuple[str, ...] = ()  # values that were ours before
    may_make: int = 1
    may_block: bool = False


def _scene() -> Scene:
    clock = ManualClock(NOON)
    return Scene(clock, FakeOkta(clock), FakeKv(clock))


def _write(scene: Scene, value: str, secret: str = "", **more: str) -> None:
    number = len(scene.kv.keys.get(CONSUMER).versions) if CONSUMER in scene.kv.keys else 0  # type: ignore[union-attr]
    fields = {"client_id": APP, "client_secret": value, "client_secret_id": secret, "note": "theirs"}
    scene.kv.by_hand.put(CONSUMER, {**fields, "rotation_id": f"before-{number}", **more})


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
    scene.force = True
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
)


# --- people ---------------------------------------------------------------------------------------------------

Act = Callable[[Scene], None]


def _current(scene: Scene) -> str | None:
    return _state(scene).current


def _slot(scene: Scene, chosen: Callable[[str], bool], *, active: bool) -> SecretId | None:
    wanted = SecretStatus.ACTIVE if active else SecretStatus.INACTIVE
    found = [held.id for held in scene.okta.held(APP) if chosen(held.value.reveal()) and held.status is wanted]
    return found[0] if found else None


def admin_revokes_current(scene: Scene) -> None:
    if secret := _slot(scene, lambda value: value == _current(scene), active=True):
        run(scene.okta.deactivate_secret(APP, secret))


def admin_deletes_current(scene: Scene) -> None:
    admin_revokes_current(scene)
    if secret := _slot(scene, lambda value: value == _current(scene), active=False):
        run(scene.okta.delete_secret(APP, secret))


def admin_revokes_other(scene: Scene) -> None:
    if secret := _slot(scene, lambda value: value != _current(scene), active=True):
        run(scene.okta.deactivate_secret(APP, secret))


def admin_deletes_other(scene: Scene) -> None:
    admin_revokes_other(scene)
    if secret := _slot(scene, lambda value: value != _current(scene), active=False):
        run(scene.okta.delete_secret(APP, secret))


def admin_reactivates(scene: Scene) -> None:
    if secret := _slot(scene, lambda _value: True, active=False):
        run(scene.okta.activate_secret(APP, secret))


def admin_adds_secret(scene: Scene) -> None:
    run(scene.okta.create_secret(APP, SecretValue(FOREIGN + str(len(scene.okta.events)))))


def person_adds_field(scene: Scene) -> None:
    if _current(scene):
        scene.kv.by_hand.patch(CONSUMER, {"extra": "harmless"})


def person_rolls_back(scene: Scene) -> None:
    versions = _state(scene).consumer
    if len(versions) > 1 and _current(scene):
        scene.kv.by_hand.rollback(CONSUMER, versions[-2].number)


def person_patches_value_back(scene: Scene) -> None:
    versions = _state(scene).consumer
    if len(versions) > 1 and _current(scene):
        scene.kv.by_hand.patch(CONSUMER, {"client_secret": versions[-2].fields["client_secret"]})


def person_puts_unknown(scene: Scene) -> None:
    if _current(scene):
        scene.kv.by_hand.patch(CONSUMER, {"client_secret": "unknown-".ljust(64, "x")})


def person_deletes_version(scene: Scene) -> None:
    if _current(scene):
        scene.kv.by_hand.delete(CONSUMER)


ACTS: tuple[Act, ...] = (
    admin_revokes_current,
    admin_deletes_current,
    admin_revokes_other,
    admin_deletes_other,
    admin_reactivates,
    admin_adds_secret,
    person_adds_field,
    person_rolls_back,
    person_patches_value_back,
    person_puts_unknown,
    person_deletes_version,
)


# --- the run --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Story:
    """What is to happen: faults by effect, acts before an effect, and acts in the days after it."""

    scene: Callable[[], Scene]
    faults: tuple[tuple[int, Fault], ...] = ()
    acts: tuple[tuple[int, Act], ...] = ()
    days: tuple[tuple[int, Act], ...] = ()  # before the n-th pass, at leisure
    unreadable: tuple[int, ...] = ()  # reads that get no answer

    def __str__(self) -> str:
        parts = [self.scene.__name__]
        parts += [f"{number}:{fault.name}" for number, fault in self.faults]
        parts += [f"{number}:{act.__name__}" for number, act in self.acts]
        parts += [f"pass {number}:{act.__name__}" for number, act in self.days]
        parts += [f"read {number}" for number in self.unreadable]
        return " ".join(parts)


@dataclass(slots=True)
class Told:
    """How a story ended."""

    violations: list[Violation]
    races: list[Violation]
    effects: int
    reads: int
    names: list[str]
    states: set[int]
    passes: int
    lines: list[str] = field(default_factory=list)


class Stage:
    """Where a story is played."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.scene = story.scene()
        self.lines: list[str] = []
        self.states: set[int] = set()
        self._acts = dict(story.acts)
        self._mint = CountingMint()
        self._nested = 0
        extra = len(story.acts) + len(story.days)
        self.observer = Observer(
            overlap=OVERLAP,
            may_make=self.scene.may_make + extra,
            reclaim_after=self.scene.policy.reclaim_after,
            settle=SETTLE,
            before=_state(self.scene),
            may_replace=self.scene.policy.onboard is Onboard.ROTATE,
            may_overwrite=self.scene.policy.on_unknown_value is OnUnknownValue.ROTATE,
        )
        self.observer.owns(*self.scene.owned)
        self.gate = Gate(
            dict(story.faults),
            unreadable=frozenset(story.unreadable),
            before=self._before,
            applied=self._applied,
            other_process=self._other_process,
        )
        self.target = Target(
            name="billing",
            org="default",
            vault="default",
            app_id=APP,
            consumer=CONSUMER,
            staging=STAGING,
            policy=self.scene.policy,
            settle=SETTLE,
        )

    def play(self) -> Told:
        """Tell the story to its end."""
        races: list[Violation] = []
        outcome: Outcome | None = None
        tries: dict[str, int] = {}
        passes = 0
        force = self.scene.force
        last_act = max((when for when, _act in self.story.days), default=0)
        settled = 0
        end = self.scene.clock.now() + QUIET
        while passes < PASSES and self.scene.clock.now() < end and settled < 2:
            passes += 1
            self._at_leisure(passes)
            written = self.observer.writes
            try:
                outcome = self._pass(tries, force=force)
                force = False
            except Crash:
                outcome, tries = None, {}
                force = force and not self.gate.number  # the operator repeats an order that did nothing yet
            quiet_pass = passes > last_act and self.observer.writes == written and _settled(outcome)
            settled = settled + 1 if quiet_pass else 0
            races += self._races()
            self._wait(outcome)
        self.gate.calm()
        self._acts = {}
        writes = self.observer.writes
        quiet = self._pass({}, force=False)
        if not isinstance(quiet.ending, Blocked):
            self.observer.racing = False
        self.observer.check_service()
        self.observer.check_idle(writes)
        self.observer.check_at_rest(
            blocked=isinstance(quiet.ending, Blocked),
            people_acted=bool(self.story.acts or self.story.days) or self.scene.may_block,
        )
        return Told(
            self.observer.violations,
            races,
            self.gate.number,
            self.gate.reads,
            self.gate.names,
            self.states,
            passes,
            self.lines,
        )

    def _pass(self, tries: dict[str, int], *, force: bool) -> Outcome:
        self.gate.pass_begins()
        gated = GatedOkta(
            self.scene.okta,
            self.gate,
            self.scene.clock,
            sent=lambda value, unheard: self.observer.create_sent(value, unheard=unheard),
        )
        world = World(
            okta=gated,
            log=gated,
            tokens=gated,
            kv=GatedKv(self.scene.kv, self.gate),
            leases=OpenLeases(),
            clock=self.scene.clock,
            mint=self._mint,
            progress=Silence(),
            gate=OpenGate(),
            journal=NoJournal(),
        )
        outcome: Outcome = run(carry_on(self.target, world, tries=tries, force=force))
        if isinstance(outcome.ending, InvariantError):
            self.observer.unended()
        steps = ", ".join(f"{type(step.action).__name__}" for step in outcome.steps)
        self.lines.append(f"{self.scene.clock.now():%m-%d %H:%M:%S} [{steps}] → {outcome.ending!r}")
        return outcome

    def _wait(self, outcome: Outcome | None) -> None:
        """Let time pass: until what the pass rests for, but an hour after a crash or an error, and a week at most."""
        now = self.scene.clock.now()
        until = now + timedelta(hours=1)
        if outcome is not None and isinstance(outcome.ending, Blocked):
            until = now + timedelta(days=2)
        if outcome is not None and isinstance(outcome.ending, Rest):
            due = outcome.ending.until or now + timedelta(days=2)
            until = min(max(due, now + timedelta(minutes=1)), now + timedelta(days=7))
        self.gate.time_passed()
        self.scene.clock.advance(until - now)
        self.observer.time(_state(self.scene))

    def _races(self) -> list[Violation]:
        """What a person did in the very instant of an effect cannot be fenced; it must be mended, and is counted."""
        if not self.observer.racing:
            return []
        mended = self.observer.race_is_mended()
        return [Violation("race", "mended" if mended else "open after the pass", self.gate.number)]

    def _at_leisure(self, number: int) -> None:
        for when, act in self.story.days:
            if when == number:
                self._person(act)

    def _before(self, number: int, name: str) -> None:
        if (act := self._acts.get(number)) is not None:
            self._person(act)
            self.lines.append(f"  before {name} ({number})")

    def _person(self, act: Act) -> None:
        with self.scene.okta.by("somebody"):
            try:
                act(self.scene)
            except RefusedError as refusal:
                self.lines.append(f"  {act.__name__}: refused: {refusal}")
                return
        self.lines.append(f"  {act.__name__}")
        self.gate.somebody_acted()
        self.observer.person(_state(self.scene))

    def _applied(self, name: str, number: int, stale: bool) -> None:
        state = _state(self.scene)
        self.states.add(_abstract(state))
        self.observer.effect(name, number, state, stale=stale)
        self.lines.append(f"  {number} {name}")

    def _other_process(self) -> None:
        if self._nested:
            return
        self._nested += 1
        with suppress(Crash):  # it may die of a fault of its own; the sleeper wakes all the same
            self._pass({}, force=False)
        self._nested -= 1


def _settled(outcome: Outcome | None) -> bool:
    """Nothing more happens by itself before the next rotation."""
    if outcome is None or not all(isinstance(step.action, Verify | AskLog) for step in outcome.steps):
        return False
    ending = outcome.ending
    return isinstance(ending, Blocked) or (isinstance(ending, Rest) and ending.waiting in FINAL)


def tell(story: Story) -> Told:
    """Play a story and return what came of it."""
    return Stage(story).play()


def replay(story: Story) -> str:
    """Play a story and return it line by line."""
    told = tell(story)
    return "\n".join([str(story), *told.lines, *(repr(violation) for violation in told.violations)])


def _state(scene: Scene) -> State:
    key = scene.kv.keys.get(CONSUMER)
    return State(
        now=scene.clock.now(),
        slots=tuple(_slot_of(scene, held) for held in scene.okta.held(APP)),
        consumer=_readable(scene, CONSUMER),
        latest=key.current if key else 0,
        staging=_readable(scene, STAGING),
    )


def _slot_of(scene: Scene, held: HeldSecret) -> Slot:
    value = held.value.reveal()
    return Slot(held.id, value, held.status is SecretStatus.ACTIVE, scene.okta.accepts(value, APP), held.changed)


def _readable(scene: Scene, path: KvPath) -> tuple[Version, ...]:
    key = scene.kv.keys.get(path)
    if key is None:
        return ()
    now = scene.clock.now()
    return tuple(
        Version(number, held.created, _plain(held.fields))
        for number, held in sorted(key.versions.items())
        if not held.gone(now)
    )


def _plain(fields: SecretFields) -> dict[str, str]:
    return {name: value for name, value in fields.reveal().items() if isinstance(value, str)}


def _abstract(state: State) -> int:
    """A state without its times, counters and values: which value lies where, and what is on."""
    names: dict[str, int] = {}

    def name(value: str | None) -> int:
        return -1 if value is None else names.setdefault(value, len(names))

    record = state.staging[-1].fields if state.staging else {}
    return hash(
        (
            name(state.current),
            tuple(sorted((name(slot.value), slot.active) for slot in state.slots)),
            record.get("state"),
            name(record.get("client_secret")),
            record.get("order", "null") != "null",
            len(state.staging) > 1,
            tuple(name(version.fields.get("client_secret")) for version in state.consumer[-3:]),
            state.current is None,
        )
    )
