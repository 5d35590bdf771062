"""Every call that arrived, in the order of arrival: what was asked, whether it was applied, what was answered.

* A call gets its number before anything is done with it, so a call that is never answered is in the journal too.
* `applied` says that the emulator saw it; it may still have refused it (then `status` tells).
* `status` is None as long as no answer was sent: not yet, or never.
* Calls to the control endpoint are not in the journal.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

Field = Literal["service", "method", "path", "kind", "bucket", "status", "fault"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `kind` is what was asked in a word or two ("kv.write"); `bucket` is the rate limit it fell into."""

    n: int
    at: datetime
    service: str
    method: str
    path: str
    query: str = ""
    kind: str = ""
    bucket: str | None = None
    applied: bool = False
    status: int | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls are meant; a None means any. `path` is a pattern in which `*` also spans slashes."""

    service: str | None = None
    method: str | None = None
    path: str = "*"
    kind: str = "*"
    bucket: str | None = None

    def fits(self, call: Call) -> bool:
        """Tell whether the call is one of them."""
        return (
            self.service in (None, call.service)
            and self.method in (None, call.method)
            and self.bucket in (None, call.bucket)
            and fnmatchcase(call.path, self.path)
            and fnmatchcase(call.kind, self.kind)
        )


ANY = Wanted()


class Journal:
    """The calls so far. Safe to read from any thread while the sandbox runs."""

    def __init__(self) -> None:
        """Start empty."""
        self._calls: list[Call] = []
        self._changed = threading.Condition()

    def arrived(self, call: Call) -> Call:
        """Note a call that arrived, and give it its number."""
        with self._changed:
            numbered = replace(call, n=len(self._calls) + 1)
            self._calls.append(numbered)
            self._changed.notify_all()
        return numbered

    def note(self, n: int, *, applied: bool | None = None, status: int | None = None, fault: str | None = None) -> None:
        """Note what became of call `n`; what is left out stays as it was."""
        with self._changed:
            call = self._calls[n - 1]
            self._calls[n - 1] = replace(
                call,
                applied=call.applied if applied is None else applied,
                status=status or call.status,
                fault=fault or call.fault,
            )
            self._changed.notify_all()

    def mark(self) -> int:
        """Return where the journal stands now, for `since`."""
        with self._changed:
            return len(self._calls)

    def calls(self, wanted: Wanted = ANY, *, since: int = 0) -> tuple[Call, ...]:
        """Return the calls after the mark that are wanted."""
        with self._changed:
            return tuple(call for call in self._calls[since:] if wanted.fits(call))

    def count(self, wanted: Wanted = ANY, *, since: int = 0) -> int:
        """Count the calls after the mark that are wanted."""
        return len(self.calls(wanted, since=since))

    def tally(self, by: Field = "kind", *, wanted: Wanted = ANY, since: int = 0) -> Counter[str]:
        """Count them by one field, as "none" where it has no value."""
        return Counter(str(getattr(call, by)).replace("None", "none") for call in self.calls(wanted, since=since))

    def wait_until(self, holds: Callable[[tuple[Call, ...]], bool], *, within: float = 30.0) -> tuple[Call, ...]:
        """Wait until the calls so far satisfy `holds`, and return them; TimeoutError if they do not in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: holds(tuple(self._calls)), timeout=within):
                raise TimeoutError(f"the journal did not get there within {within} s: {len(self._calls)} calls")
            return tuple(self._calls)
