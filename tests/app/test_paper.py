"""An effect on paper: its two rows, and the requests that it took, also where it failed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from rotator.app.paper import on_paper
from rotator.core import requests
from rotator.core.history import Deed, Ended, Upshot
from rotator.core.model import AppId
from rotator.errors import ConflictError, RotatorError, UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DEED = Deed("billing", "acme", AppId("0oa1"), "Promote", datetime(2026, 11, 27, tzinfo=UTC), "alice")


class Written:
    """A journal in memory."""

    def __init__(self) -> None:
        self.ends: list[tuple[int | None, Ended, str | None]] = []

    async def begins(self, deed: Deed) -> int:
        assert deed is DEED
        return 7

    async def ended(
        self, number: int | None, deed: Deed, how: Ended, detail: str, *, request_id: str | None = None
    ) -> None:
        assert deed.step == DEED.step
        assert detail
        self.ends.append((number, how, request_id))


def fails_with(error: RotatorError) -> Callable[[], Awaitable[Upshot]]:
    async def work() -> Upshot:
        requests.note("r1")
        requests.note("r2")
        raise error

    return work


async def test_what_is_done_has_its_requests() -> None:
    journal = Written()

    async def work() -> Upshot:
        requests.note("r1")
        return Upshot("done")

    assert (await on_paper(journal, DEED, work)).detail == "done"
    assert journal.ends == [(7, Ended.DONE, "r1")]


@pytest.mark.parametrize(
    ("error", "how"), [(ConflictError("no"), Ended.NOT_DONE), (UnknownOutcomeError("lost"), Ended.UNKNOWN)]
)
async def test_so_has_what_failed(error: RotatorError, how: Ended) -> None:
    journal = Written()

    with pytest.raises(type(error)):
        await on_paper(journal, DEED, fails_with(error))

    assert journal.ends == [(7, how, "r1, r2")]
