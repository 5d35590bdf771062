"""When calls go out: in turn, in time or not at all, and never busily. Okta's side is the sandbox's own count."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest

from rotator.adapters.okta_pace import OktaPace, in_time
from rotator.core.budget import Haste, Share, in_haste
from rotator.errors import RateLimitedError
from rotator.sandbox.okta_limits import RateLimits
from rotator.sandbox.okta_settings import OktaSettings
from tests.fakes.okta import NOON, ManualClock

SECRETS = "/api/v1/apps/0oa1/credentials/secrets"
APP = "/api/v1/apps/0oa1"
IMPATIENT = Haste(waits=timedelta(seconds=30))
URGENT = Haste(Share.URGENT)


@dataclass
class Bench:
    """Callers before the pace of one org, on a clock that runs only while somebody sleeps."""

    clock: ManualClock = field(default_factory=ManualClock)
    limits: RateLimits = field(default_factory=lambda: RateLimits(OktaSettings(plan="integrator")))
    went: list[str] = field(default_factory=list)
    naps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pace = OktaPace("acme.okta.com", self.clock, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        for _ in range(20):  # whoever can go on goes on
            await asyncio.sleep(0)
        self.clock.advance(timedelta(seconds=seconds))

    async def call(self, name: str, path: str = SECRETS, *, how: Haste | None = None, takes: int = 1) -> None:
        with in_haste(how or Haste()):
            async with self.pace.turn(path) as turn:
                self.went.append(name)
                for _ in range(takes):
                    await asyncio.sleep(0)
                verdict = self.limits.admit("apps" if path == SECRETS else "app", "us", self.clock.now())
                date = ("date", format_datetime(self.clock.now(), usegmt=True))
                turn.answered(200 if verdict.allowed else 429, dict([*verdict.headers, date]))

    async def use_up(self) -> None:
        """Use our routine share of the window: four of ten."""
        for _ in range(4):
            await self.call("-")
        self.went.clear()

    @property
    def seconds(self) -> float:
        return (self.clock.now() - NOON).total_seconds()

    @property
    def refused(self) -> int:
        return sum(self.limits.refused.values())


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_who_came_first_goes_first_window_after_window(bench: Bench) -> None:
    names = [str(n) for n in range(30)]

    await asyncio.gather(*(bench.call(name, how=Haste(waits=timedelta(hours=1))) for name in names))

    assert bench.went == names
    assert bench.refused == 0
    assert 7 * 60 <= bench.seconds <= 7 * 62


async def test_nobody_wakes_while_there_is_nothing_to_do(bench: Bench) -> None:
    await asyncio.gather(*(bench.call(str(n), how=Haste(waits=timedelta(hours=1))) for n in range(30)))

    assert len(bench.naps) <= 2 * 8  # once while the last call of a window is under way, and once after it


async def test_a_few_calls_go_at_once(bench: Bench) -> None:
    """What a command for one target needs: one to learn the limit, the others without a pause."""
    for name in ("list", "create", "list again"):
        await bench.call(name)

    assert (bench.seconds, bench.naps) == (0, [])


async def test_what_is_urgent_goes_before_what_has_waited_longer(bench: Bench) -> None:
    await bench.use_up()

    await asyncio.gather(bench.call("expired"), bench.call("revoked", how=URGENT), bench.call("retiring"))

    assert bench.went == ["revoked", "expired", "retiring"]
    assert bench.refused == 0


async def test_what_is_urgent_goes_at_once_where_the_others_wait(bench: Bench) -> None:
    await bench.use_up()

    await bench.call("revoked", how=URGENT)

    assert bench.seconds == 0


async def test_a_call_that_cannot_go_in_time_is_not_sent_and_says_when_to_come_back(bench: Bench) -> None:
    await bench.use_up()

    with pytest.raises(RateLimitedError, match="our share of the rate limit of /api/v1/apps") as early:
        await bench.call("impatient", how=IMPATIENT)

    assert early.value.retry_at is not None
    assert 60 <= (early.value.retry_at - NOON).total_seconds() <= 61
    assert (bench.went, bench.naps) == ([], [])


async def test_whoever_stands_behind_another_has_no_more_patience_for_it(bench: Bench) -> None:
    await bench.use_up()
    first = asyncio.create_task(bench.call("patient"))
    await asyncio.sleep(0)

    with pytest.raises(RateLimitedError):
        await bench.call("impatient", how=IMPATIENT)
    await first

    assert bench.went == ["patient"]


async def test_impatience_is_no_reason_not_to_go_where_there_is_room(bench: Bench) -> None:
    await asyncio.gather(*(bench.call(str(n), how=Haste(waits=timedelta(0)), takes=5) for n in range(3)))

    assert bench.went == ["0", "1", "2"]


async def test_whoever_is_cancelled_leaves_the_line_to_the_others(bench: Bench) -> None:
    await bench.use_up()
    tasks = [asyncio.create_task(bench.call(name)) for name in ("first", "second", "third")]
    await asyncio.sleep(0)

    tasks[0].cancel()
    tasks[1].cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(end) for end in ended] == [asyncio.CancelledError, asyncio.CancelledError, type(None)]
    assert bench.went == ["third"]


async def test_whoever_is_cancelled_sleeps_no_longer(bench: Bench) -> None:
    async def sleep_for_ever(_: float) -> None:
        await asyncio.Event().wait()

    bench.pace = OktaPace("acme.okta.com", bench.clock, sleep=sleep_for_ever)
    await bench.use_up()
    waiting = asyncio.create_task(bench.call("never"))
    await asyncio.sleep(0.01)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_call_that_is_lost_lets_the_next_go(bench: Bench) -> None:
    async def lose() -> None:
        async with bench.pace.turn(SECRETS):
            await asyncio.sleep(0)
            raise OSError

    ended = await asyncio.gather(lose(), bench.call("next"), return_exceptions=True)

    assert [type(end) for end in ended] == [OSError, type(None)]
    assert (bench.went, bench.seconds) == (["next"], 0)


async def test_a_call_that_is_cancelled_under_way_is_not_counted_for_ever(bench: Bench) -> None:
    async def hang() -> None:
        async with bench.pace.turn(SECRETS):
            await asyncio.sleep(60)

    hanging = asyncio.create_task(hang())
    await asyncio.sleep(0)
    hanging.cancel()

    await bench.call("next")

    assert (bench.went, bench.seconds) == (["next"], 0)


async def test_a_bucket_that_is_used_up_holds_up_no_other(bench: Bench) -> None:
    await bench.use_up()

    await bench.call("app", APP)

    assert (bench.went, bench.seconds) == (["app"], 0)


async def test_after_a_refusal_the_line_waits_together(bench: Bench) -> None:
    """Two of three are refused as too many at once; what is sent meanwhile is sent one by one, after a pause."""
    bench.limits.concurrent = 2

    await asyncio.gather(*(bench.call(str(n)) for n in range(5)))

    assert (bench.went, bench.refused) == (["0", "1", "2", "3", "4"], 2)
    assert 0.5 + 1 <= sum(bench.naps[:2]) <= 1 + 2


async def test_the_wait_for_a_turn_is_not_counted_against_the_time_for_an_answer(bench: Bench) -> None:
    async def sleep_for_real(seconds: float) -> None:
        await asyncio.sleep(0.1)
        bench.clock.advance(timedelta(seconds=seconds))

    bench.pace = OktaPace("acme.okta.com", bench.clock, sleep=sleep_for_real)
    await bench.use_up()

    async with in_time(timedelta(seconds=0.05)):
        await bench.call("waited")

    assert bench.went == ["waited"]
    with pytest.raises(TimeoutError):
        async with in_time(timedelta(seconds=0.05)), bench.pace.turn(SECRETS):
            await asyncio.sleep(5)
    assert bench.refused == 0


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        pytest.param(NOON - timedelta(days=400), timedelta(days=400), id="ours has jumped ahead"),
        pytest.param(NOON + timedelta(hours=1), timedelta(hours=-1), id="theirs is ahead"),
        pytest.param(None, timedelta(0), id="it does not say"),
    ],
)
async def test_it_is_known_how_far_our_clock_is_ahead(bench: Bench, date: datetime | None, ahead: timedelta) -> None:
    async with bench.pace.turn(SECRETS) as turn:
        turn.answered(200, {"date": format_datetime(date, usegmt=True)} if date else {})

    assert bench.pace.ahead == ahead
