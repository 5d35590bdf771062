"""What the System Log shows of the use of one secret, asked for and weighed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.usage import unreadable, weigh
from rotator.errors import RefusedError

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.app.observe import World
    from rotator.core.model import OktaSecret, Snapshot
    from rotator.core.usage import Evidence


async def gather(
    seen: Snapshot, world: World, secret: OktaSecret, *, current: OktaSecret | None, left: datetime
) -> Evidence:
    """Return who has used the secret since it left; a log that may not be read is evidence of nothing.

    `current` is the one in use, by which the log shows that it tells hashes at all; None if there is none.
    """
    assert seen.app
    try:
        log = await world.log.usage(seen.app, old=secret.hash, current=current.hash if current else None, since=left)
    except RefusedError as refusal:
        return unreadable(str(refusal))
    off, theirs = None if secret.active else secret.changed, world.clock.now() - seen.clock_ahead
    return weigh(log, old_hash=secret.hash, left=left, switched_off=off, now=theirs)
