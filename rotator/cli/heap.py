"""When garbage is looked for: in what a command makes before it ends there is hardly any, and looking takes a while."""

from __future__ import annotations

import atexit
import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


IN_PASSING, FOR_YEARS = 100_000, 1_000  # objects made before garbage is looked for; the libraries alone make more


def seldom_collected() -> None:
    """Look for garbage seldom from now on, and not once more when the process ends."""
    gc.set_threshold(IN_PASSING)
    atexit.register(gc.freeze)


def collected_for_years() -> None:
    """Look for garbage often from now on, as a process that does not end must."""
    gc.set_threshold(FOR_YEARS)


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage in the block: it makes very many values, and keeps them."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
