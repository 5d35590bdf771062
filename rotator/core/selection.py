"""Which apps of an org a selection means, and what a new listing of them changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.model import AppId


@dataclass(frozen=True, slots=True)
class Member:
    """An app that a selection matched. `newcomer`: it is only observed until a person lets it in.

    `gone_since`: it is not matched any more (renamed, removed, or no longer shown to us), and left alone since.
    """

    selection: str
    app_id: AppId
    label: str
    since: datetime
    newcomer: bool = True
    gone_since: datetime | None = None
