"""Five hundred targets that fell due while nobody was there: in which order they are rotated, how fast, at what cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from rotator.core.admission import Limits, may_begin_within
from rotator.core.model import Mode, Policy, Wave
from rotator.core.schedule import DAYS, Calendar, Window
from tests.app.small_world import SmallWorld
from tests.daemon.post import Post, released

if TYPE_CHECKING:
    from rotator.core.model import Target
    from tests.fakes.state import FakeState

MANY, REVOKED = 500, 8
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WINDOW = Window(frozenset(DAYS), time(9), time(11), "UTC")
WAVE = Wave(canary=1, size=20, spacing=5 * MINUTE)
POLICY = Policy("prod", Mode.AUTO, wave=WAVE, windows=(WINDOW,))


class Counted:
    """The apps of an org, and how often their secrets were listed."""

    def __init__(self, inner: object) -> None:
        self._inner = inner
        self.lists: Counter[str] = Counter()

    def __getattr__(self, name: str) -> object:
        if name == "list_secrets":
            return self._list_secrets
        return getattr(self._inner, name)

    async def _list_secrets(self, app: str) -> object:
        self.lists[app] += 1
        return await self._inner.list_secrets(app)  # type: ignore[attr-defined]


async def test_what_fell_due_in_a_day_is_rotated_by_urgency_in_waves_and_in_the_window(small: SmallWorld) -> None:
    targets = [replace(small.settled(f"t{n:03}", app_id=f"0oa{n}"), policy=POLICY) for n in range(MANY)]
    print(small.clock.now())
