"""The state database: transactions in a thread of its own, so that the event loop never waits for a disk.

* One thread, one connection, one transaction at a time: what a process asks is done in the order in which it was asked.
* Opening makes the file, and nothing else does. The first transaction brings the tables up to date (`store_upgrade`);
  where that fails the next tries again.
* Whatever goes wrong is an error of ours. A connection that broke is replaced by the next transaction.
* A transaction that was begun is seen through, even if nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from rotator.adapters.store_engines import READS, file_at, postgres_engine, shown, sqlite_engine
from rotator.adapters.store_errors import in_our_words
from rotator.adapters.store_upgrade import bring_up_to_date

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from rotator.adapters.store_engines import Password

Answer = TypeVar("Answer")


class Store:
    """One state database."""

    def __init__(self, url: str, password: Password | None = None) -> None:
        """Take a `sqlite` or a `postgresql` URL, and what reads its password. Nothing is opened yet."""
        self.name = shown(url)
        self._file = file_at(url)
        self._engine = sqlite_engine(self._file) if self._file else postgres_engine(url, password)
        self.on_one_machine = self._file is not None
        self._ready = False
        self._thread = ThreadPoolExecutor(1, "rotator-state")

    async def open(self) -> None:
        """Make what is not there and bring it up to date; `ConfigError` if it is not ours, or of a newer release."""
        await self._in_thread(self._make)

    async def read(self, work: Callable[[Connection], Answer]) -> Answer:
        """Return what `work` finds, all of it at one moment."""
        return await self._in_thread(partial(self._transact, work, reads=True))

    async def write(self, work: Callable[[Connection], Answer]) -> Answer:
        """Do `work` wholly or not at all."""
        return await self._in_thread(partial(self._transact, work, reads=False))

    async def aclose(self) -> None:
        """End the connection once what was asked is done. Closing it twice does no harm."""
        await asyncio.to_thread(self._thread.shutdown)
        self._engine.dispose()

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_our_words, work)

    def _in_our_words(self, work: Callable[[], Answer]) -> Answer:
        try:
            return work()
        except SQLAlchemyError as failure:
            raise in_our_words(self.name, failure) from failure

    def _transact(self, work: Callable[[Connection], Answer], *, reads: bool) -> Answer:
        self._get_ready()
        with self._engine.execution_options(**{READS: reads}).begin() as connection:
            return work(connection)

    def _make(self) -> None:
        if self._file:
            self._file.make()
        self._get_ready()

    def _get_ready(self) -> None:
        if self._ready:
            return
        bring_up_to_date(self._engine, self.name)
        self._ready = True
