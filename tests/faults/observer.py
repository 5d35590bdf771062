"""The promises, checked from outside: plain facts in, violations out. Imports nothing of the program.

It is told of every effect, of every person's act and of the passing of time, keeps a history of its own, and knows the
promises I1 to I7 alone: neither the decision table nor how the records are meant to be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Slot:
    """A secret as Okta holds it, and since when it is as it is."""

    id: str
    value: str
    active: bool
    accepted: bool  # by the token endpoint
    changed: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """A readable version of a path: its number, when it was written, and all its fields."""

    number: int
    created: datetime
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class State:
    """The world at one instant. `latest` is the counter of the consumer path, readable or not."""

    now: datetime
    slots: tuple[Slot, ...]
    consumer: tuple[Version, ...]
    latest: int
    staging: tuple[Version, ...]
    elsewhere: tuple[str | None, ...] = ()  # the current value at each other path of the target

    @property
    def paused(self) -> bool:
        return bool(self.staging and self.staging[-1].fields.get("pause"))

    @property
    def current(self) -> str | None:
        if not self.consumer or self.consumer[-1].number != self.latest:
            return None
        return self.consumer[-1].fields.get("client_secret") or None

    def accepts(self, value: str) -> bool:
        return any(slot.accepted and slot.value == value for slot in self.slots)


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise, and when. A race is one that neither Okta nor Vault can fence, repaired in the same pass."""

    promise: str
    what: str
    effect: int


@dataclass(slots=True)
class Observer:
    """Watches one story."""

    overlap: timedelta
    may_make: int  # new values that the story gives reason for
    reclaim_after: timedelta
    settle: timedelta
    before: State
    may_overwrite: bool = False  # policy names unknown values as ours to replace
    may_replace: bool = False  # policy names whatever secret is there as ours to replace
    violations: list[Violation] = field(default_factory=list)
    created: list[str] = field(default_factory=list)  # values, in the order of our create calls that were applied
    writes: int = 0  # mutating calls of ours
    kept_on: int = 0  # those that switched on what a rollback went back to, while the target was paused
    racing: bool = False  # a person acted in the very instant of an effect of ours
    _excused: set[str] = field(default_factory=set)  # values that people revoked, or put where they could not work
    _was_current: dict[str, datetime | None] = field(default_factory=dict)  # value → when it ceased to be, None: is
    _foreign: set[str] = field(default_factory=set)  # ids of secrets that people made and we never had reason to own
    _by_people: set[str] = field(default_factory=set)  # values that people put into Vault, unknown to Okta
    _ever_in_vault: set[str] = field(default_factory=set)  # values of versions that the story began with, or we wrote
    _hidden: set[str] = field(default_factory=set)  # values of versions that people deleted
    _unheard: dict[str, datetime] = field(default_factory=dict)  # value → when a create of it ended unknown
    _off_by_people: set[str] = field(default_factory=set)  # ids of secrets that people switched off
    _appeared: dict[str, datetime] = field(default_factory=dict)  # id → when it was first seen
    _abandoned: set[str] = field(default_factory=set)  # values that were staged, and are no more
    _switched_on: set[str] = field(default_factory=set)  # ids of secrets that were ever switched on again
    _kept: set[str] = field(default_factory=set)  # ids of secrets that people switched on again
    _dismissed: set[str] = field(default_factory=set)  # values that an operator said need no overlap
    _doubtful: set[str] = field(default_factory=set)  # ids of secrets that an order may have given up
    _leaked: set[str] = field(default_factory=set)  # values that an operator would rather have off than in use
    _effect: int = 0
    _two_since: datetime | None = None
    longest_two: timedelta = timedelta(0)  # with two active secrets

    def __post_init__(self) -> None:
        held = [version.fields.get("client_secret", "") for version in self.before.consumer]
        self._foreign = {slot.id for slot in self.before.slots if slot.value not in held}
        self._ever_in_vault = set(held)
        for value, following in zip(held, self.before.consumer[1:], strict=False):
            self._was_current[value] = following.created
            if not self.before.accepts(value):
                self._excused.add(value)
        self._note_current(self.before)
        if self.before.current and not self.before.accepts(self.before.current):
            self._excused.add(self.before.current)

    def operator(
        self,
        *,
        dismissed: str | None = None,
        given_up: str | None = None,
        leaked: str | None = None,
        sure: bool = True,
    ) -> None:
        """An operator ordered something: a value that needs no overlap, a foreign secret that may go.

        `leaked`: one that is to go even from where only another path of the target still has it.
        Where it is not `sure` that the order arrived, nothing has to come of it.
        """
        if leaked is not None:
            self._dismissed.add(leaked)
            self._leaked.add(leaked)
        if dismissed is not None:
            self._dismissed.add(dismissed)
        if given_up is not None:
            self._foreign.discard(given_up)
            self._kept.discard(given_up)
            if not sure:
                self._doubtful.add(given_up)

    def laggard(self, value: str, *, granted: bool, heeded: bool) -> None:
        """A consumer asked with a value that it has always used. `heeded`: its use is to stop us."""
        if heeded and not granted and value not in self._excused | self._dismissed:
            self._broken("I1", "a consumer that goes on with the old secret was cut off")

    @property
    def touched(self) -> int:
        """How often something was written that a pause forbids."""
        return self.writes - self.kept_on

    def paused_pass(self, touched_before: int) -> None:
        """A pass went over a target that was paused all the while."""
        if self.touched != touched_before:
            self._broken("I5", "a paused target was written to")

    def hooks_run(self, runs: list[tuple[str, str]], wanted: tuple[str, ...], *, crashed: bool) -> None:
        """I9: each hook was run for each rotation: once, and again only where a process died.

        Or for a later one, where that overtook it before the hook's turn had come.
        """
        for rotation in {rotation for rotation, _ in runs}:
            begun = next(number for number, (one, _) in enumerate(runs) if one == rotation)
            later = {name for _, name in runs[begun:]}
            for name in wanted:
                times = runs.count((rotation, name))
                if name not in later or (times > 1 and not crashed):
                    self._broken("I9", f"the hook {name} was run {times} times")

    def owns(self, *values: str) -> None:
        """These values were ours before the story began."""
        self._foreign -= {slot.id for slot in self.before.slots if slot.value in values}

    # --- what happens ------------------------------------------------------------------------------------

    def effect(self, name: str, number: int, after: State, *, stale: bool = False) -> None:
        """An effect of ours was applied. `stale`: a person acted in the same instant."""
        self._effect = number
        self.writes += 1
        current = after.current or ""
        helped = after.accepts(current) and not self.before.accepts(current)
        self.kept_on += name == "activate" and self.before.paused and helped
        if not stale:
            self._check_foreign(name, after)
            self._check_wishes(name, after)
            self._check_overwritten(after)
        self._check_stale(name, after)
        self._note_abandoned(after)
        was_off = {slot.id for slot in self.before.slots if not slot.active}
        self._switched_on |= {slot.id for slot in after.slots if slot.active and slot.id in was_off}
        self._check_create(after)
        self._note_current(after)
        if after.current and after.latest != self.before.latest:
            self._ever_in_vault.add(after.current)
            self._was_current[after.current] = None  # we put it there: it is owed, accepted or not
        self.before = after
        if stale:
            self.racing = True
        self.check_service()
        self._check_not_lost()

    def person(self, after: State) -> None:
        """Somebody acted at Okta or Vault; what that breaks is theirs."""
        for slot in self.before.slots:
            kept = next((it for it in after.slots if it.id == slot.id), None)
            if kept is None or (slot.active and not kept.active):
                self._excused.add(slot.value)
                self._off_by_people.add(slot.id)
                self._kept.discard(slot.id)
        for slot in after.slots:
            if not any(it.id == slot.id for it in self.before.slots):
                self._foreign.add(slot.id)
            if slot.active:
                self._excused.discard(slot.value)
            if any(it.id == slot.id and slot.active and not it.active for it in self.before.slots):
                if after.now > self._appeared.get(slot.id, NEVER):  # else Okta's times do not tell that it was toggled
                    self._kept.add(slot.id)
                self._switched_on.add(slot.id)
                self._off_by_people.discard(slot.id)
        value = after.current
        if value is not None and value != self.before.current and not after.accepts(value):
            self._excused.add(value)
            if not any(slot.value == value for slot in after.slots) and value not in self._ever_in_vault:
                self._by_people.add(value)
        still = {version.number for version in after.consumer}
        self._hidden |= {it.fields.get("client_secret", "") for it in self.before.consumer if it.number not in still}
        self._note_current(after)
        self.before = after

    def create_sent(self, value: str, *, unheard: bool) -> None:
        """We asked Okta to register that value; I7: never while an earlier request for it may still arrive."""
        now = self.before.now
        last = self._unheard.get(value)
        if last is not None and now < last + self.settle:
            self._broken("I7", "a create was repeated while the first may still arrive")
        if unheard:
            self._unheard[value] = now

    def unended(self) -> None:
        """I7: a pass went on for ever."""
        self._broken("I7", "a pass came to no end")

    def time(self, after: State) -> None:
        """The clock moved, and late requests arrived."""
        self._check_create(after)
        self._note_two(after)
        self.before = after
        self.check_service()

    # --- the promises ------------------------------------------------------------------------------------

    def check_service(self) -> None:
        """I1: the current value works, and so does whatever was current within the overlap.

        While a race is open it is not held against us; `race_is_mended` says when it is over.
        """
        if not self.racing:
            for what in self._out_of_service():
                self._broken("I1", what)

    def race_is_mended(self) -> bool:
        """Say whether service is as promised again, and from now on held to it."""
        self.racing = self.racing and bool(self._out_of_service())
        return not self.racing

    def _out_of_service(self) -> list[str]:
        state, found = self.before, []
        for value, left in self._was_current.items():
            lately = left is not None and state.now < left + self.overlap and value not in self._dismissed
            owed = lately or (left is None and (value == state.current or value not in self._leaked))
            if owed and value not in self._excused and not state.accepts(value):
                found.append(f"a value that {'is' if left is None else 'was lately'} current is not accepted")
        return found

    def check_at_rest(self, *, blocked: bool, people_acted: bool) -> None:
        """I3: after a quiet time each secret at Okta can be explained, and staging holds no value."""
        if blocked:
            if not people_acted:
                self._broken("I3", "blocked, though nobody interfered")
            return
        state = self.before
        for slot in state.slots:
            if slot.value != state.current and slot.id not in self._foreign | self._switched_on | self._doubtful:
                self._broken("I3", f"{slot.id} is neither current nor foreign")
        if sum(slot.value == state.current for slot in state.slots) > 1:
            self._broken("I3", "two secrets carry the current value")
        if any(version.fields.get("client_secret") for version in state.staging):
            self._broken("I3", "a value is left in staging")
        if not state.accepts(state.current or ""):
            self._broken("I3", "the target did not settle: the current value is not accepted")

    def check_idle(self, writes_before: int) -> None:
        """I6: with nothing due, a run wrote nothing."""
        if self.writes != writes_before:
            self._broken("I6", "a run with nothing due wrote something")

    def _check_not_lost(self) -> None:
        """I2: what we made is readable in Vault, or on record and used by nobody."""
        state = self.before
        readable = {version.fields.get("client_secret") for version in (*state.consumer, *state.staging)} | self._hidden
        record = state.staging[-1].fields.get("made", "") if state.staging else ""
        for slot in state.slots:
            if slot.value not in self.created or slot.value in readable:
                continue
            if hash_of(slot.value) not in record or slot.value in self._was_current:
                self._broken("I2", f"{slot.id} is ours and lost")

    def _check_create(self, after: State) -> None:
        """I4: one rotation at a time, one value for each reason."""
        for slot in after.slots:
            if any(it.id == slot.id for it in self.before.slots) or slot.id in self._foreign:
                continue
            if slot.value not in self.created:
                self.created.append(slot.value)
        waiting = {slot.value for slot in after.slots if slot.value in self.created} - set(self._was_current)
        if len(waiting - {after.current} - self._abandoned) > 1:
            self._broken("I4", "two candidates of ours at once")
        if len(self.created) > self.may_make:
            self._broken("I4", f"{len(self.created)} values made, reason for {self.may_make}")

    def _check_stale(self, name: str, after: State) -> None:
        """I4: whoever was overtaken does no harm: only the value that is staged may become current."""
        if (
            after.latest == self.before.latest
            or after.current not in self.created
            or after.current in self._was_current
        ):
            return
        if not self.before.staging or self.before.staging[-1].fields.get("client_secret") != after.current:
            self._broken("I4", f"{name} promoted a value that is not staged any more")

    def _check_foreign(self, name: str, after: State) -> None:
        """I5: a secret that people made is theirs."""
        for slot in self.before.slots:
            if (
                self.may_replace
                or slot.id not in self._foreign
                or slot.value in self._was_current
                or slot.value in self._ever_in_vault
            ):
                continue
            now = next((it for it in after.slots if it.id == slot.id), None)
            if now is None and not slot.active and after.now - slot.changed >= self.reclaim_after:
                continue
            if now is None or now.active != slot.active:
                self._broken("I5", f"{name} touched the foreign {slot.id}")

    def _check_wishes(self, name: str, after: State) -> None:
        """I5: what people switched off stays off, and what they switched on stays on, while it is not current."""
        for slot in self.before.slots:
            now = next((it for it in after.slots if it.id == slot.id), None)
            if now is not None and now.active and not slot.active and slot.id in self._off_by_people:
                self._broken("I5", f"{name} switched {slot.id} on, which a person had switched off")
            candidate = slot.value in self.created and slot.value not in self._was_current
            if now is not None and slot.active and not now.active and slot.id in self._kept and not candidate:
                self._broken("I5", f"{name} switched {slot.id} off, which a person had switched on")

    def _check_overwritten(self, after: State) -> None:
        """I5: a value that a person put into Vault stays, and so do other people's fields."""
        if after.latest == self.before.latest:
            return
        if self.before.current in self._by_people and not self.may_overwrite:
            self._broken("I5", "a person's value was overwritten")
        if self.before.latest and self.before.current is None and self._had_value():
            self._broken("I5", "a version that a person deleted was resurrected")
        theirs = {"note"}
        if self.before.consumer and self.before.current is not None:
            lost = theirs & set(self.before.consumer[-1].fields) - set(after.consumer[-1].fields)
            if lost:
                self._broken("I5", f"the field {lost} was lost")

    # -----------------------------------------------------------------------------------------------------

    def _had_value(self) -> bool:
        return bool(self._was_current)

    def _note_two(self, state: State) -> None:
        """How long an app has had two active secrets."""
        if sum(slot.active for slot in state.slots) < 2:
            self._two_since = None
            return
        self._two_since = self._two_since or state.now
        self.longest_two = max(self.longest_two, state.now - self._two_since)

    def _note_current(self, state: State) -> None:
        self._note_two(state)
        for slot in state.slots:
            self._appeared.setdefault(slot.id, state.now)
        value = state.current
        for other, left in self._was_current.items():
            if left is None and other != value and other not in state.elsewhere:
                self._was_current[other] = state.now
        if value is not None and (state.accepts(value) or value in self._was_current):
            self._was_current[value] = None
            self._kept -= {slot.id for slot in state.slots if slot.value == value}
            self._ever_in_vault.add(value)

    def _note_abandoned(self, after: State) -> None:
        if self.before.staging and after.staging:
            staged = self.before.staging[-1].fields.get("client_secret", "")
            if staged != after.staging[-1].fields.get("client_secret", ""):
                self._abandoned.add(staged)

    def _broken(self, promise: str, what: str) -> None:
        self.violations.append(Violation(promise, what, self._effect))


def hash_of(value: str) -> str:
    """Okta's `secret_hash`, written a second time: the observer trusts nobody."""
    from base64 import urlsafe_b64encode
    from hashlib import sha256

    return urlsafe_b64encode(sha256(value.encode()).digest()[:16]).decode().rstrip("=")
