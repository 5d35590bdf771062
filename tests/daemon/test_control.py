"""The control socket over a real socket and a real loop: who may ask, what is answered, and what is no request."""

from __future__ import annotations

import asyncio
import fcntl
import grp
import json
import os
import pwd
import socket
import stat
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.admission import Brake
from rotator.core.model import Mode, Policy
from rotator.daemon.control import AT_ONCE, Control
from rotator.daemon.desk import Endings, LoopDesk
from rotator.daemon.talk import LONGEST, VERSION, Request
from rotator.errors import ConfigError, SealedError
from tests.app.small_world import OLD, SmallWorld
from tests.app.test_orders import Written
from tests.daemon.post import Post

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, MutableMapping
    from pathlib import Path

    from rotator.app.rotate import Outcome
    from rotator.core.model import Target

SOON = 30.0  # seconds, on a busy machine
MOMENT = 0.005
ME = pwd.getpwuid(os.getuid()).pw_name


def told(outcome: Outcome, _: datetime, __: bool, force: bool) -> dict[str, Any]:
    steps = [type(step.action).__name__ for step in outcome.steps]
    return {"exit_code": 0, "ended": type(outcome.ending).__name__, "steps": steps, "force": force}


class Held:
    """Brakes that remember who released them."""

    def __init__(self, brake: Brake | None = None) -> None:
        self.held = brake
        self.released_by: list[str] = []

    async def brake(self) -> Brake | None:
        return self.held

    async def end_survey(self, found: Brake | None, at: datetime) -> None:
        self.held = found

    async def release(self, by: str, at: datetime) -> None:
        self.held = None
        self.released_by.append(by)


@dataclass
class Counter:
    """A daemon's loop with its control socket, and people at it."""

    small: SmallWorld
    path: Path
    post: Post
    endings: Endings
    brakes: Held | None = None
    within: float = 5.0
    control: Control = field(init=False)

    def __post_init__(self) -> None:
        member = self.post.state.member("daemon@here", {})
        brakes = self.brakes or member.brakes
        desk = LoopDesk(self.post.loop, self.post.wires, self.endings, self.small.clock, brakes, member.roster)
        self.control = Control(desk, told, within=self.within)

    async def send(self, line: bytes) -> list[dict[str, Any]]:
        """Send a line and return those that come back."""
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        writer.write(line)
        try:
            async with asyncio.timeout(SOON):
                said = (await reader.read()).decode()
        finally:
            writer.close()
        return [json.loads(each) for each in said.splitlines()]

    async def ask(self, command: str, *targets: str, **more: Any) -> list[dict[str, Any]]:
        """Send a request; return the lines but the last, which says that it was obeyed."""
        *lines, end = await self.send(Request(command, targets, **more).line())
        assert end == {"version": VERSION, "kind": "end", "exit_code": 0}
        return lines

    async def refused(self, command: str, *targets: str, **more: Any) -> dict[str, Any]:
        error, end = await self.send(Request(command, targets, **more).line())
        assert (error["kind"], end["exit_code"]) == ("error", error["exit_code"])
        return error


@asynccontextmanager
async def counter(
    small: SmallWorld, folder: Path, *targets: Target, brakes: Held | None = None, within: float = 5.0
) -> AsyncIterator[Counter]:
    endings = Endings()
    post = Post(small, targets or [small.settled()])
    post.tell.append(endings.passed)
    async with post:
        one = Counter(small, folder / "control.sock", post, endings, brakes, within)
        async with one.control.served(one.path, None):
            yield one


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def opened_to(folder: Path, mode: int) -> None:
    folder.chmod(mode)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not true():  # noqa: ASYNC110 -- of what others do there is no event
            await asyncio.sleep(MOMENT)


def paused(small: SmallWorld, target: Target) -> str:
    key = small.kv.keys[target.staging]
    return str(key.versions[key.current].fields.reveal()["pause"])


# --- the socket -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], ids=oct)
async def test_its_user_and_group_may_use_it_and_nobody_else(small: SmallWorld, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        async with counter(small, tmp_path) as desk:
            state = desk.path.stat()
            assert stat.S_ISSOCK(state.st_mode)
            assert (stat.S_IMODE(state.st_mode) & ~umask, state.st_uid) == (0o660 & ~umask, os.geteuid())
            assert stat.S_IMODE(state.st_mode) == 0o660
    finally:
        os.umask(before)


async def test_it_is_gone_in_the_end(small: SmallWorld, tmp_path: Path) -> None:
    async with counter(small, tmp_path) as desk:
        assert desk.path.exists()

    assert names_in(tmp_path) == []


async def test_another_s_socket_is_left_in_the_end(small: SmallWorld, tmp_path: Path) -> None:
    async with counter(small, tmp_path) as desk:
        desk.path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(desk.path))

    assert desk.path.exists()


async def test_what_a_dead_daemon_left_is_replaced(small: SmallWorld, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control.sock"))

    async with counter(small, tmp_path) as desk:
        assert await desk.ask("ping")


async def test_a_living_daemon_keeps_its_socket(small: SmallWorld, tmp_path: Path) -> None:
    async with counter(small, tmp_path) as first:
        with pytest.raises(ConfigError, match="another daemon answers there"):
            async with first.control.served(first.path, None):
                pass

        assert await first.ask("ping")


async def test_a_daemon_that_is_stopped_and_full_is_alive(small: SmallWorld, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with ExitStack() as open_sockets:
        frozen, *callers = [open_sockets.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(4)]
        frozen.bind(str(path))
        frozen.listen(0)
        for each in callers:
            each.setblocking(False)
            each.connect_ex(str(path))
        with pytest.raises(ConfigError, match="another daemon answers there"):
            async with counter(small, tmp_path):
                pass

    assert path.exists()


async def test_of_two_that_start_at_once_one_gets_it(small: SmallWorld, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        with pytest.raises(ConfigError, match="another daemon is about to"):
            async with counter(small, tmp_path):
                pass
    finally:
        os.close(folder)

    async with counter(small, tmp_path) as desk:
        assert await desk.ask("ping")


async def test_what_is_no_socket_is_left_alone(small: SmallWorld, tmp_path: Path) -> None:
    (tmp_path / "control.sock").write_text("a note")

    with pytest.raises(ConfigError, match="something else lies there"):
        async with counter(small, tmp_path):
            pass

    assert (tmp_path / "control.sock").read_text() == "a note"


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770], ids=oct)
async def test_where_others_may_write_it_does_not_listen(small: SmallWorld, tmp_path: Path, mode: int) -> None:
    opened_to(tmp_path, mode)

    with pytest.raises(ConfigError, match="others may write to its folder"):
        async with counter(small, tmp_path):
            pass

    assert names_in(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
async def test_where_another_user_owns_the_folder_it_does_not_listen(small: SmallWorld, tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, -1)

    with pytest.raises(ConfigError, match="others may write to its folder"):
        async with counter(small, tmp_path):
            pass


async def test_a_folder_that_is_not_there_is_made_for_its_user_alone(small: SmallWorld, tmp_path: Path) -> None:
    async with counter(small, tmp_path / "new" / "run") as desk:
        assert stat.S_IMODE(desk.path.parent.stat().st_mode) == 0o700


async def test_a_path_that_is_too_long_is_told_with_its_limit(small: SmallWorld, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="longer than 107 bytes"):
        async with counter(small, tmp_path / ("x" * 100)):
            pass


async def test_a_group_that_is_not_there_is_told_and_nothing_is_left(small: SmallWorld, tmp_path: Path) -> None:
    async with counter(small, tmp_path) as desk:
        other = tmp_path / "other.sock"
        with pytest.raises(ConfigError, match=r"control\.group: there is no group `nobody-has-this`"):
            async with desk.control.served(other, "nobody-has-this"):
                pass

        assert not other.exists()


async def test_the_socket_is_the_group_s(small: SmallWorld, tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgroups()[0] if os.geteuid() else 65534 if _has_group(65534) else 1)
    async with counter(small, tmp_path) as desk:
        other = tmp_path / "other.sock"
        async with desk.control.served(other, group.gr_name):
            assert other.stat().st_gid == group.gr_gid


def _has_group(number: int) -> bool:
    return any(each.gr_gid == number for each in grp.getgrall())


# --- what is no request -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n", "this is no line of JSON", id="HTTP"),
        pytest.param(b"\xff\xfe\x00\n", "this is no line of JSON", id="bytes"),
        pytest.param(b"[" * 50_000 + b"\n", "this is no line of JSON", id="a deep nest"),
        pytest.param(b"[]\n", "this is no request", id="a list"),
        pytest.param(b'{"command": "ping"}\n', "only version 1", id="no version"),
        pytest.param(b'{"version": 2, "command": "ping"}\n', "only version 1", id="a later version"),
        pytest.param(b'{"version": 1}\n', "a request has `command`", id="no command"),
        pytest.param(b'{"version": 1, "command": "ping", "x": 1}\n', "a request has `command`", id="a strange key"),
        pytest.param(b'{"version": 1, "command": 7}\n', "`command` is of a wrong type", id="a number for a name"),
        pytest.param(b'{"version": 1, "command": "ping", "order": 1}\n', "`order` is of a wrong type", id="a number"),
        pytest.param(b'{"version": 1, "command": "ping", "targets": "a"}\n', "must be a list", id="a name for a list"),
        pytest.param(b'{"version": 1, "command": "ping", "targets": [1]}\n', "must be a list", id="numbers for names"),
        pytest.param(b"x" * (LONGEST + 10) + b"\n", "at most 64 KiB", id="too much"),
        pytest.param(b"x" * (LONGEST * 3), "at most 64 KiB", id="too much, and no end"),
    ],
)
async def test_what_is_no_request_is_answered_with_why(
    small: SmallWorld, tmp_path: Path, line: bytes, said: str
) -> None:
    async with counter(small, tmp_path) as desk:
        error, end = await desk.send(line)

        assert said in error["message"]
        assert (error["kind"], end["kind"], end["exit_code"]) == ("error", "end", 2)
        assert await desk.ask("ping"), "others are answered on"


async def test_a_command_that_nobody_knows_is_refused(small: SmallWorld, tmp_path: Path) -> None:
    async with counter(small, tmp_path) as desk:
        error = await desk.refused("destroy", "billing")

        assert "knows no such command" in error["message"]
        assert error["exit_code"] == 2


@pytest.mark.parametrize("command", ["pause", "resume", "rotate", "status"])
async def test_a_target_that_there_is_not_is_named_with_what_was_meant(
    small: SmallWorld, tmp_path: Path, command: str
) -> None:
    async with counter(small, tmp_path) as desk:
        error = await desk.refused(command, "biling")

        assert error["message"] == "there is no target 'biling'; did you mean `billing`?"
        assert error["error"]["kind"] == "ConfigError"


@pytest.mark.parametrize("command", ["pause", "resume", "rotate"])
@pytest.mark.parametrize("everything", [True, False])
async def test_neither_nobody_nor_some_and_all_are_meant(
    small: SmallWorld, tmp_path: Path, command: str, everything: bool
) -> None:
    async with counter(small, tmp_path) as desk:
        error = await desk.refused(command, *(["billing"] if everything else []), everything=everything)

        assert error["message"] == "name the targets, or all of them"


async def test_who_is_silent_is_let_go_and_stops_nobody(small: SmallWorld, tmp_path: Path) -> None:
    async with counter(small, tmp_path, within=0.1) as desk:
        reader, writer = await asyncio.open_unix_connection(str(desk.path))
        assert await desk.ask("ping")

        assert await asyncio.wait_for(reader.read(), SOON) == b""
        writer.close()


async def test_who_leaves_before_asking_is_no_matter(
    small: SmallWorld, tmp_path: Path, log: list[MutableMapping[str, Any]]
) -> None:
    async with counter(small, tmp_path) as desk:
        _, writer = await asyncio.open_unix_connection(str(desk.path))
        writer.write(b'{"version"')
        writer.close()
        await writer.wait_closed()

        assert await desk.ask("ping")
    assert [event["event"] for event in log if event["log_level"] in {"warning", "error"}] == []


async def test_who_does_not_read_is_let_go(small: SmallWorld, tmp_path: Path) -> None:
    targets = [small.settled(f"t{n}", app_id=f"0oa{n}") for n in range(3000)]
    async with counter(small, tmp_path, targets[0], within=0.2) as desk:
        desk.post.loop._pulse.targets.update({each.name: each for each in targets})
        desk.post.loop._pulse.entries.update({each.name: desk.post.entry("t0") for each in targets})
        with socket.socket(socket.AF_UNIX) as slow:
            slow.setblocking(False)
            await asyncio.get_running_loop().sock_connect(slow, str(desk.path))
            await asyncio.get_running_loop().sock_sendall(slow, Request("status").line())
            await until(lambda: bool(desk.control._open))
            await until(lambda: not desk.control._open)


async def test_so_many_at_once_and_no_more(small: SmallWorld, tmp_path: Path) -> None:
    async with counter(small, tmp_path) as desk:
        idle = [await asyncio.open_unix_connection(str(desk.path)) for _ in range(AT_ONCE)]
        await until(lambda: len(desk.control._open) == AT_ONCE)

        error, end = await desk.send(Request("ping").line())

        assert "too many ask" in error["message"]
        assert end["exit_code"] == 2
        for _, writer in idle:
            writer.close()


# --- ping and status --------------------------------------------------------------------------------------------


async def test_status_tells_what_the_daemon_knows_and_asks_nobody(small: SmallWorld, tmp_path: Path) -> None:
    target = small.settled()
    async with counter(small, tmp_path, target) as desk:
        asked = len(desk.post.wires.okta["acme"].asked)
        daemon, one = await desk.ask("status")

        assert len(desk.post.wires.okta["acme"].asked) == asked
    assert (daemon["kind"], daemon["pid"], daemon["brake"], daemon["stopping"]) == ("daemon", os.getpid(), None, False)
    assert [side["kind"] for side in daemon["sides"]] == ["state"]
    assert (one["target"], one["app_id"], one["state"], one["under_way"]) == ("billing", "0oa1", "resting", False)
    assert one["secret"]["created"] == (small.clock.now()).isoformat()
    assert one["next"]["waiting"] == "next rotation"


async def test_status_tells_of_those_that_are_named(small: SmallWorld, tmp_path: Path) -> None:
    targets = [small.settled(f"t{n}", app_id=f"0oa{n}") for n in range(3)]
    async with counter(small, tmp_path, *targets) as desk:
        _, *some = await desk.ask("status", "t2", "0oa0")

    assert [each["target"] for each in some] == ["t2", "t0"]


async def test_status_tells_who_is_away(small: SmallWorld, tmp_path: Path) -> None:
    async with counter(small, tmp_path) as desk:
        desk.post.wires.kv.error = SealedError("Vault is sealed")
        desk.post.loop.wake(["billing"])
        await desk.post.settle()
        daemon, one = await desk.ask("status")

    assert [
        (side["alias"], side["condition"], side["detail"]) for side in daemon["sides"] if side["kind"] == "vault"
    ] == [("main", "sealed", "Vault is sealed")]
    assert one["state"] == "held"


async def test_status_tells_of_the_brake_and_release_lifts_it(small: SmallWorld, tmp_path: Path) -> None:
    brakes = Held(Brake(datetime(2026, 1, 1, tzinfo=UTC), "a new state database"))
    async with counter(small, tmp_path, brakes=brakes) as desk:
        daemon, _ = await desk.ask("status")
        assert daemon["brake"]["why"] == "a new state database"

        await desk.ask("release")

        daemon, _ = await desk.ask("status")
        assert (daemon["brake"], brakes.released_by) == (None, [ME])
        await desk.post.settle()
        assert desk.post.passes() == 1, "who was not held back is left alone"


async def test_a_pause_holds_from_the_daemon_s_next_look_on_which_is_now(small: SmallWorld, tmp_path: Path) -> None:
    target = small.settled()
    async with counter(small, tmp_path, target) as desk:
        (line,) = await desk.ask("pause", "billing", reason="change freeze")
        await desk.post.settle()

        assert line["before"] is None
        assert (
            line["now"] == paused(small, target) == f"change freeze (by {ME}, {small.clock.now():%Y-%m-%d %H:%M} UTC)"
        )
        assert desk.post.vitals.target("billing").state.value == "paused"

        (line,) = await desk.ask("resume", "billing")
        await desk.post.settle()

        assert (line["now"], paused(small, target)) == (None, "")
        assert desk.post.vitals.target("billing").state.value == "resting"


async def test_all_are_paused_each_by_itself(small: SmallWorld, tmp_path: Path) -> None:
    targets = [small.settled(f"t{n}", app_id=f"0oa{n}") for n in range(3)]
    small.kv.by_hand.put(targets[1].staging, {"state": "elsewhere"})
    async with counter(small, tmp_path, *targets) as desk:
        lines = {line["target"]: line for line in await desk.ask("pause", everything=True)}

    assert {name: line["exit_code"] for name, line in lines.items()} == {"t0": 0, "t1": 1, "t2": 0}
    assert (lines["t1"]["error"]["code"], "record unreadable" in lines["t1"]["message"]) == ("blocked", True)
    assert paused(small, targets[2])


async def test_a_reason_that_is_none_is_refused_before_anything_is_written(small: SmallWorld, tmp_path: Path) -> None:
    target = small.settled()
    async with counter(small, tmp_path, target) as desk:
        error = await desk.refused("pause", "billing", reason="two\nlines")

    assert "one line" in error["message"]
    assert target.staging not in small.kv.keys


async def test_two_ask_at_once_and_both_are_answered(small: SmallWorld, tmp_path: Path) -> None:
    target = small.settled()
    async with counter(small, tmp_path, target) as desk:
        (first,), (second,) = await asyncio.gather(
            desk.ask("pause", "billing", reason="one"), desk.ask("pause", "billing", reason="two")
        )

    assert first["now"] == second["now"] == paused(small, target)
    assert sorted(each["before"] is None for each in (first, second)) == [False, True]


async def test_who_leaves_has_it_done_all_the_same(small: SmallWorld, tmp_path: Path) -> None:
    target = small.settled()
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def hold(name: str) -> None:
        if name == "write":
            reached.set()
            await go_on.wait()

    async with counter(small, tmp_path, target) as desk:
        desk.post.wires.kv.meanwhile = hold
        _, writer = await asyncio.open_unix_connection(str(desk.path))
        writer.write(Request("pause", ("billing",)).line())
        await asyncio.wait_for(reached.wait(), SOON)
        writer.transport.abort()
        go_on.set()
        await desk.post.settle()
        await desk.ask("ping")

    assert paused(small, target)


# --- rotate -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("force", [True, False])
async def test_a_young_secret_is_rotated_by_force_alone(small: SmallWorld, tmp_path: Path, force: bool) -> None:
    target = small.settled()
    async with counter(small, tmp_path, target) as desk:
        (line,) = await desk.ask("rotate", "billing", order="now" if force else "")

    assert (line["ended"], line["force"], "Promote" in line["steps"]) == ("Rest", force, force)
    assert (small.current(target) != OLD) is force


async def test_what_only_waits_to_be_told_is_rotated(small: SmallWorld, tmp_path: Path) -> None:
    target = replace(small.settled(age=100), policy=Policy(mode=Mode.MANUAL))
    async with counter(small, tmp_path, target) as desk:
        assert small.current(target) == OLD

        (line,) = await desk.ask("rotate", "billing")

    assert "Promote" in line["steps"]


async def test_it_is_asked_for_once(small: SmallWorld, tmp_path: Path) -> None:
    target = small.settled()
    async with counter(small, tmp_path, target) as desk:
        await desk.ask("rotate", "billing", order="now")
        first = small.current(target)
        desk.post.loop.wake(["billing"])
        await desk.post.settle()

    assert small.current(target) == first


async def test_the_pass_that_counts_begins_after_the_question(small: SmallWorld, tmp_path: Path) -> None:
    target = small.settled()
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def hold(name: str) -> None:
        reached.set()
        await go_on.wait()

    async with counter(small, tmp_path, target) as desk:
        desk.post.wires.okta["acme"].meanwhile = hold
        desk.post.loop.wake(["billing"])
        await asyncio.wait_for(reached.wait(), SOON)
        asking = asyncio.create_task(desk.ask("rotate", "billing", order="now"))
        await until(lambda: bool(desk.control._open))
        go_on.set()
        (line,) = await asking

    assert "Promote" in line["steps"]


async def test_what_takes_longer_is_told_and_goes_on(small: SmallWorld, tmp_path: Path) -> None:
    target = small.settled()
    go_on = asyncio.Event()

    async def hold(name: str) -> None:
        await go_on.wait()

    async with counter(small, tmp_path, target) as desk:
        desk.post.wires.okta["acme"].meanwhile = hold
        (line,) = await desk.ask("rotate", "billing", order="now", wait=0.1)
        assert (line["exit_code"], line["error"]["kind"]) == (4, "BusyError")
        assert "the daemon goes on with it" in line["message"]
        go_on.set()
        await desk.post.settle()

    assert small.current(target) != OLD


async def test_a_target_that_is_held_is_not_waited_for(small: SmallWorld, tmp_path: Path) -> None:
    async with counter(small, tmp_path) as desk:
        desk.post.wires.kv.error = SealedError("Vault is sealed")
        desk.post.loop.wake(["billing"])
        await desk.post.settle()
        (line,) = await desk.ask("rotate", "billing", order="now")

    assert (line["exit_code"], line["message"]) == (5, "billing waits for vault main: sealed")


async def test_a_target_that_another_process_works_on_is_asked_for_again(small: SmallWorld, tmp_path: Path) -> None:
    target = small.settled()
    async with counter(small, tmp_path, target) as desk:
        small.leases.now.add("billing")
        asking = asyncio.create_task(desk.ask("rotate", "billing", order="now"))
        await until(lambda: desk.post.passes() == 2)
        small.leases.now.discard("billing")
        (line,) = await asking

    assert "Promote" in line["steps"]


async def test_while_it_stops_nothing_is_begun(small: SmallWorld, tmp_path: Path) -> None:
    async with counter(small, tmp_path) as desk:
        desk.post.loop._pulse.stopping = True
        (line,) = await desk.ask("rotate", "billing", order="now")

    assert (line["message"], line["error"]["code"]) == ("the daemon is stopping", "stopping")


async def test_in_the_end_whoever_still_waits_is_let_go(small: SmallWorld, tmp_path: Path) -> None:
    async def hold(name: str) -> None:
        await asyncio.Event().wait()

    async with counter(small, tmp_path) as desk:
        desk.post.wires.okta["acme"].meanwhile = hold
        reader, writer = await asyncio.open_unix_connection(str(desk.path))
        writer.write(Request("rotate", ("billing",), order="now").line())
        await until(lambda: bool(desk.control._open))
    assert await asyncio.wait_for(reader.read(), SOON) == b"", "cut off, without an end"
    writer.close()


# --- who asked --------------------------------------------------------------------------------------------------


async def test_the_log_says_who_asked_for_what(
    small: SmallWorld, tmp_path: Path, log: list[MutableMapping[str, Any]]
) -> None:
    async with counter(small, tmp_path) as desk:
        await desk.ask("pause", "billing")
        await desk.refused("destroy", "billing")

    answered, refused = [event for event in log if event["event"].startswith("command_")]
    who = {"by": ME, "uid": os.getuid(), "pid": os.getpid(), "targets": ["billing"]}
    assert answered.items() >= {"event": "command_answered", "command": "pause", "failed": 0, **who}.items()
    assert refused.items() >= {"event": "command_refused", "command": "destroy", **who}.items()


async def test_what_a_rotation_does_is_written_down_of_whoever_asked_and_no_longer(
    small: SmallWorld, tmp_path: Path
) -> None:
    journal = Written()
    small.world = replace(small.world, journal=journal)
    async with counter(small, tmp_path) as desk:
        await desk.ask("rotate", "billing", order="now")
        asked = {actor for _, actor, _ in journal.rows}
        journal.rows.clear()
        small.clock.advance(timedelta(days=8))
        desk.post.loop.wake(["billing"])
        await desk.post.settle()

    assert asked == {ME}
    assert {actor for _, actor, _ in journal.rows} == {"rotator"}


async def test_a_fault_of_ours_cuts_the_answer_off_and_is_logged(
    small: SmallWorld, tmp_path: Path, log: list[MutableMapping[str, Any]]
) -> None:
    class Broken(Held):
        async def brake(self) -> Brake | None:
            raise KeyError("a value that nobody may see")

    async with counter(small, tmp_path, brakes=Broken()) as desk:
        assert await desk.send(Request("status").line()) == []
        assert await desk.ask("ping")

    assert [event["error"] for event in log if event["event"] == "command_failed"] == ["KeyError"]


async def test_a_fault_of_ours_with_one_target_is_said_of_that_one_without_its_text(
    small: SmallWorld, tmp_path: Path
) -> None:
    targets = [small.settled(f"t{n}", app_id=f"0oa{n}") for n in range(2)]
    async with counter(small, tmp_path, *targets) as desk:
        small.flaky_kv.fail("read_metadata", ValueError("a value that nobody may see"))
        lines = {line["target"]: line for line in await desk.ask("pause", everything=True)}

    assert {name: line["exit_code"] for name, line in lines.items()} == {"t0": 1, "t1": 0}
    assert "a fault of this program: ValueError in" in lines["t0"]["message"]
    assert "nobody may see" not in json.dumps(lines)


async def test_nothing_secret_is_said(small: SmallWorld, tmp_path: Path) -> None:
    target = small.settled(age=100)
    async with counter(small, tmp_path, target) as desk:
        said = [
            await desk.ask("status"),
            await desk.ask("rotate", "billing", order="now"),
            await desk.ask("pause", "billing"),
            await desk.ask("resume", "billing"),
        ]

    assert [value for value in (OLD, small.current(target)) if value in json.dumps(said)] == []
