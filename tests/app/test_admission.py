"""Many targets before one gate: who begins, who waits, and how that is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.app.reconcile import reconcile
from rotator.app.rotate import carry_on
from rotator.core.actions import CloseStaging, Rest, Waiting
from rotator.core.admission import Limits
from rotator.core.model import OnUnknownValue, Wave
from rotator.errors import UnavailableError
from tests.app.small_world import AUTO, SmallWorld
from tests.fakes.gate import LedgerGate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.core.model import Target

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
WAVES = replace(AUTO, on_unknown_value=OnUnknownValue.ROTATE, wave=Wave(canary=1, size=4, spacing=5 * MINUTE))


class Fleet:
    """Some targets whose secrets are all due, and a gate before them."""

    def __init__(self, size: int, *, limits: Limits | None = None) -> None:
        self.small = SmallWorld()
        found = [self.small.settled(f"t{n}", app_id=f"0oa{n}") for n in range(size)]
        self.targets = [replace(target, policy=WAVES) for target in found]
        self.small.clock.advance(91 * DAY)
        self.gate = LedgerGate(self.small.clock, fleet=size, limits=limits)
        self.small.world = replace(self.small.world, gate=self.gate)

    def lose_all_secrets(self) -> None:
        """Have somebody make every app anew, without a secret."""
        for target in self.targets:
            self.small.okta.add_app(target.app_id)

    async def turn(self, targets: Sequence[Target] | None = None) -> tuple[int, list[Rest]]:
        """Look at all of them; return how many began, and what the others wait for."""
        before = self.small.told.ended.count("Create")
        outcomes = await reconcile(self.targets if targets is None else targets, self.small.of)
        held = {Waiting.TURN, Waiting.BREAKER}
        waits = [each.ending for each in outcomes if isinstance(each.ending, Rest) and each.ending.waiting in held]
        return self.small.told.ended.count("Create") - before, waits


async def test_a_canary_goes_first_and_the_others_follow_in_waves() -> None:
    fleet = Fleet(11)

    begun, waits = await fleet.turn()

    assert (begun, len(waits)) == (1, 10)
    began_at = fleet.small.clock.now()
    assert {(wait.until, wait.waiting) for wait in waits} == {(began_at + 5 * MINUTE, Waiting.TURN)}
    assert {wait.detail for wait in waits} == {"the wave of policy `default` is full: 1 began"}
    numbers = []
    for _ in range(6):
        fleet.small.clock.advance(2.5 * MINUTE)
        numbers.append((await fleet.turn())[0])
    assert numbers == [0, 4, 0, 4, 0, 2]


async def test_a_canary_that_is_refused_holds_the_others_back_until_it_ends_well() -> None:
    fleet = Fleet(6)
    fleet.small.okta.server_answers = False  # nothing can be proven

    await fleet.turn()
    fleet.small.clock.advance(6 * MINUTE)
    begun, waits = await fleet.turn()

    assert begun == 0
    assert {wait.detail for wait in waits} == {"under way in the wave before it: `t0`"}
    fleet.small.okta.server_answers = True
    await fleet.turn([fleet.targets[0]])
    assert (await fleet.turn())[0] == 4


async def test_a_rotation_that_was_cut_off_at_its_very_end_holds_nobody_back() -> None:
    fleet = Fleet(5)
    fleet.small.flaky_kv.fail("write", None, None, UnavailableError("cut off"), done=True)  # staged, promoted, emptied
    cut_off = await carry_on(fleet.targets[0], fleet.small.world)
    assert isinstance(cut_off.failed, CloseStaging)

    fleet.small.clock.advance(6 * MINUTE)

    assert (await fleet.turn())[0] == 4


async def test_many_revoked_at_once_open_the_breaker_and_a_release_lets_the_rest_go_on() -> None:
    fleet = Fleet(9, limits=Limits(urgent_at_once=3))
    fleet.lose_all_secrets()

    begun, waits = await fleet.turn()

    assert (begun, len(waits)) == (3, 6)
    assert {(wait.until, wait.waiting) for wait in waits} == {(None, Waiting.BREAKER)}
    assert waits[0].detail.startswith("replaced within a day because they were revoked or unknown: 3; 3 may be. ")
    assert waits[0].detail.endswith("`rotator resume --all` lets them go on.")
    fleet.small.clock.advance(MINUTE)
    assert (await fleet.turn())[0] == 0
    fleet.gate.released_at = fleet.small.clock.now()
    fleet.small.clock.advance(MINUTE)
    assert (await fleet.turn())[0] == 3


async def test_what_a_person_names_begins_though_a_breaker_is_open() -> None:
    fleet = Fleet(3, limits=Limits(urgent_at_once=1))
    fleet.lose_all_secrets()
    await fleet.turn()

    outcome = await carry_on(fleet.targets[2], fleet.small.world, told=True)

    assert outcome.proof
    assert fleet.small.current(fleet.targets[2]).startswith("made")
