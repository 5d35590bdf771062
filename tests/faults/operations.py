"""What an operator orders while a story is told: by the program's own code, through the same faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rotator.app import orders
from rotator.app.rollback import rollback as go_back
from rotator.app.rotate import carry_on
from rotator.core.model import OrderMode
from rotator.errors import ConflictError, RefusedError, UnavailableError
from tests.faults.ports import run
from tests.faults.world import state_of

if TYPE_CHECKING:
    from tests.faults.story import Stage

Operation = Callable[["Stage"], None]


async def _no_wait(_: float) -> None:
    raise AssertionError("nobody holds a lease here")


@contextmanager
def _unless_refused(told: Callable[[bool], None]) -> Iterator[None]:
    """Tell what an order allows, once it was given (True), or may have been."""
    try:
        yield
    except (RefusedError, UnavailableError, ConflictError):  # it was not given
        raise
    except BaseException:
        told(False)
        raise
    told(True)


def pause(stage: Stage) -> None:
    run(orders.pause(stage.target, stage.world(), sleep=_no_wait))


def resume(stage: Stage) -> None:
    record = state_of(stage.scene).staging[-1:]
    gave_up = any(version.fields.get("rollback") for version in record)
    run(orders.resume(stage.target, stage.world(), sleep=_no_wait))
    if gave_up:
        stage.gate.somebody_acted()  # what went back may still be on its way


def approve(stage: Stage) -> None:
    run(orders.approve(stage.target, stage.world(), sleep=_no_wait))


def rollback(stage: Stage) -> None:
    stage.observer.may_overwrite = True  # a person names what is to lie there
    run(go_back(stage.target, stage.world(), sleep=_no_wait))
    stage.gate.somebody_acted()  # what is still on its way was sent before that


def retire(stage: Stage) -> None:
    state = state_of(stage.scene)
    old = next((slot for slot in state.slots if slot.active and slot.value != state.current), None)
    if old is None:
        return
    with _unless_refused(lambda sure: stage.observer.operator(dismissed=old.value, given_up=old.id, sure=sure)):
        run(orders.retire(stage.target, stage.world(), sleep=_no_wait))


def reclaim(stage: Stage) -> None:
    state = state_of(stage.scene)
    other = next((slot for slot in state.slots if slot.value != state.current), None)
    if other is None:
        return
    with _unless_refused(lambda sure: stage.observer.operator(dismissed=other.value, given_up=other.id, sure=sure)):
        run(orders.reclaim(stage.target, stage.world(), other.id, sleep=_no_wait))


def force(stage: Stage) -> None:
    run(carry_on(stage.target, stage.world(), order=OrderMode.NOW))


def cut(stage: Stage) -> None:
    for slot in state_of(stage.scene).slots:
        if slot.value != state_of(stage.scene).current:
            stage.observer.operator(dismissed=slot.value)
    run(carry_on(stage.target, stage.world(), order=OrderMode.CUT))


def compromised(stage: Stage) -> None:
    for slot in state_of(stage.scene).slots:
        stage.observer.operator(leaked=slot.value)
    run(carry_on(stage.target, stage.world(), order=OrderMode.COMPROMISED))


OPERATIONS: tuple[Operation, ...] = (
    pause,
    resume,
    approve,
    rollback,
    retire,
    reclaim,
    force,
    cut,
    compromised,
)
