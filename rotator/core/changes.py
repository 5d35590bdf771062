"""What an org's System Log tells of changes to apps, and whom of the targets it concerns.

* A change only says whom to look at. What is to be done is decided by that look, as ever: so a change that is told
  twice, late, out of order or wrongly costs a look and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rotator.core.model import Target


REVOKED = ("app.oauth2.credentials.lifecycle.deactivate", "app.oauth2.credentials.lifecycle.delete")


@dataclass(frozen=True, slots=True)
class Change:
    """Something that somebody else did to an app or its secrets, by any of the names that it is known by."""

    id: str
    kind: str
    published: str  # as the log writes it: for people
    names: frozenset[str]

    @property
    def cuts_off(self) -> bool:
        """Whether consumers may be cut off by it: a secret was switched off or removed."""
        return self.kind.startswith(REVOKED)


@dataclass(frozen=True, slots=True)
class Heard:
    """What one look into the log brought, and where the next one goes on.

    `continued` is False where the place to go on from was lost: what happened long ago may then be missing.
    """

    changes: tuple[Change, ...]
    cursor: str
    continued: bool = True


def concerned(change: Change, targets: Iterable[Target], client_ids: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the targets that a change is about; `client_ids` are those we know of, by target."""
    return frozenset(
        target.name for target in targets if change.names & {target.app_id, client_ids.get(target.name, target.app_id)}
    )
