"""A policy at work in a scene: when it is open, who has begun lately, and who waits for a turn. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING

from rotator.core.admission import Begun

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rotator.core.admission import Limits
    from rotator.core.model import Policy

Times = tuple[int, int]  # seconds after the start: from, until


class Course:
    """What is known of a policy at a second of the scene."""

    def __init__(self, policy: Policy, spans: Sequence[Times], limits: Limits) -> None:
        """Take the policy, and when it is open."""
        self.policy = policy
        self.spans = spans
        self.queued = policy.wave is not None
        self.queue: list[tuple[int, int]] = []  # since when it is due, who
        self.asking = 0  # of the queue, under way
        self.held_until = 0
        self.refused_at = -1
        self.rotate_after = int(policy.rotate_after.total_seconds())
        self._opens = [opens for opens, _ in spans]
        # All that the rules look at where all end well: the wave, the canary before it, and the breaker's last ones.
        self._kept = limits.failures + (policy.wave.canary if policy.wave else 0)
        self._spacing = int(policy.wave.spacing.total_seconds()) if policy.wave else 0
        self._begun: deque[tuple[int, int, Begun, Begun]] = deque()  # when, until when, as seen until and after that

    def span_at(self, at: int) -> int:
        """Return the number of the span that is open then, or of the next; as many as there are if there is none."""
        n = bisect_right(self._opens, at)
        return n - 1 if n and at < self.spans[n - 1][1] else n

    def opening(self, at: int) -> int | None:
        """Return the earliest second from then on at which it is open; None if that is beyond the end."""
        n = self.span_at(at)
        return max(at, self._opens[n]) if n < len(self._opens) else None

    def lately(self, now: int) -> tuple[Begun, ...]:
        """Return what of the ledger the rules need to see."""
        begun = self._begun
        while len(begun) > self._kept and begun[self._kept][0] <= now - self._spacing and begun[0][1] <= now:
            begun.popleft()
        return tuple([done if ended <= now else going for _, ended, going, done in begun])

    def note(self, name: str, at: tuple[int, datetime], ended: tuple[int, datetime]) -> None:
        """Note that a rotation begins, and when it will have ended, each as a second and as a time."""
        going = Begun(name, self.policy.name, urgent=False, at=at[1])
        done = Begun(name, self.policy.name, urgent=False, at=at[1], ended_at=ended[1], good=True)
        self._begun.append((at[0], ended[0], going, done))
