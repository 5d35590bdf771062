"""One schedule: a starting world, faults on effects, people who interfere, and then quiet until all is settled.

A story is a value: the same story gives the same run. `replay()` prints what happened.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.adapters.no_state import NoJournal, OpenGate
from rotator.app.observe import World
from rotator.app.rotate import Outcome, carry_on
from rotator.core.actions import LOOKS, Blocked, Rest, Waiting
from rotator.core.model import Onboard, OnUnknownValue, OrderMode, Target
from rotator.core.usage import Usage
from rotator.errors import InvariantError, RefusedError, RotatorError
from tests.faults import operations
from tests.faults.observer import Observer, State, Violation
from tests.faults.ports import (
    CountingMint,
    Crash,
    Fault,
    Gate,
    GatedHooks,
    GatedKv,
    GatedOkta,
    OpenLeases,
    Silence,
    run,
)
from tests.faults.scenes import APP, CONSUMER, OVERLAP, SETTLE, STAGING
from tests.faults.world import state_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tests.faults.operations import Operation
    from tests.faults.people import Act
    from tests.faults.scenes import Scene

FINAL = {Waiting.NEXT_ROTATION, Waiting.TOLD, Waiting.PAUSED, Waiting.APPROVAL}
QUIET = timedelta(days=80)  # long enough for overlap, soak and reclaim; too short for a second expiry
PASSES = 60  # a whole life takes about ten; the rest is for faults and people
OFTEN = timedelta(days=1)  # a consumer that lags behind asks for a token
MAKING = {
    operations.force,
    operations.cut,
    operations.compromised,
    operations.approve,
    operations.rollback,
    operations.reclaim,
    operations.retire,
}


@dataclass(frozen=True, slots=True)
class Story:
    """What is to happen: faults by effect, acts before an effect, and acts in the days after it."""

    scene: Callable[[], Scene]
    faults: tuple[tuple[int, Fault], ...] = ()
    acts: tuple[tuple[int, Act], ...] = ()
    days: tuple[tuple[int, Act], ...] = ()  # before the n-th pass, at leisure
    unreadable: tuple[int, ...] = ()  # reads that get no answer
    orders: tuple[tuple[int, Operation], ...] = ()  # of an operator, before the n-th pass

    def __str__(self) -> str:
        parts = [self.scene.__name__]
        parts += [f"{number}:{fault.name}" for number, fault in self.faults]
        parts += [f"{number}:{act.__name__}" for number, act in self.acts]
        parts += [f"pass {number}:{act.__name__}" for number, act in self.days]
        parts += [f"pass {number}:{operation.__name__}" for number, operation in self.orders]
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
    longest_two: timedelta  # with two active secrets
    lines: list[str] = field(default_factory=list)


class Stage:
    """Where a story is played."""

    def __init__(self, story: Story, *, alone: bool = True) -> None:
        self.story = story
        self._dies = bool(story.faults) or not alone
        self.scene = story.scene()
        self.lines: list[str] = []
        self.states: set[int] = set()
        self._acts = dict(story.acts)
        self._mint = CountingMint()
        self._nested = 0
        self.tries: dict[str, int] = {}
        self.settled = 0
        self.ends = self.scene.clock.now() + QUIET
        self.hooks = GatedHooks()
        self.crashes = 0
        self.force = self.scene.order
        self.held = False  # by an operator, until it is resumed
        extra = len(story.acts) + len(story.days) + 2 * sum(operation in MAKING for _, operation in story.orders)
        self.observer = Observer(
            overlap=OVERLAP,
            may_make=self.scene.may_make + extra,
            reclaim_after=self.scene.policy.reclaim_after,
            settle=SETTLE,
            before=state_of(self.scene),
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
            also=self.scene.also,
            hooks=self.scene.hooks,
            verify=self.scene.verify,
        )

    def play(self) -> Told:
        """Tell the story to its end."""
        races: list[Violation] = []
        passes = 0
        while passes < PASSES and not self._over(passes):
            passes += 1
            self._at_leisure(passes)
            outcome = self._whole_pass(passes)
            races += self._races()
            self._wait(outcome)
        self._end()
        return Told(
            self.observer.violations,
            races,
            self.gate.number,
            self.gate.reads,
            self.gate.names,
            self.states,
            passes,
            self.observer.longest_two,
            self.lines,
        )

    def _over(self, passes: int) -> bool:
        """Whether nothing more happens by itself; a pause is lifted first."""
        if self.settled >= 2 and state_of(self.scene).paused:
            self.lines.append("  resumed at the end")
            self._operate(operations.resume)
            self.settled = 0
        return passes > 0 and (self.settled >= 2 or self.scene.clock.now() >= self.ends)

    def _whole_pass(self, number: int) -> Outcome | None:
        """A pass as a daemon makes it; None if it died."""
        written, touched = self.observer.writes, self.observer.touched
        outcome: Outcome | None = None
        self._dismiss()
        try:
            outcome = self._pass(self.tries, order=self.force)
            self.force = None
        except Crash:
            self.tries = {}
            self.crashes += 1
            self.force = None if self.gate.number else self.force  # an order that did nothing yet is given again
        if self.held and not self.gate.acted:
            self.observer.paused_pass(touched)
        events = (*self.story.days, *self.story.orders)
        last = max((when for when, _what in events), default=0)
        quiet = number > last and self.observer.writes == written and not self.gate.acted
        self.settled = self.settled + 1 if quiet and _settled(outcome) else 0
        return outcome

    def _end(self) -> None:
        self.gate.calm()
        self._acts = {}
        writes = self.observer.writes
        quiet = self._pass({}, order=None)
        blocked = isinstance(quiet.ending, Blocked) or _for_a_person(quiet)
        if not blocked:
            self.observer.racing = False
        self.observer.check_service()
        self.observer.check_idle(writes)
        people = bool(self.story.acts or self.story.days or self.story.orders) or self.scene.may_block
        self.observer.check_at_rest(blocked=blocked, people_acted=people)
        if self.scene.hooks and not blocked:
            self.observer.hooks_run(self.hooks.runs, self.scene.hooks, crashed=self._dies)
        if (laggard := self.scene.laggard) and self.scene.policy.usage is Usage.OFF:
            alone = not (self.story.acts or self.story.days or self.story.orders)
            self._lag(laggard, heeded=alone)  # its failures were heard, and it is back

    def world(self) -> World:
        """The ports, behind the gate."""
        gated = GatedOkta(
            self.scene.okta,
            self.gate,
            self.scene.clock,
            sent=lambda value, unheard: self.observer.create_sent(value, unheard=unheard),
        )
        return World(
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
            hooks=self.hooks,
        )

    def _pass(self, tries: dict[str, int], *, order: OrderMode | None) -> Outcome:
        self.gate.pass_begins()
        outcome: Outcome = run(carry_on(self.target, self.world(), tries=tries, order=order))
        if isinstance(outcome.ending, InvariantError):
            self.observer.unended()
        steps = ", ".join(f"{type(step.action).__name__}" for step in outcome.steps)
        self.lines.append(f"{self.scene.clock.now():%m-%d %H:%M:%S} [{steps}] → {outcome.ending!r}")
        return outcome

    def _operate(self, operation: Operation) -> None:
        self.gate.pass_begins()
        try:
            operation(self)
        except RotatorError as error:
            self.lines.append(f"  {operation.__name__}: {error}")
        except Crash:
            self.crashes += 1
            self.lines.append(f"  {operation.__name__}: crashed")
        else:
            self.lines.append(f"  {operation.__name__}")
            self.held = self.held or operation in {operations.pause, operations.rollback}
        self.held = self.held and operation is not operations.resume

    def _dismiss(self) -> None:
        """What an order at the beginning takes the overlap from."""
        if self.force not in {OrderMode.CUT, OrderMode.COMPROMISED}:
            return
        before = self.observer.before
        for slot in before.slots:
            if slot.value != before.current or self.force is OrderMode.COMPROMISED:
                self.observer.operator(dismissed=slot.value)

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
        self._advance(until)

    def _advance(self, until: datetime) -> None:
        while (laggard := self.scene.laggard) and until - self.scene.clock.now() > OFTEN:
            self.scene.clock.advance(OFTEN)
            self._lag(laggard, heeded=self.scene.policy.usage is not Usage.OFF)
        self.scene.clock.advance(until - self.scene.clock.now())
        self.observer.time(state_of(self.scene))

    def _lag(self, value: str, *, heeded: bool) -> None:
        """A consumer asks for a token with the value that it has always used."""
        granted = self.scene.okta.ask_for_token(value)
        self.observer.laggard(value, granted=granted, heeded=heeded)
        self.lines.append(
            f"  {self.scene.clock.now():%m-%d %H:%M:%S} the laggard {'got a token' if granted else 'fails'}"
        )

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
        for when, operation in self.story.orders:
            if when == number:
                self._operate(operation)

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
        self.observer.person(state_of(self.scene))

    def _applied(self, name: str, number: int, stale: bool) -> None:
        state = state_of(self.scene)
        self.states.add(_abstract(state))
        self.observer.effect(name, number, state, stale=stale)
        self.lines.append(f"  {number} {name}")

    def _other_process(self) -> None:
        if self._nested:
            return
        self._nested += 1
        with suppress(Crash):  # it may die of a fault of its own; the sleeper wakes all the same
            self._pass({}, order=None)
        self._nested -= 1


def _for_a_person(outcome: Outcome) -> bool:
    """It waits for a person, or for whoever still uses the old secret, and in the end for a person."""
    waits = {Waiting.IN_USE, Waiting.EVIDENCE, Waiting.APPROVAL}
    return isinstance(outcome.ending, Rest) and outcome.ending.waiting in waits


def _settled(outcome: Outcome | None) -> bool:
    """Nothing more happens by itself before the next rotation."""
    if outcome is None or not all(isinstance(step.action, LOOKS) for step in outcome.steps):
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
