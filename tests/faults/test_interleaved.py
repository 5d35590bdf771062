"""The promises where several processes work on one target at once, zombies among them, and no lease helps.

`ROTATOR_TEST_SEED` and `ROTATOR_TEST_INTERLEAVED` choose other schedules and more of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import bugs, scenes
from tests.faults.interleaved import Schedule, tell_together
from tests.faults.scenes import SCENES

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = int(os.environ.get("ROTATOR_TEST_SEED", "20261127"))
SCHEDULES = int(os.environ.get("ROTATOR_TEST_INTERLEAVED", "20100"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_processes_at_the_same_time(scene: Callable[[], scenes.Scene]) -> None:
    each = SCHEDULES // len(SCENES)
    broken, states = list[Schedule](), set[int]()
    for seed in range(SEED, SEED + each):
        told = tell_together(schedule := Schedule(scene, seed))
        states |= told.states
        if told.violations:
            broken.append(schedule)
    print(f"{scene.__name__}, together: {each} schedules, {len(broken)} violations, {len(states)} states, seed {SEED}")
    if broken:
        told = tell_together(broken[0])
        lines = [str(broken[0]), *told.lines, *(repr(violation) for violation in told.violations)]
        pytest.fail("\n".join(lines), pytrace=False)
    assert each


@pytest.mark.parametrize(
    ("bug", "scene"),
    [
        (bugs.staging_is_not_compared, scenes.expired),
        (bugs.what_the_log_once_said_is_gone_by, scenes.lagging_unwatched),
    ],
    ids=lambda value: value.__name__,
)
def test_what_a_lease_hid_is_found(
    bug: Callable[[Any], None], scene: Callable[[], scenes.Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    bug(monkeypatch)

    assert any(tell_together(Schedule(scene, seed)).violations for seed in range(400))


def test_a_schedule_told_twice_is_the_same() -> None:
    schedule = Schedule(scenes.expired, SEED)

    assert tell_together(schedule).lines == tell_together(schedule).lines
