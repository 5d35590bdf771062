"""The control socket: what operators ask of the running daemon, and what it answers.

* Whoever reaches the socket may ask everything; the file system says who does. Who asked is the kernel's word
  (SO_PEERCRED), and stands in the log and in what is written down of it.
* One request for each connection: a line that comes soon and is short. A few connections at a time; whoever reads the
  answer too slowly loses it. What was begun for somebody who left is finished all the same.
* What is no command, or cannot be done, is answered with an error; never with a traceback, never with a secret.
* The loop goes on meanwhile. What a rotation takes longer than it is waited for, the daemon goes on with.
"""

from __future__ import annotations

import asyncio
import pwd
import socket
import struct
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from rotator import __version__
from rotator.app.orders import approve, checked_reason, pause, reclaim, resume, retire
from rotator.app.reconcile import each
from rotator.app.rollback import rollback
from rotator.core.model import OrderMode
from rotator.daemon.control_socket import listening
from rotator.daemon.standing import names_of, standing_of, told_of_daemon, told_of_error, told_of_rollback
from rotator.daemon.talk import DAEMON, END, ERROR, LONGEST, TARGET, NoRequestError, Request, read_request, written
from rotator.errors import ConfigError, RotatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from rotator.app.observe import World
    from rotator.app.orders import Ordered, Pause
    from rotator.app.rotate import Outcome
    from rotator.core.admission import Brake
    from rotator.core.model import Target
    from rotator.daemon.vitals import Vitals

    Told = Callable[[Outcome, datetime, bool, bool], dict[str, Any]]  # an outcome for programs: was it told to, forced
    Say = Callable[[dict[str, Any]], Awaitable[None]]

log = structlog.get_logger()

WITHIN = 5.0  # seconds for a request to come, and for a line of the answer to be taken
AT_ONCE = 16
AT_A_TIME = 4  # records that are written
LONGEST_WAIT = 3600.0  # seconds for rotations
NAMED_IN_THE_LOG = 20


class Desk(Protocol):
    """Protocol: what the daemon does for whoever asks."""

    @property
    def vitals(self) -> Vitals:
        """How the daemon is."""
        ...

    def named(self, names: Sequence[str]) -> tuple[Target, ...]:
        """Return the targets of these names or app ids; `ConfigError` names the unknown."""
        ...

    def world(self, target: Target) -> World:
        """Return the target's ports."""
        ...

    def wake(self, names: Iterable[str]) -> None:
        """Have these targets looked at now."""
        ...

    async def rotate(self, name: str, *, by: str, order: OrderMode | None, within: float) -> Outcome:
        """Rotate as `rotator rotate` does, and return how it ended; `BusyError` if it goes on after so many seconds."""
        ...

    async def look(self, name: str, *, within: float) -> Outcome | None:
        """Look at it now, and return how that ended; None if it goes on after so many seconds."""
        ...

    async def brake(self) -> Brake | None:
        """Return why everything only observes; None if it does not."""
        ...

    async def release(self, by: str) -> None:
        """Let everything go on that a brake or a breaker holds back."""
        ...

    async def let_in(self, names: Sequence[str]) -> frozenset[str]:
        """Have newcomers of selections do what their policy says; return whom that changed."""
        ...


@dataclass(frozen=True, slots=True)
class Peer:
    """Who asks, as the kernel says."""

    pid: int
    uid: int

    @property
    def name(self) -> str:
        """The name of the user; the number where there is none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid {self.uid}"


@dataclass(slots=True)
class Control:
    """Answers what comes over the socket."""

    desk: Desk
    told: Told
    within: float = WITHIN
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def served(self, path: Path, group: str | None) -> AsyncIterator[None]:
        """Answer at that path while the context lasts; `ConfigError` if nobody may listen there."""
        with listening(path, group) as listener:
            server = await asyncio.start_unix_server(self._accept, sock=listener, limit=LONGEST)
            try:
                yield
            finally:
                server.close()
                for task in self._open:
                    task.cancel()
                await asyncio.gather(*self._open, return_exceptions=True)
                await server.wait_closed()

    # --- one connection -----------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._attend(reader, _Answer(writer, self.within)))
        self._open.add(task)
        await asyncio.wait({task})  # not awaited itself: asyncio 3.11 complains of a connection that is cancelled
        self._open.discard(task)
        writer.transport.abort()
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("command_failed", error=type(fault).__name__, exc_info=fault)

    async def _attend(self, reader: asyncio.StreamReader, answer: _Answer) -> None:
        if len(self._open) > AT_ONCE:
            await answer.refuse("too many ask at the same time; ask again")
            return
        try:
            async with asyncio.timeout(self.within):
                request = read_request(await reader.readuntil())
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):  # the asker's own affair
            return
        except asyncio.LimitOverrunError:
            await answer.refuse(f"a request is one line of at most {LONGEST // 1024} KiB")
            return
        except NoRequestError as problem:
            await answer.refuse(str(problem))
            return
        await self._answer(request, answer)

    async def _answer(self, request: Request, answer: _Answer) -> None:
        peer = _peer_of(answer.writer)
        names = list(request.targets[:NAMED_IN_THE_LOG])
        who = {"command": request.command[:NAMED_IN_THE_LOG], "by": peer.name, "uid": peer.uid, "pid": peer.pid}
        who |= {"targets": names, "everything": request.everything}
        try:
            failed = await self._obey(request, peer, answer.say)
        except RotatorError as error:
            log.warning("command_refused", **who, detail=str(error))
            await answer.say({"kind": ERROR, **told_of_error(error)})
            await answer.end(error.exit_code)
            return
        log.info("command_answered", **who, failed=failed)
        await answer.end(0)

    # --- commands -----------------------------------------------------------------------------------------

    async def _obey(self, request: Request, peer: Peer, say: Say) -> int:
        """Do what is asked, and return for how many targets it did not end well."""
        match request.command:
            case "ping":
                await say({"kind": DAEMON, **told_of_daemon(self.desk.vitals)})
                return 0
            case "status":
                return await self._status(request, say)
            case "wake":
                self.desk.wake(target.name for target in self._meant(request))
                return 0
            case "pause":
                return await self._pause(request, peer, say)
            case "resume":
                return await self._resume(request, peer, say)
            case "release":
                return await self._release(peer, say)
            case "rotate":
                return await self._rotate(request, peer, say)
            case "approve" | "retire" | "reclaim":
                return await self._order(request, peer, say)
            case "rollback":
                return await self._roll_back(request, peer, say)
        raise ConfigError([f"the daemon (version {__version__}) knows no such command; it may be older than yours"])

    def _meant(self, request: Request) -> tuple[Target, ...]:
        if request.everything == bool(request.targets):
            raise ConfigError(["name the targets, or all of them"])
        if request.everything:
            return tuple(one.target for one in self.desk.vitals.targets())
        return self.desk.named(request.targets)

    async def _status(self, request: Request, say: Say) -> int:
        vitals = self.desk.vitals
        brake = await self.desk.brake()
        targets = self.desk.named(request.targets) if request.targets else None
        held = {"since": brake.since.isoformat(), "why": brake.why, "hint": brake.hint} if brake else None
        await say({"kind": DAEMON, **told_of_daemon(vitals), "brake": held})
        shown = vitals.targets() if targets is None else [vitals.target(each.name) for each in targets]
        for one in shown:
            await say({"kind": TARGET, **standing_of(one)})
        return 0

    async def _pause(self, request: Request, peer: Peer, say: Say) -> int:
        reason = checked_reason(request.reason)
        return await self._write(
            self._meant(request), lambda target: pause(target, self._world(target, peer), reason=reason), say
        )

    async def _resume(self, request: Request, peer: Peer, say: Say) -> int:
        let_in = await self.desk.let_in(request.targets)
        return await self._write(
            self._meant(request), lambda target: resume(target, self._world(target, peer)), say, let_in=let_in
        )

    async def _write(
        self,
        targets: Sequence[Target],
        work: Callable[[Target], Awaitable[Pause]],
        say: Say,
        *,
        let_in: frozenset[str] = frozenset(),
    ) -> int:
        """Write each target's record, then look at those whose pause has changed."""

        async def one(target: Target) -> dict[str, Any]:
            done = await work(target)
            self.desk.wake([target.name])
            return {"before": done.before, "now": done.now, "let_in": target.name in let_in, "exit_code": 0}

        return await _each(targets, one, say)

    async def _release(self, peer: Peer, say: Say) -> int:
        await self.desk.release(peer.name)
        await say({"kind": DAEMON, **told_of_daemon(self.desk.vitals)})
        return 0

    async def _rotate(self, request: Request, peer: Peer, say: Say) -> int:
        order = order_of(request)

        async def one(target: Target) -> dict[str, Any]:
            within = max(0.0, min(LONGEST_WAIT, request.wait))
            outcome = await self.desk.rotate(target.name, by=peer.name, order=order, within=within)
            return self.told(outcome, self.desk.world(target).clock.now(), True, order is not None)

        targets = self._meant(request)
        return await _each(targets, one, say, at_once=max(1, len(targets)))

    async def _order(self, request: Request, peer: Peer, say: Say) -> int:
        """Write an order down, and make the pass that carries it out."""

        async def one(target: Target) -> dict[str, Any]:
            ordered = await _ordered(request, target, self._world(target, peer))
            within = max(0.0, min(LONGEST_WAIT, request.wait))
            outcome = await self.desk.look(target.name, within=within)
            now = self.desk.world(target).clock.now()
            told = self.told(outcome, now, False, False) if outcome else {"exit_code": 0}
            return {**told, "ordered": ordered.detail}

        return await _each(self._meant(request), one, say)

    async def _roll_back(self, request: Request, peer: Peer, say: Say) -> int:
        async def one(target: Target) -> dict[str, Any]:
            done = await rollback(target, self._world(target, peer))
            self.desk.wake([target.name])
            return {**told_of_rollback(done), "exit_code": 0}

        return await _each(self._meant(request), one, say)

    def _world(self, target: Target, peer: Peer) -> World:
        return replace(self.desk.world(target), actor=peer.name)


class _Answer:
    """The lines that go back."""

    def __init__(self, writer: asyncio.StreamWriter, within: float) -> None:
        self.writer = writer
        self._within = within
        self._gone = False

    async def say(self, fields: dict[str, Any]) -> None:
        """Send a line, unless whoever asked has left: what was asked is seen through all the same."""
        if self._gone:
            return
        self.writer.write(written(fields))
        try:
            async with asyncio.timeout(self._within):
                await self.writer.drain()
        except (ConnectionError, TimeoutError):
            self._gone = True
            self.writer.transport.abort()

    async def refuse(self, text: str) -> None:
        """Say what is wrong with what was sent."""
        await self.say({"kind": ERROR, **told_of_error(ConfigError([text]))})
        await self.end(ConfigError.exit_code)

    async def end(self, code: int) -> None:
        """Say that this was all."""
        await self.say({"kind": END, "exit_code": code})
        if not self._gone:
            self.writer.close()
            with suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(self._within):
                    await self.writer.wait_closed()


async def _each(
    targets: Sequence[Target],
    work: Callable[[Target], Awaitable[dict[str, Any]]],
    say: Say,
    *,
    at_once: int = AT_A_TIME,
) -> int:
    """Do `work` for each target and say what came of it as it comes; return how many did not end with 0."""
    said: set[str] = set()

    async def tell(target: Target, fields: dict[str, Any]) -> dict[str, Any]:
        said.add(target.name)
        await say({"kind": TARGET, **names_of(target), **fields})
        return fields

    async def one(target: Target) -> dict[str, Any]:
        try:
            return await tell(target, await work(target))
        except RotatorError as error:
            await tell(target, told_of_error(error))
            raise

    ended = await each(targets, one, failed=lambda _, error: told_of_error(error), at_once=at_once)
    for target, fields in zip(targets, ended, strict=True):
        if target.name not in said:  # not even tried, or a fault of ours
            await tell(target, fields)
    return sum(fields["exit_code"] != 0 for fields in ended)


async def _ordered(request: Request, target: Target, world: World) -> Ordered:
    match request.command:
        case "approve":
            return await approve(target, world)
        case "retire":
            return await retire(target, world, secret_id=request.secret or None)
    return await reclaim(target, world, request.secret)


def order_of(request: Request) -> OrderMode | None:
    """Return how pressing a rotation was ordered; `ConfigError` where there is no such word."""
    if not request.order:
        return None
    try:
        return OrderMode(request.order)
    except ValueError:
        raise ConfigError(["there is no such order; the daemon may be older than the command"]) from None


def _peer_of(writer: asyncio.StreamWriter) -> Peer:
    connection: socket.socket = writer.get_extra_info("socket")
    form = struct.Struct("3i")  # pid, uid, gid
    pid, uid, _ = form.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size))
    return Peer(pid, uid)
