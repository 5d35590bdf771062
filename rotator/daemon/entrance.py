"""The pre-flight at the daemon's start: who lacks something is only looked at until it is there.

* Each org and each Vault is looked at once; of the targets those whose look is due: who rested well has shown it then.
* No pass is begun before it has ended, but for one that a person asked for. That is waited for only so long: what takes
  longer holds nobody up, and is taken up when it ends. Being ready waits for none of it.
* Who is held back is looked at again until all is there; who could not be looked at, since something was away, too. An
  outage holds nobody back and lets nobody go.
* What is wrong is told once, in one line for each check.
* Nothing that goes wrong here stops the loop, not even a fault of this program: nobody is held back for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from rotator.core.preflight import Kind, held_back, in_doubt, only_observed
from rotator.core.preflight_said import Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from rotator.core.model import Target
    from rotator.core.preflight import Check, Finding
    from rotator.daemon.vitals import Pulse
    from rotator.ports import Clock

    _Key: TypeAlias = tuple[Kind, str, Check, Verdict]
    Inspect: TypeAlias = Callable[[Sequence[Target]], Awaitable[tuple[Finding, ...]]]

AGAIN = timedelta(minutes=5)  # between two looks at who is held back
PATIENCE = timedelta(seconds=15)
MOST_NAMED = 10
EVENTS = {
    Verdict.FAILED: ("error", "preflight_failed"),
    Verdict.WARNING: ("warning", "preflight_warned"),
    Verdict.CANNOT_TELL: ("info", "preflight_undecided"),
}

log = structlog.get_logger()


class Entrance:
    """Where targets come in. Asked at each turn of the loop whether it is time; `look` is what it is time for."""

    def __init__(
        self,
        inspect: Inspect | None,
        pulse: Pulse,
        hand_over: Callable[[], object],
        *,
        ring: Callable[[], None],
        clock: Clock,
        again: timedelta = AGAIN,
    ) -> None:
        """Be due at once; without `inspect` never. `hand_over` is called when somebody is held back or let go."""
        self._inspect = inspect
        self._pulse = pulse
        self._hand_over = hand_over
        self._ring = ring
        self._clock = clock
        self._again = again
        self._targets: tuple[Target, ...] = ()
        self._met: set[str] = set()  # who was there at a look
        self._doubtful: frozenset[str] = frozenset()
        self._told: set[_Key] = set()
        self._next: datetime | None = None
        self._opens: datetime | None = None
        self._afresh = False
        self.begin_anew()

    @property
    def opens_at(self) -> datetime | None:
        """When passes are begun at the latest; None if they are."""
        return self._opens

    def begin_anew(self) -> None:
        """Be due at once, for everything: the daemon starts, or the configuration has changed."""
        if self._inspect is not None:
            self._next, self._afresh = self._clock.now(), True
            self._opens = self._next + PATIENCE

    def is_due(self, now: datetime) -> bool:
        """Say whether it is time. A clock that was put back makes nobody wait for longer than usual."""
        if self._next is None:
            return False
        return now >= self._next or self._next > now + self._again

    def closed(self, now: datetime) -> bool:
        """Say whether passes wait for the look that is being made."""
        return self._opens is not None and now < self._opens <= now + PATIENCE

    def through(self, targets: Sequence[Target] | None) -> tuple[Target, ...]:
        """Return these targets, or those of before, as they may be treated."""
        if targets is not None:
            self._targets = tuple(targets)
        names = {target.name for target in self._targets}
        held = self._pulse.held_back
        self._pulse.held_back = {name: finding for name, finding in held.items() if name in names}
        if self._inspect is not None and names - self._met:
            self._next = self._clock.now()
        return tuple(
            only_observed(target, held[target.name]) if target.name in held else target for target in self._targets
        )

    async def look(self) -> None:
        """Look at who is to be looked at, tell what is wrong, and hold back or let go whom it is about."""
        assert self._inspect is not None
        begun = self._clock.now()
        afresh, self._afresh, self._next = self._afresh, False, begun + self._again
        chosen = self._chosen(begun, afresh=afresh)
        self._met = {target.name for target in self._targets}
        if chosen:
            (found,) = await asyncio.gather(self._inspect(chosen), return_exceptions=True)
            if isinstance(found, BaseException):
                _note(found)
            else:
                self._learn(found, afresh=afresh)
                if afresh:
                    self._sum_up(chosen, found, begun)
        if not self._afresh:  # else another look is wanted before
            self._opens = None
        self._ring()

    def _chosen(self, now: datetime, *, afresh: bool) -> tuple[Target, ...]:
        """Return whom to look at; at a fresh start every org and every Vault by way of one target at least."""
        pulse = self._pulse
        wanted = pulse.held_back.keys() | self._doubtful
        if afresh:
            wanted |= {name for name, entry in pulse.entries.items() if entry.at <= now}
            wanted |= set({target.org: target.name for target in self._targets}.values())
            wanted |= set({target.vault: target.name for target in self._targets}.values())
        else:
            wanted |= {target.name for target in self._targets} - self._met
        return tuple(target for target in self._targets if target.name in wanted)

    def _learn(self, found: Sequence[Finding], *, afresh: bool) -> None:
        before, self._doubtful = self._pulse.held_back, in_doubt(self._targets, found)
        held = {name: finding for name, finding in before.items() if name in self._doubtful}
        held |= held_back(self._targets, found)
        self._tell(found, afresh=afresh)
        if held == before:
            return
        self._pulse.held_back = held
        if passed := sorted(before.keys() - held.keys()):
            log.info("preflight_passed", targets=passed[:MOST_NAMED], count=len(passed))
        self._hand_over()

    def _tell(self, found: Iterable[Finding], *, afresh: bool) -> None:
        """Log what is not in order: each once, of targets one line for each check."""
        wrong = {_key(each): each for each in found if each.said.verdict is not Verdict.OK}
        looked_at = {(each.kind, each.about) for each in found}
        known = set() if afresh else {key for key in self._told if key[:2] not in looked_at}
        news = [each for key, each in wrong.items() if afresh or key not in self._told]
        self._told = known | wrong.keys()
        of_targets: dict[object, list[Finding]] = {}
        for each in news:
            if each.kind is Kind.TARGET:
                of_targets.setdefault((each.check, each.said.verdict), []).append(each)
            else:
                _log(each, {each.kind.value: each.about})
        for same in of_targets.values():
            names = [each.about for each in same]
            some = {"targets": names[:MOST_NAMED], "count": len(names)}
            _log(same[0], {"target": names[0]} if len(names) == 1 else some)

    def _sum_up(self, chosen: Sequence[Target], found: Sequence[Finding], begun: datetime) -> None:
        verdicts = Counter(each.said.verdict for each in found)
        log.info(
            "preflight_made",
            targets=len(chosen),
            ok=verdicts[Verdict.OK],
            warnings=verdicts[Verdict.WARNING],
            failed=verdicts[Verdict.FAILED],
            undecided=verdicts[Verdict.CANNOT_TELL],
            held_back=len(self._pulse.held_back),
            seconds=round((self._clock.now() - begun).total_seconds(), 1),
        )


def _key(finding: Finding) -> _Key:
    return finding.kind, finding.about, finding.check, finding.said.verdict


def _log(finding: Finding, about: dict[str, Any]) -> None:
    level, event = EVENTS[finding.said.verdict]
    if finding.said.outage:
        level = "warning"  # it ends by itself
    say = getattr(log, level)
    say(event, check=finding.check.value, **about, detail=finding.said.detail, hint=finding.said.remedy)


def _note(failure: BaseException) -> None:
    if not isinstance(failure, Exception):
        raise failure
    # Its text may quote anything.
    detail = f"a fault of this program: {type(failure).__name__}"
    log.error("preflight_not_made", detail=detail, hint="Nobody is held back for it.", exc_info=failure)
