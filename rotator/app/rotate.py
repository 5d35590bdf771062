"""Carry one target on: look, decide, act, look again, until there is nothing to do for now.

* No plan outlives an effect: after each the next decision starts from what is seen then.
* Waiting is a returned `Rest`, never a sleep. A start, a resume, a retry and the next tick are the same code.
* An effect that ended unknown is looked at again once; a second one ends the pass.
* Policy `observe` looks and says what it would do; it writes nothing.
* How pressing the calls to Okta are is decided with each action: its budget is shared.
* Before each effect the lease is confirmed and the effect written down, and after it what came of it; of a proof, what
  it showed. A rotation begins when the gate lets it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, assert_never

from rotator.app.effects import forget, perform, place_order
from rotator.app.observe import View, World
from rotator.app.paper import note, on_paper
from rotator.core.actions import (
    LOOKS,
    Activate,
    Adopt,
    AskLog,
    AskUsage,
    Blocked,
    CloseStaging,
    Deactivate,
    Delete,
    OrderReplacement,
    Promote,
    Rest,
    RunHook,
    Stage,
    Verify,
    Waiting,
)
from rotator.core.admission import Admitted, Wait, Wish
from rotator.core.budget import TURN, Haste, Share, haste, in_haste
from rotator.core.due import haste_for
from rotator.core.facts import Facts
from rotator.core.history import Deed
from rotator.core.hooks import LONGEST
from rotator.core.model import Mode, Order, OrderMode, Reason, StagingState
from rotator.core.rotation import next_action
from rotator.errors import (
    ConflictError,
    InvariantError,
    RefusedError,
    RotatorError,
    UnavailableError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime, timedelta

    from rotator.core.actions import Action, Effect, Ending
    from rotator.core.history import Upshot
    from rotator.core.model import OktaSecret, Proof, RotationId, SecretId, Snapshot, Target
    from rotator.ports import Lease

MAX_ACTIONS_PER_PASS = 40  # a rotation takes seven; the rest is for clearing up after others
SURPRISES_PER_PASS = 2  # effects that end otherwise than expected, before the pass gives up
LOOK_AGAIN = frozenset(
    {"slots_full", "only_active", "still_active", "duplicate_value"}
)  # Okta has moved on since our list


@dataclass(frozen=True, slots=True)
class Step:
    """One effect of a pass, and what came of it; `surprise` says why it may not be done."""

    action: Effect
    detail: str
    surprise: RotatorError | None = None
    current: OktaSecret | None = None  # the one in use when the step was taken


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a pass over one target ended: at rest, blocked, or with an error.

    `planned` is what `observe` left undone, `failed` what was being done when it ended with an error.
    """

    target: Target
    steps: tuple[Step, ...]
    ending: Ending | RotatorError
    seen: Snapshot | None
    planned: Effect | None = None
    failed: Effect | None = None

    @property
    def proof(self) -> Proof | None:
        """What was shown of the current value in this pass."""
        current = self.seen.consumer.current if self.seen else None
        return self.seen.proofs.get(current.value.hash) if self.seen and current and current.value else None


async def carry_on(
    target: Target,
    world: World,
    *,
    told: bool = False,
    order: OrderMode | None = None,
    dry_run: bool = False,
    tries: dict[str, int] | None = None,
    deadline: datetime | None = None,
    turn: timedelta = TURN,
) -> Outcome:
    """Do what is to be done for a target now, under its lease. Errors of ours become the ending.

    `told`: a person named the target, so that policy `manual` begins what is due. `order`: a new secret, due or not.
    `dry_run`: as policy `observe` does, look and plan. `tries`: what a process remembers of test requests, by hash.
    `deadline`: after it no further action is begun; one that was is seen through. `turn`: how long a call may wait for
    its turn in Okta's budget; the first look counts on the share that the caller's haste says.
    """
    told = told or order is not None
    view = View(target, world, told=told, tries={} if tries is None else tries)
    hands_off = dry_run or target.policy.mode is Mode.OBSERVE
    one_pass = _Pass(view, world, hands_off=hands_off, turn=turn, deadline=deadline, told=told)
    one_pass.share = Share.URGENT if order else haste().share
    try:
        if one_pass.hands_off:
            return await one_pass.run(order)
        async with world.leases.hold(target) as one_pass.lease:
            return await one_pass.run(order)
    except RotatorError as error:
        return one_pass.outcome(error)


@dataclass(slots=True)
class _Pass:
    """One pass over one target."""

    view: View
    world: World
    hands_off: bool
    turn: timedelta
    deadline: datetime | None = None
    told: bool = False
    lease: Lease | None = None  # None while only looking
    share: Share = Share.ROUTINE
    steps: list[Step] = field(default_factory=list)
    seen: Snapshot | None = None
    surprises: int = 0
    doing: Effect | None = None  # None while looking

    async def run(self, mode: OrderMode | None) -> Outcome:
        if mode is not None and (ordered := await self._order(mode)) is not None:
            return self._ending(ordered)
        for _ in range(MAX_ACTIONS_PER_PASS):
            action = await self._next()
            if isinstance(action, Rest | Blocked) or (self.hands_off and not isinstance(action, LOOKS)):
                return self._ending(action)
            if self.deadline is not None and self.world.clock.now() >= self.deadline:
                raise UnavailableError(f"{self.view.target.name}: too slow to be finished in this pass")
            if isinstance(action, Stage) and (wait := await self._ask_gate(action)) is not None:
                return self._ending(wait)
            await self._do(action)
        raise InvariantError(f"{self.view.target.name}: no rest after {MAX_ACTIONS_PER_PASS} actions")

    async def _next(self) -> Action:
        """Look and decide. Before a secret is switched off, Okta's list is younger than our last write."""
        action = await self._decide()
        if isinstance(action, Deactivate) and not self.view.list_is_fresh:
            self.view.okta_changed()
            action = await self._decide()
        return action

    async def _decide(self) -> Action:
        self.doing = None
        self.seen = await self._look()
        return next_action(self.seen, self.world.clock.now())

    async def _look(self) -> Snapshot:
        with in_haste(Haste(self.share, self.turn)):
            return await self.view.look()

    async def _do(self, action: Effect) -> None:
        assert self.seen
        facts, name = Facts(self.seen, self.world.clock.now()), type(action).__name__
        self.world.progress.doing(self.view.target, name)
        self.doing = action
        self.view.list_is_fresh &= isinstance(action, LOOKS)
        haste = haste_for(action, facts, patience=self.turn)
        self.share = haste.share
        if isinstance(action, CloseStaging):  # before it, since after it nobody knows any more that one was under way
            await self.world.gate.ended(self.view.target.name, good=facts.promoted)
        try:
            with in_haste(haste):
                detail = await self._perform(action, name)
        except (ConflictError, UnknownOutcomeError, RefusedError) as surprise:
            forget(action, self.view)
            self.surprises += 1
            if self.surprises > SURPRISES_PER_PASS or not _worth_a_look(surprise):
                raise
            self.steps.append(Step(action, f"{surprise}; looking again", surprise))
            self.world.progress.surprised(self.view.target, name, surprise)
            return
        self.steps.append(Step(action, detail, current=next(iter(facts.matches), None)))
        self.world.progress.done(self.view.target, name, detail, rotation=self._rotation())

    async def _ask_gate(self, action: Stage) -> Rest | None:
        """Have the rotation that is to begin let in; return what it waits for if it is not."""
        assert self.seen
        now = self.world.clock.now()
        facts, target = Facts(self.seen, now), self.view.target
        since = facts.alive.created + target.policy.rotate_after if facts.alive else now
        told = self.told or facts.ordered_now
        answer = await self.world.gate.ask(Wish(target.name, target.policy, action.reason, min(since, now), told))
        match answer:
            case Admitted():
                return None
            case Wait(until=until, why=why, hint=hint, breaker=breaker, alone=alone):
                waiting = Waiting.BREAKER if breaker else Waiting.BACKLOG if alone else Waiting.TURN
                return Rest(until, waiting, f"{why}. {hint}" if hint else why)
        assert_never(answer)

    async def _perform(self, action: Effect, name: str) -> str:
        """Carry out one action, on paper before it and after it if it changes anything; a proof only after it."""
        assert self.seen
        work = partial(perform, action, self.seen, self.view, self.world)
        if isinstance(action, AskLog | AskUsage) or self.lease is None:
            return (await work()).detail
        deed = self._deed(name, action.reason if isinstance(action, Stage) else None, secret=_secret_of(action))
        if isinstance(action, Verify):
            upshot = await work()
            await note(self.world.journal, None, replace(deed, rotation=self._rotation()), upshot)
            return upshot.detail
        return await self._on_paper(deed, work, hook=isinstance(action, RunHook))

    async def _on_paper(self, deed: Deed, work: Callable[[], Awaitable[Upshot]], *, hook: bool = False) -> str:
        """Write down what is about to be done, do it under the lease, and write down how it ended."""
        assert self.lease
        await self.lease.confirm(max(self.view.target.effect, LONGEST) if hook else self.view.target.effect)
        return (await on_paper(self.world.journal, deed, work, rotation=self._rotation)).detail

    def _deed(self, step: str, reason: Reason | None, *, secret: SecretId | None) -> Deed:
        assert self.seen
        target, reason = self.view.target, reason or self.seen.staging.reason
        return Deed(
            target=target.name,
            org=target.org,
            app_id=target.app_id,
            step=step,
            at=self.world.clock.now(),
            actor=self.world.actor,
            rotation=self._rotation(),
            reason=reason.value if reason else "",
            secret=secret,
        )

    def _rotation(self) -> RotationId | None:
        """Return the rotation that is under way, else the one that made the current value."""
        assert self.seen
        current = self.seen.consumer.current
        return self.view.staged_now or self.seen.staging.rotation_id or (current.rotation_id if current else None)

    async def _order(self, mode: OrderMode) -> Action | None:
        """Order a new secret, if that can be carried out now; else return what stands in the way.

        A rotation that is under way, or due without an order, is simply carried on: no second one is asked for. But
        that the replaced secret is compromised is noted all the same.
        """
        seen, now = await self._look(), self.world.clock.now()
        self.seen = seen
        facts = Facts(seen, now)
        current, before = facts.alive, facts.order
        if current is None or (before is not None and not mode.outranks(before.mode)):
            return None
        if seen.staging.state is not StagingState.EMPTY and mode is not OrderMode.COMPROMISED:
            return None
        order = Order(current.id, mode, now)
        ordered = next_action(replace(seen, staging=replace(seen.staging, order=order)), now)
        if self.hands_off or isinstance(ordered, Rest | Blocked):
            return ordered
        deed = self._deed(OrderReplacement.__name__, Reason.ORDERED, secret=current.id)
        await self._on_paper(deed, partial(place_order, seen, self.view, self.world, order))
        return None

    def _ending(self, action: Action) -> Outcome:
        """End the pass with an ending, or with an action that is only planned."""
        if isinstance(action, Rest | Blocked):
            return self.outcome(action)
        return self.outcome(Rest(None, Waiting.TOLD), planned=action)

    def outcome(self, ending: Ending | RotatorError, planned: Effect | None = None) -> Outcome:
        return Outcome(self.view.target, tuple(self.steps), ending, self.seen, planned, self.doing)


def _secret_of(action: Effect) -> SecretId | None:
    """Return which secret at Okta an action is about, where that is known before it."""
    match action:
        case Activate(secret_id) | Deactivate(secret_id) | Delete(secret_id) | OrderReplacement(secret_id):
            return secret_id
        case Adopt(secret) | Promote(secret):
            return secret.id
    return None


def _worth_a_look(surprise: RotatorError) -> bool:
    """Whether what we find now may call for another action; a plain refusal would only be repeated."""
    return not isinstance(surprise, RefusedError) or surprise.code in LOOK_AGAIN
