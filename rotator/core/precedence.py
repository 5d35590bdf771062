"""What goes before what: for each reason to replace a secret, what it waits for. docs/commands.md shows this table.

A pause goes before everything; so does a path or an app that is not ours to rotate. The day's cap holds for all.
"""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Cause(enum.Enum):
    """Why the current secret is to be replaced, the least pressing first. The value is what operators see."""

    EXPIRED = "expired"
    ADOPTED = "adopted from the console"
    FORCED = "`rotate --force`"
    CUT = "`rotate --force --now`"
    REVOKED = "revoked, missing or unknown"
    COMPROMISED = "`rotate --compromised`"


class Hold(enum.Enum):
    """What may stand before the next step."""

    APPROVAL = "a person, in mode `manual` or `approve`"
    TURN = "wave, backlog, breaker on failures"
    WINDOW = "window and blackout dates"
    SOAK = "soak of an older secret"
    OVERLAP = "overlap and use of an older secret"
    OWN_OVERLAP = "overlap and use of the replaced secret"
    HOOKS = "hooks of the rotation before"
    PLACES = "another path that cannot be written over"


ORDER_WITHIN = timedelta(hours=24)  # what is put off for an order is put off no longer than this

WAITS: Mapping[Cause, Mapping[Hold, timedelta | None]] = {  # None: until it is over
    Cause.EXPIRED: dict.fromkeys(Hold),
    Cause.ADOPTED: dict.fromkeys((Hold.OVERLAP, Hold.OWN_OVERLAP, Hold.HOOKS, Hold.PLACES))
    | dict.fromkeys((Hold.WINDOW, Hold.SOAK), ORDER_WITHIN),
    Cause.FORCED: dict.fromkeys((Hold.OVERLAP, Hold.OWN_OVERLAP, Hold.PLACES)),
    Cause.CUT: dict.fromkeys((Hold.OWN_OVERLAP, Hold.PLACES)),
    Cause.REVOKED: {Hold.APPROVAL: None, Hold.OVERLAP: None},
    Cause.COMPROMISED: {},
}


def waits(cause: Cause, hold: Hold) -> bool:
    """Say whether a rotation for that cause waits for that at all."""
    return hold in WAITS[cause]


def at_most(cause: Cause, hold: Hold) -> timedelta | None:
    """Return how long it waits for that from its order on; None without an end, or not at all (`waits`)."""
    return WAITS[cause].get(hold)
