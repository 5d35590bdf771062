"""The bell, the signals and systemd's socket, each by itself and for real."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.daemon.bell import Bell
from rotator.daemon.signals import HEARD, Asked, hearing
from rotator.daemon.systemd import Systemd
from rotator.daemon.vitals import Pulse, Vitals
from tests.fakes.okta import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOMENT = timedelta(milliseconds=40)


# --- the bell -------------------------------------------------------------------------------------------------


async def test_the_bell_ticks_again_and_again() -> None:
    bell = Bell(MOMENT)
    async with bell.ringing():
        for _ in range(3):
            await asyncio.wait_for(bell.wait(), 30)

    assert bell.ticks == 3


async def test_what_rang_while_nobody_waited_counts_once() -> None:
    bell = Bell(timedelta(hours=1))
    bell.ring()
    bell.ring()
    await asyncio.wait_for(bell.wait(), 30)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bell.wait(), 0.02)


async def test_the_bell_rings_at_a_due_time_which_is_no_tick() -> None:
    bell = Bell(timedelta(hours=1))
    async with bell.ringing():
        bell.wake_at(datetime.now(UTC) + timedelta(hours=1))
        bell.wake_at(datetime.now(UTC) + MOMENT)
        await asyncio.wait_for(bell.wait(), 30)

    assert bell.ticks == 0


async def test_a_due_time_that_has_passed_rings_at_once() -> None:
    bell = Bell(timedelta(hours=1))
    async with bell.ringing():
        bell.wake_at(datetime.now(UTC) - timedelta(days=1))
        await asyncio.wait_for(bell.wait(), 30)


async def test_after_a_clock_was_put_back_the_bell_ticks_again_within_three_ticks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from apscheduler.schedulers import base
    from apscheduler.triggers import interval

    class PutBack(datetime):
        back = timedelta(0)

        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # noqa: ARG003
            return datetime.now(UTC) - cls.back

    monkeypatch.setattr(base, "datetime", PutBack)
    monkeypatch.setattr(interval, "datetime", PutBack)
    bell = Bell(MOMENT)
    async with bell.ringing():
        await asyncio.wait_for(bell.wait(), 30)
        PutBack.back = timedelta(hours=1)
        ticks = bell.ticks
        async with asyncio.timeout(30):
            while bell.ticks < ticks + 2:
                await bell.wait()


async def test_a_loop_that_was_blocked_hears_the_bell_late_and_once() -> None:
    bell = Bell(MOMENT)
    async with bell.ringing():
        os.system("sleep 0.3")  # noqa: ASYNC221 -- blocking the loop is the point
        await asyncio.wait_for(bell.wait(), 30)
        assert bell.ticks == 1


async def test_after_its_time_the_bell_is_silent_and_leaves_no_task_behind() -> None:
    bell = Bell(MOMENT)
    async with bell.ringing():
        await bell.wait()

    assert asyncio.all_tasks() == {asyncio.current_task()}
    ticks = bell.ticks
    await asyncio.sleep(3 * MOMENT.total_seconds())
    assert bell.ticks == ticks


# --- signals --------------------------------------------------------------------------------------------------


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in HEARD}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def test_signals_leave_word_and_ring(handlers: None) -> None:
    asked, bell = Asked(), Bell(timedelta(hours=1))
    with hearing(asked, bell.ring):
        for number, word in ((signal.SIGHUP, "reload"), (signal.SIGUSR1, "status"), (signal.SIGTERM, "stop")):
            os.kill(os.getpid(), number)
            await asyncio.wait_for(bell.wait(), 30)
            assert getattr(asked, word)

    assert (asked.stop_by, asked.at_once.is_set(), asked.exit_code) == (signal.SIGTERM, False, 0)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param((), 0, id="none"),
        pytest.param((signal.SIGTERM,), 0, id="SIGTERM"),
        pytest.param((signal.SIGINT,), 130, id="SIGINT"),
        pytest.param((signal.SIGTERM, signal.SIGTERM), 143, id="two SIGTERMs"),
        pytest.param((signal.SIGINT, signal.SIGTERM), 130, id="SIGINT, then SIGTERM"),
    ],
)
async def test_the_exit_code_tells_how_it_was_stopped(
    handlers: None, sent: tuple[signal.Signals, ...], code: int
) -> None:
    asked = Asked()
    with hearing(asked, lambda: None):
        for number in sent:
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.01)

    assert (asked.exit_code, asked.at_once.is_set()) == (code, len(sent) == 2)


@pytest.mark.parametrize("twice", [False, True], ids=["on the way out", "after the second word to stop"])
async def test_every_handler_is_as_it_was(handlers: None, twice: bool) -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    before, asked = {number: signal.getsignal(number) for number in HEARD}, Asked()
    with hearing(asked, lambda: None):
        for _ in range(2 if twice else 0):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.01)
        inside = signal.getsignal(signal.SIGUSR1)

    assert (inside is signal.SIG_IGN) is twice
    assert {number: signal.getsignal(number) for number in HEARD} == before


# --- systemd --------------------------------------------------------------------------------------------------


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@rotator-test-{os.getpid()}-{id(request)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name.replace("@", "\0") if request.param == "abstract" else name)
        heard.setblocking(False)
        yield heard, name


def messages(heard: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(heard.recv(4096).decode())
        except BlockingIOError:
            return found


def vitals(age: float | None = 0.0) -> Vitals:
    now = [100.0]
    pulse = Pulse(NOON, timedelta(seconds=10), monotonic=lambda: now[0])
    if age is not None:
        pulse.tick_finished(NOON)
        now[0] += age
    return Vitals(pulse)


def test_systemd_hears_how_the_daemon_is(listener: tuple[socket.socket, str]) -> None:
    heard, name = listener
    systemd = Systemd({"NOTIFY_SOCKET": name})

    systemd.ready()
    systemd.reloading()
    systemd.stopping()

    ready, reloading, stopping = messages(heard)
    assert (ready, stopping) == ("READY=1", "STOPPING=1")
    first, _, usec = reloading.partition("\nMONOTONIC_USEC=")
    assert (first, usec.isdecimal()) == ("RELOADING=1", True)


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nobody/here"}])
def test_where_nobody_listens_nothing_happens(environ: dict[str, str]) -> None:
    Systemd(environ).ready()


@pytest.mark.parametrize(
    ("age", "pid", "beats"),
    [
        pytest.param(0.0, None, True, id="while ticks finish"),
        pytest.param(0.0, str(os.getpid()), True, id="when it is meant for us"),
        pytest.param(0.0, "1", False, id="not when it is meant for another process"),
        pytest.param(36.0, None, False, id="not when they have ceased"),
    ],
)
async def test_the_watchdog_is_fed(
    listener: tuple[socket.socket, str], age: float, pid: str | None, beats: bool
) -> None:
    heard, name = listener
    environ = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "40000"} | ({"WATCHDOG_PID": pid} if pid else {})
    task = asyncio.create_task(Systemd(environ).feed_watchdog(vitals(age)))
    await asyncio.sleep(0.1)
    task.cancel()

    found = messages(heard)
    assert (len(found) >= 3 and set(found) == {"WATCHDOG=1"}) if beats else not found


@pytest.mark.parametrize(
    ("age", "alive"), [(0.0, True), (34.0, True), (36.0, False)], ids=["now", "three ticks ago", "longer ago"]
)
def test_alive_means_that_ticks_finish(age: float, alive: bool) -> None:
    assert vitals(age).alive is alive
