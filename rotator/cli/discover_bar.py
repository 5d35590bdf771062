"""What `rotator discover` tells while it asks, on stderr: what it will cost, how far it is, when it will be done.

* The bar moves by what was asked; its end is told by Okta's budget alone, by the figures of the last answer.
* Without a terminal there is no bar.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rotator.cli.report import age
from rotator.core.inventory import cost_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, timedelta

    from rotator.core.budget import Window
    from rotator.core.inventory import Cost, Entry


def cost_in_words(org: str, entries: Sequence[Entry], cost: Cost, now: datetime) -> str:
    """Return in one line what asking about an org's apps takes, and what of them is known already."""
    known = [entry.holding.asked_at for entry in entries if entry.holding]
    before = f"; known of {len(known)}, asked up to {age(now - min(known))} ago" if known else ""
    apps = f"{org}: {len(entries)} apps with client secrets{before}"
    if not cost.listings:
        return f"{apps}; nothing is to be asked."
    calls = f"{cost.listings} calls, each with an entry in Okta's log, and {cost.queries} or more log queries"
    return f"{apps}. To be asked: {calls}; {pace_in_words(cost)}."


def pace_in_words(cost: Cost) -> str:
    """Return how fast it goes, and how long it takes."""
    pace = "Okta tells of no limit" if cost.each_minute is None else f"{cost.each_minute} a minute are ours"
    return f"{pace}, about {span(cost.takes)}"


def span(length: timedelta) -> str:
    """Return a length of time for people who wait."""
    seconds = length.total_seconds()
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


@contextmanager
def bar(
    org: str, total: int, *, window: Callable[[], Window | None], share: float, now: Callable[[], datetime]
) -> Iterator[Callable[[Entry], None]]:
    """Show how far it is, where a person watches; return what is told of each app that was asked."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    left = total

    def pace() -> str:
        return pace_in_words(cost_of(left, window(), share=share, now=now()))

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    told = TextColumn("{task.fields[pace]}", markup=False)
    with Progress(*columns, told, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(org, total=total, pace=pace())

        def asked(_: Entry) -> None:
            nonlocal left
            left -= 1
            progress.update(task, advance=1, pace=pace() if left else "")

        yield asked
