"""The Engine port for several processes: procrastinate's jobs on PostgreSQL, which any member takes.

* A job is "make a pass over that target": it carries a name and nothing else, and may be lost or done twice without
  harm. Safety rests on the lease and its fence, on compare-and-set, and on removals by id; never on the queue.
* Of one target one job waits (`queueing_lock`) and one is under way (`lock`).
* Who dies in the middle of a job shows by its heartbeat; the job is then free for the others within seconds.
* Jobs that have ended are removed at once: the queue holds what is under way and what waits, nothing else.
* While the database is away nobody works; the worker begins anew when it is back. That a job has ended is told until it
  is heard: one that seems to go on for ever, at a member that lives, would bar its target.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

import psycopg
import psycopg_pool
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException, UniqueViolation
from procrastinate.jobs import DeleteJobCondition, Job, Status
from procrastinate.manager import JobManager

from rotator.errors import StateError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from rotator.core.secret_value import SecretValue

    Password = Callable[[], SecretValue]

TASK = "rotator.pass"
HEARTBEAT = timedelta(seconds=2)
STALLED = timedelta(seconds=8)  # without a heartbeat: its job is given to others
LOOK = timedelta(seconds=1)  # how often we ask which jobs of others have ended
AGAIN = timedelta(seconds=2)  # after the worker was cut off from its database
POOL = 6
_SCHEMA_LOCK = 0x726F7461746F72  # "rotator": one member at a time makes the queue's tables

QUIET = ("procrastinate", "psycopg.pool")  # they tell of every job, and of every try to connect

_NO_ANSWER = (psycopg.OperationalError, psycopg_pool.PoolTimeout, OSError)
_AWAY: tuple[type[Exception], ...] = (ConnectorException, psycopg.Error, psycopg_pool.PoolTimeout, OSError)

log = logging.getLogger("procrastinate")


class _Jobs(JobManager):
    """Procrastinate's own, but that a job has ended is told as often as it takes."""

    closing = False

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """Say that the job has ended."""
        while not self.closing:
            try:
                await super().finish_job(job, status, delete_job)
            except _AWAY as error:
                if not isinstance(error.__cause__ or error, _NO_ANSWER):  # it was freed meanwhile, or its table is gone
                    return
                await asyncio.sleep(AGAIN.total_seconds())
            else:
                return


class PostgresEngine:
    """Has passes made by whichever member takes them."""

    def __init__(
        self, url: str, password: Password | None = None, *, at_once: int, heartbeat: timedelta = HEARTBEAT
    ) -> None:
        """Take a `postgresql` URL and what reads its password; `at_once` passes at most are made here."""
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.ERROR)
        self._url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._password = password
        self._at_once = at_once
        self._heartbeat = heartbeat.total_seconds()
        self._stalled = heartbeat.total_seconds() * (STALLED / HEARTBEAT)
        self._awaited: dict[int, asyncio.Event] = {}  # jobs of ours that have not ended, by number
        self._work: Callable[[str], Awaitable[None]] | None = None
        connector = PsycopgConnector(
            conninfo=self._url,
            connection_class=self._connection_class(),
            min_size=1,
            max_size=POOL,
            timeout=5,
            kwargs={"connect_timeout": 5, "application_name": "rotator"},
        )
        self._app = App(connector=connector)
        self._app.job_manager = self._jobs = _Jobs(connector)
        self._task = self._app.task(name=TASK, pass_context=True)(self._make)

    @asynccontextmanager
    async def serving(self, work: Callable[[str], Awaitable[None]]) -> AsyncIterator[None]:
        """Make passes by `work` while the context lasts, whoever asked for them."""
        self._work = work
        with _told():
            await self._open()
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(self._serve(), name="jobs"),
                    tasks.create_task(self._repeat(self._free_stalled, self._heartbeat), name="stalled jobs"),
                    tasks.create_task(self._repeat(self._find_ended, LOOK.total_seconds()), name="ended jobs"),
                ]
                try:
                    yield
                finally:
                    self._jobs.closing = True
                    for task in beside:
                        task.cancel()
        finally:
            await self._app.close_async()

    async def see_to(self, target: str) -> None:
        """Queue a pass over the target, if none is queued yet, and return when it has ended."""
        with _told():
            number = await self._queued(target)
        if number is None:  # it has been taken meanwhile: what it finds is news enough
            return
        try:
            await self._awaited.setdefault(number, asyncio.Event()).wait()
        finally:
            self._awaited.pop(number, None)

    async def _queued(self, target: str) -> int | None:
        try:
            deferrer = self._task.configure(lock=target, queueing_lock=target)
            return await deferrer.defer_async(target=target)
        except AlreadyEnqueued:
            waiting = await self._app.job_manager.list_jobs_async(queueing_lock=target, status=Status.TODO.value)
            return next((job.id for job in waiting), None)

    async def _make(self, context: JobContext, *, target: str) -> None:
        """Make a pass that somebody asked for. The job's own function."""
        assert self._work
        try:
            await self._work(target)
        finally:
            if context.job.id in self._awaited:
                self._awaited[context.job.id].set()

    async def _open(self) -> None:
        """Make the queue's tables if there are none, and connect."""
        # First by a connection of our own: the pool would try for half a minute.
        connection = self._connection_class()
        async with await connection.connect(self._url, autocommit=True, connect_timeout=5) as own:
            await own.execute("SELECT pg_advisory_lock(%s)", [_SCHEMA_LOCK])  # ends with the connection
            await self._app.open_async()
            if not await self._app.check_connection_async():
                await self._app.schema_manager.apply_schema_async()

    def _connection_class(self) -> type[psycopg.AsyncConnection[Any]]:
        """Return connections that read the password when they are made: its file may be replaced."""
        password = self._password

        class Connection(psycopg.AsyncConnection[Any]):
            @classmethod
            async def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
                given = {} if password is None else {"password": password().reveal()}
                return await super().connect(conninfo, **{**kwargs, **given})

        return Connection

    async def _serve(self) -> None:
        """Work, and begin anew whenever the worker was cut off.

        Cancelling alone does not end it: the worker ends by its own error where both come at the same time.
        """
        while not self._jobs.closing:
            try:
                await self._open()  # the database may be another one since
                await self._app.run_worker_async(
                    concurrency=self._at_once,
                    install_signal_handlers=False,
                    delete_jobs=DeleteJobCondition.ALWAYS,
                    fetch_job_polling_interval=self._heartbeat,
                    update_heartbeat_interval=self._heartbeat,
                    stalled_worker_timeout=self._stalled,
                    shutdown_graceful_timeout=0.0,
                )
            except _AWAY:
                log.debug("the worker was cut off from its database")
            await asyncio.sleep(AGAIN.total_seconds())

    async def _free_stalled(self) -> None:
        """Have the jobs of the dead done by others."""
        manager = self._app.job_manager
        for job in await manager.get_stalled_jobs(task_name=TASK, seconds_since_heartbeat=self._stalled):
            try:
                await manager.retry_job(job)
            except (AlreadyEnqueued, UniqueViolation):  # the same pass waits already
                await manager.finish_job(job, Status.FAILED, delete_job=True)

    async def _find_ended(self) -> None:
        """Find out which of the jobs that we wait for others have ended."""
        if not self._awaited:
            return
        numbers = list(self._awaited)
        rows = await self._app.connector.execute_query_all_async(
            "SELECT id FROM procrastinate_jobs WHERE id = ANY(%(numbers)s)", numbers=numbers
        )
        there = {row["id"] for row in rows}
        for number in numbers:
            if number not in there and number in self._awaited:
                self._awaited[number].set()

    async def _repeat(self, what: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            try:
                await what()
            except _AWAY:
                log.debug("the queue gives no answer")
            await asyncio.sleep(seconds)


@contextmanager
def _told() -> Iterator[None]:
    """Let what goes wrong at the database be one of our errors; its own text may name the password."""
    try:
        yield
    except _AWAY as error:
        raise StateError(f"the queue on PostgreSQL gives no answer ({_kind(error)})") from None


def _kind(error: Exception) -> str:
    cause: Any = error.__cause__ or error
    return type(cause).__name__
