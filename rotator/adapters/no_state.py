"""The ports of the state for runs without one: a one-off, whose history is its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.admission import Admitted

if TYPE_CHECKING:
    from rotator.core.admission import Admission, Wish
    from rotator.core.history import Deed, Ended


class OpenGate:
    """Lets every rotation begin: a person asked for it, or nothing is known of others."""

    async def ask(self, wish: Wish) -> Admission:  # noqa: ARG002 -- whatever it is
        """Admit it."""
        return Admitted()

    async def ended(self, target: str, *, good: bool) -> None:
        """Keep no count."""


class NoJournal:
    """Writes nothing down beside the log."""

    async def begins(self, deed: Deed) -> int:  # noqa: ARG002 -- the log has it
        """Let it begin."""
        return 0

    async def ended(self, number: int, deed: Deed, how: Ended, detail: str, *, request_id: str | None = None) -> None:
        """Keep nothing."""
