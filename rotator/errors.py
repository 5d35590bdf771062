"""What can go wrong, sorted by what the caller does next (design: "Effects").

 * `UnavailableError`     try later: nothing was changed.
 * `RefusedError`         don't repeat it: the other side understood and said no.
 * `UnknownOutcomeError`  look again: it may have been applied, or not, or not yet.
 * `ConflictError`        look again: somebody else was first.
 * `InvariantError`       call a person: what we see should be impossible.

Each carries its cause (one line, no secrets) and a hint: the next step for whoever reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class RotatorError(Exception):
    """Base of all errors that are ours. `str()` is one line, fit for a person, without secrets."""

    hint: str = ""
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, request_id: str | None = None) -> None:
        """Take one line that names the cause; `request_id` is the vendor's, for their support."""
        super().__init__(message)
        if hint is not None:
            self.hint = hint
        self.request_id = request_id


class UnavailableError(RotatorError):
    """The other side did not answer, or said that it cannot now. Nothing was changed; the same call may work later."""

    hint = "Nothing to do yet: the next run tries again."
    exit_code = 5


class RateLimitedError(UnavailableError):
    """Too many requests. `retry_at` is when the vendor's window opens again, if it said so."""

    hint = "Nothing to do: the next run waits for the rate limit."

    def __init__(self, message: str, *, retry_at: datetime | None = None, request_id: str | None = None) -> None:
        """Take the time from the vendor's headers, already corrected for its clock."""
        super().__init__(message, request_id=request_id)
        self.retry_at = retry_at


class SealedError(UnavailableError):
    """Vault is sealed or has no active node."""

    hint = "Unseal Vault; nothing is lost meanwhile, the next run goes on from here."


class StateError(UnavailableError):
    """The state database cannot be reached, or cannot be written now. What was to be written there is not."""

    hint = "Look at the state database; nothing is lost meanwhile, the next run goes on from here."


class SpoiltStateError(StateError):
    """The state database is damaged, or not as we left it, or closed to us. A service waits until somebody mends it."""

    hint = "Mend it, or give the program a new one: that only observes until it is released. Nothing else is lost."
    exit_code = 2


class RefusedError(RotatorError):
    """The other side understood the request and refused it. `code` is its own word for why, if it has one."""

    hint = "The same request is refused again until somebody changes a permission or a setting."

    def __init__(self, message: str, *, code: str = "", hint: str | None = None, request_id: str | None = None) -> None:
        """Take the vendor's error code (`E0000006`, `403`) beside the message."""
        super().__init__(message, hint=hint, request_id=request_id)
        self.code = code


class UnauthenticatedError(RefusedError):
    """Our own login was not accepted, or we were sent elsewhere: nothing is said about what was asked."""


class MissingError(RefusedError):
    """The thing that was named does not exist."""

    hint = "Check the name in the configuration."


class UnknownOutcomeError(RotatorError):
    """A write got no usable answer: it may be applied, not applied, or still on its way. Look before anything else."""

    hint = "The next run looks at what happened and goes on from there."


class ConflictError(RotatorError):
    """Somebody else was first: a compare-and-set did not match."""

    hint = "The next run reads the new state and decides again."


class BusyError(RotatorError):
    """Another process works on this target."""

    hint = "Wait for it to finish, then run the command again."
    exit_code = 4


class InvariantError(RotatorError):
    """What we see should be impossible. Stop and let a person look."""

    hint = "Look at the target with `rotator status`, and report what you see."


class ConfigError(RotatorError):
    """The configuration cannot be used. `problems` has one line each: file, line, what is wrong, what to do."""

    hint = "Nothing was touched. `rotator config validate` checks the file again."
    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        """Take every problem at once."""
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
