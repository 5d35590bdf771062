"""Which requests an effect has made: the vendors' own ids of them, for the audit and for their support. Pure.

The adapters note them as answers to writes come; whoever carries out the effect collects them.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 100  # characters of an id; theirs have 20 to 40
_NOTED: ContextVar[list[str] | None] = ContextVar("requests", default=None)


def note(request_id: object) -> None:
    """Note the id of a request, if it has one and somebody collects them."""
    noted = _NOTED.get()
    if noted is not None and isinstance(request_id, str) and request_id:
        noted.append(request_id[:LONGEST])


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collect what is noted in the block, in order."""
    noted: list[str] = []
    before = _NOTED.set(noted)
    try:
        yield noted
    finally:
        _NOTED.reset(before)
