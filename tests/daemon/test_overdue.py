"""Five hundred targets that fall due while nobody is there: in which order they are rotated, how fast, at what cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from rotator.core.admission import Limits, may_begin_within
from rotator.core.agenda import Pace
from rotator.core.model import AppId, Mode, Policy, Wave
from rotator.core.schedule import DAYS, Window
from rotator.core.secret_value import SecretValue
from tests.app.small_world import OTHER, SmallWorld
from tests.daemon.post import Post, released

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.model import Target
    from tests.fakes.okta import HeldSecret

MANY, REVOKED = 500, 8
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WINDOW = Window(frozenset(DAYS), time(11, 30), time(13), "UTC")
WAVE = Wave(canary=1, size=20, spacing=5 * MINUTE)
POLICY = Policy("prod", Mode.AUTO, wave=WAVE, windows=(WINDOW,))
PACE = Pace(tick=MINUTE, resync=7 * DAY)  # the System Log tells what else there is
LISTS = 2  # of an app's secrets, for each target: at its turn, and all else that waiting for it costs


class Backlog:
    """A service that was stopped for a day, in which all its targets fell due, and some were revoked."""

    def __init__(self, small: SmallWorld) -> None:
        self.small = small
        self.state = released(small)
        decide = partial(may_begin_within, Limits())
        small.world = replace(small.world, gate=self.state.member("daemon@here", {}, decide=decide).gate)
        self.targets = [self._target(n) for n in range(MANY)]
        self.revoked = self.targets[40::60][:REVOKED]
        self.lists = 0

    def _target(self, n: int) -> Target:
        """Add one, a minute younger than the one before, and named in another order."""
        name = f"t{n * 7 % MANY:03}"
        target = self.small.settled(name, app_id=f"0oa{n}")
        self.small.clock.advance(MINUTE)
        return replace(target, policy=POLICY)

    async def stopped_for_a_day(self) -> None:
        """Know them all, and be stopped until each of them is due."""
        small = self.small
        small.clock.advance(POLICY.rotate_after - MANY * MINUTE - HOUR)
        async with Post(small, self.targets, state=self.state, pace=PACE) as post:
            assert len(post.outcomes) == MANY
            assert self.made() == []
        small.clock.advance(DAY)
        small.okta.shows_values = False  # so that none of somebody's can be adopted
        for target in self.revoked:
            with small.okta.by("somebody") as theirs:
                first = small.okta.held(target.app_id)[0]
                await theirs.create_secret(AppId(target.app_id), SecretValue(OTHER))
                await theirs.deactivate_secret(AppId(target.app_id), first.id)

    async def until_all_are_rotated(self) -> None:
        """Let the minutes go by; nights in a few steps."""
        async with Post(self.small, self.targets, state=self.state, pace=PACE) as post:
            post.loop.wake([target.name for target in self.revoked])  # as the System Log tells
            for _ in range(600):
                if sum(begun.good is True for begun in self.state.rotations) == MANY:
                    break
                soon = self.small.clock.now() + HOUR
                by_day = WINDOW.since <= soon.time() <= time(14)
                await post.tick(MINUTE if by_day else HOUR)
            self.lists = post.wires.okta["acme"].asked.count("list_secrets")

    def made(self) -> list[tuple[HeldSecret, Target]]:
        """Return the secrets that we made, in the order in which Okta got them, and whose they are."""
        found = [
            (secret, target)
            for target in self.targets
            for secret in self.small.okta.held(target.app_id)
            if secret.value.reveal().startswith("made")
        ]
        return sorted(found, key=lambda each: each[0].id)

    def waves(self) -> dict[datetime, list[Target]]:
        """Return who was rotated when, without the revoked ones."""
        waves: dict[datetime, list[Target]] = {}
        for secret, target in self.made()[REVOKED:]:
            waves.setdefault(secret.created, []).append(target)
        return waves


async def test_what_fell_due_meanwhile_is_rotated_by_urgency_in_waves_and_in_the_window(small: SmallWorld) -> None:
    backlog = Backlog(small)
    await backlog.stopped_for_a_day()
    began = small.clock.now()
    await backlog.until_all_are_rotated()

    first = backlog.made()[:REVOKED]
    assert {target.name for _, target in first} == {target.name for target in backlog.revoked}
    assert max(secret.created for secret, _ in first) <= began + PACE.tick

    waves = backlog.waves()
    times = list(waves)
    waited = [target for target in backlog.targets if target not in backlog.revoked]  # the longest overdue first
    for wave in waves.values():
        assert {target.name for target in wave} == {target.name for target in waited[: len(wave)]}
        del waited[: len(wave)]
    assert waited == []
    assert [len(wave) for wave in waves.values()][:2] == [WAVE.canary, WAVE.size]
    assert max(len(wave) for wave in waves.values()) <= WAVE.size
    assert all(later - earlier >= WAVE.spacing for earlier, later in pairwise(times))
    assert all(POLICY.calendar.is_open(at) for at in times)
    assert {at.date() for at in times} > {times[0].date()}  # what did not fit in waited for the next day's window
    assert backlog.lists <= LISTS * MANY
