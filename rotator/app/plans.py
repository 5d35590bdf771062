"""Carry out a plan: just what was planned, and only where it still holds.

* Each target is looked at again, as a plan looks; nothing is written meanwhile.
* Where a plan does not hold for one target, it is carried out for none, unless whoever asks wants the others.
* What is carried out is what `rotate` does, under the same lease, gate and journal. A step of a plan that begins no
  rotation lets none begin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rotator.app.reconcile import reconcile
from rotator.core.actions import Stage
from rotator.core.admission import Wait
from rotator.core.foresight import step_of
from rotator.core.plan import Judged, Standing, judged
from rotator.errors import RotatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from rotator.app.observe import World
    from rotator.app.reconcile import Patience
    from rotator.app.rotate import Outcome
    from rotator.core.admission import Admission, Wish
    from rotator.core.foresight import Step
    from rotator.core.model import Target
    from rotator.ports import Gate

    WorldOf = Callable[[Target], World]

BEGINS = Stage.__name__


@dataclass(frozen=True, slots=True)
class Planned:
    """What a plan has for one target; no `step` where nothing is to be done."""

    target: Target
    step: Step | None
    basis: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Weighed:
    """A planned step, and how it stands now. `outcome` is that of the look."""

    planned: Planned
    judged: Judged
    outcome: Outcome

    @property
    def goes_on(self) -> bool:
        """Whether it can be carried out."""
        return self.judged.standing in {Standing.HOLDS, Standing.BEGUN}

    @property
    def refused(self) -> bool:
        """Whether the plan does not hold here, or nobody can tell."""
        return self.judged.standing is Standing.CHANGED


async def weigh(plan: Sequence[Planned], world_of: WorldOf, *, written_at: datetime) -> tuple[Weighed, ...]:
    """Look at each target that something is to be done with, and say whether that still holds."""
    to_do = [each for each in plan if each.step is not None]
    outcomes = await reconcile([each.target for each in to_do], world_of, dry_run=True)
    return tuple(
        Weighed(planned, _judged(planned, outcome, written_at), outcome)
        for planned, outcome in zip(to_do, outcomes, strict=True)
    )


async def carry_out(weighed: Sequence[Weighed], world_of: WorldOf, *, patience: Patience) -> tuple[Outcome, ...]:
    """Carry these out, as a person who names them does."""
    steps = {each.planned.target.name: each.planned.step for each in weighed}

    def gated(target: Target) -> World:
        world, step = world_of(target), steps[target.name]
        return world if step is not None and step.name == BEGINS else replace(world, gate=_NoneBegins(world.gate))

    return await reconcile([each.planned.target for each in weighed], gated, told=True, patience=patience)


def _judged(planned: Planned, outcome: Outcome, written_at: datetime) -> Judged:
    assert planned.step is not None
    if isinstance(outcome.ending, RotatorError):
        return Judged(Standing.CHANGED, (f"it cannot be looked at: {outcome.ending}",))
    assert outcome.seen is not None
    now = step_of(outcome.planned) if outcome.planned is not None else outcome.ending
    return judged(planned.step, planned.basis, now, outcome.seen, written_at=written_at)


@dataclass(frozen=True, slots=True)
class _NoneBegins:
    """A gate that lets no rotation begin."""

    inner: Gate

    async def ask(self, wish: Wish) -> Admission:
        """Say that the plan has none; whoever reads it can make another."""
        return Wait(
            None, f"the plan begins no rotation of {wish.target}", "`rotator plan` tells what is due.", alone=True
        )

    async def ended(self, target: str, *, good: bool) -> None:
        """Note how one ended that had begun before."""
        await self.inner.ended(target, good=good)
