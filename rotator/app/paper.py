"""An effect on paper: a row of the audit before it, and one after it that says how it ended.

* Where the row before it cannot be written the effect does not begin.
* The requests that it took stand in the row after it, also where it failed or nobody knows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rotator.core.history import Ended, Upshot
from rotator.core.requests import collected
from rotator.errors import RotatorError, UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rotator.core.history import Deed
    from rotator.core.model import KvPath, RotationId, SecretId
    from rotator.ports import Journal


async def on_paper(
    journal: Journal,
    deed: Deed,
    work: Callable[[], Awaitable[Upshot]],
    *,
    rotation: Callable[[], RotationId | None] | None = None,
) -> Upshot:
    """Do the work between its two rows. `rotation`: asked afterwards, where the work itself begins one."""
    number = await journal.begins(deed)
    with collected() as requests:
        try:
            upshot = await work()
        except RotatorError as error:
            how = Ended.UNKNOWN if isinstance(error, UnknownOutcomeError) else Ended.NOT_DONE
            await journal.ended(number, deed, how, str(error), request_id=error.request_id or _listed(requests))
            raise
    await note(journal, number, replace(deed, rotation=rotation()) if rotation else deed, upshot, requests)
    return upshot


async def note(journal: Journal, number: int | None, deed: Deed, upshot: Upshot, requests: Sequence[str] = ()) -> None:
    """Write the row that says what came of it; without a number it is a proof, which has no row before it."""
    known = replace(
        deed, secret=upshot.secret or deed.secret, path=upshot.path, version=upshot.version, proof=upshot.proof
    )
    await journal.ended(number, known, Ended.DONE, upshot.detail, request_id=upshot.request_id or _listed(requests))


def wrote(path: KvPath, version: int, *, why: str = "", secret: SecretId | None = None) -> Upshot:
    """Return what came of writing a version in Vault."""
    detail = f"{path} version {version}: {why}" if why else f"{path} version {version}"
    return Upshot(detail, secret=secret, path=str(path), version=version)


def _listed(requests: Sequence[str]) -> str | None:
    return ", ".join(requests) or None
