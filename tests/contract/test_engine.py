"""The Engine port: in this process, and over PostgreSQL with two members. A pass is made once, by whoever is there."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.adapters.local_engine import LocalEngine
from rotator.adapters.postgres_engine import STALLED, PostgresEngine
from rotator.errors import StateError
from tests.postgres import Cluster, cluster_or_skip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rotator.ports import Engine

BEAT = timedelta(milliseconds=100)
SOON = 30.0  # seconds, on a busy machine

CHILD = """
import asyncio, sys
from datetime import timedelta
from rotator.adapters.postgres_engine import PostgresEngine

async def main():
    engine = PostgresEngine(sys.argv[1], at_once=1, heartbeat=timedelta(milliseconds=100))

    async def never_ends(name):
        print(name, flush=True)
        await asyncio.Event().wait()

    async with engine.serving(never_ends):
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with cluster_or_skip() as cluster:
        yield cluster


@pytest.fixture
def conninfo(cluster: Cluster) -> str:
    return cluster.new_database()


class Hands:
    """Who makes passes, and notes them. While `busy` is clear, a pass goes on."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.at: set[str] = set()
        self.most = 0
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def work(self, name: str) -> None:
        assert name not in self.at, "of one target one pass is under way"
        self.at.add(name)
        self.most = max(self.most, len(self.at))
        self.began.set()
        await self.may_end.wait()
        self.at.discard(name)
        self.made.append(name)


@pytest.fixture(params=["local", "postgres"])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    if request.param == "local":
        yield LocalEngine()
        return
    yield PostgresEngine(request.getfixturevalue("conninfo"), at_once=4, heartbeat=BEAT)


async def within(seconds: float, what: asyncio.Event) -> None:
    async with asyncio.timeout(seconds):
        await what.wait()


async def test_a_pass_is_made_and_has_ended_when_we_are_told(engine: Engine) -> None:
    hands = Hands()
    async with engine.serving(hands.work), asyncio.timeout(SOON):
        await engine.see_to("billing")

        assert hands.made == ["billing"]


async def test_many_passes_are_made_and_each_once(engine: Engine) -> None:
    hands, names = Hands(), [f"t{n}" for n in range(12)]
    async with engine.serving(hands.work), asyncio.timeout(SOON):
        await asyncio.gather(*(engine.see_to(name) for name in names))

    assert sorted(hands.made) == sorted(names)


async def test_members_share_the_work(conninfo: str) -> None:
    first, second = Hands(), Hands()
    one, other = (PostgresEngine(conninfo, at_once=1, heartbeat=BEAT) for _ in range(2))
    async with one.serving(first.work), other.serving(second.work), asyncio.timeout(SOON):
        first.may_end.clear()
        second.may_end.clear()
        passes = [asyncio.create_task(one.see_to(f"t{n}")) for n in range(4)]
        await within(SOON, first.began)
        await within(SOON, second.began)
        first.may_end.set()
        second.may_end.set()
        await asyncio.gather(*passes)

    assert sorted(first.made + second.made) == ["t0", "t1", "t2", "t3"]
    assert (first.most, second.most) == (1, 1)


async def test_what_several_ask_for_at_once_waits_once(conninfo: str) -> None:
    hands = Hands()
    engine = PostgresEngine(conninfo, at_once=1, heartbeat=BEAT)
    hands.may_end.clear()
    async with engine.serving(hands.work), asyncio.timeout(SOON):
        passes = [asyncio.create_task(engine.see_to("billing"))]
        await within(SOON, hands.began)
        passes += [asyncio.create_task(engine.see_to("billing")) for _ in range(5)]
        await asyncio.sleep(0.3)  # so that all of them have asked
        hands.may_end.set()
        await asyncio.gather(*passes)

    assert hands.made == ["billing", "billing"], "one that was under way, and one that came after"


async def test_what_a_dead_member_was_at_is_done_by_another(conninfo: str) -> None:
    hands = Hands()
    engine = PostgresEngine(conninfo, at_once=1, heartbeat=BEAT)
    argv = [sys.executable, "-c", CHILD, conninfo]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:  # noqa: ASYNC220 -- it ends at once
        async with AsyncExitStack() as around:
            asker = PostgresEngine(conninfo, at_once=1, heartbeat=BEAT)
            await around.enter_async_context(asker.serving(_hangs))
            # Whichever of the two has it: the asker's own hands are busy with another.
            busy = asyncio.create_task(asker.see_to("another"))
            await asyncio.sleep(0.3)
            wanted = asyncio.create_task(asker.see_to("billing"))
            assert child.stdout
            taken = await asyncio.to_thread(child.stdout.readline)
            assert taken.strip() in {"billing", "another"}
            os.kill(child.pid, signal.SIGKILL)
            await around.enter_async_context(engine.serving(hands.work))
            async with asyncio.timeout(STALLED.total_seconds() + SOON):
                await hands.began.wait()
            busy.cancel()
            wanted.cancel()
            await asyncio.gather(busy, wanted, return_exceptions=True)
        child.wait()
    assert taken.strip() in hands.made


async def test_while_its_database_is_away_it_says_so_and_goes_on_afterwards(cluster: Cluster, conninfo: str) -> None:
    hands = Hands()
    engine = PostgresEngine(conninfo, at_once=1, heartbeat=BEAT)
    async with engine.serving(hands.work), asyncio.timeout(60):
        await engine.see_to("before")
        cluster.stop()
        with pytest.raises(StateError) as told:
            await engine.see_to("meanwhile")
        assert "gives no answer" in str(told.value)
        cluster.start()
        while "after" not in hands.made:
            try:
                await engine.see_to("after")
            except StateError:
                await asyncio.sleep(0.1)

    assert hands.made[0] == "before"


async def test_it_ends_although_its_worker_fails_as_it_is_told_to_end(conninfo: str, cluster: Cluster) -> None:
    hands = Hands()
    engine = PostgresEngine(conninfo, at_once=1, heartbeat=timedelta(seconds=2))
    async with asyncio.timeout(SOON):
        async with engine.serving(hands.work):
            await engine.see_to("billing")
            name = conninfo.partition("@/")[2].partition("?")[0]
            await asyncio.to_thread(cluster.execute, "DROP TABLE procrastinate_workers CASCADE", name)

    assert hands.made == ["billing"]


async def test_without_its_database_it_does_not_begin(tmp_path_factory: pytest.TempPathFactory) -> None:
    engine = PostgresEngine("host=/nowhere user=rotator password=s3cr3t dbname=none", at_once=1, heartbeat=BEAT)
    with pytest.raises(StateError) as told:
        async with engine.serving(_hangs):
            raise AssertionError("it served")
    assert "s3cr3t" not in f"{told.value!r} {told.value.__cause__!r}"


async def _hangs(name: str) -> None:
    await asyncio.Event().wait()
