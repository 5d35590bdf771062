"""Where a secret lies. The value is read when it is needed, and each time anew: files are replaced under us.

A source knows its place and can say it; it holds on to nothing that it read from a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.secret_value import SecretValue
from rotator.errors import ConfigError
from rotator.redaction import hide

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 64 * 1024  # no key or token is longer; a wrong path may lead to anything


@dataclass(frozen=True, slots=True)
class SecretSource:
    """A secret's place: a file, or a value that the environment or the configuration gave."""

    origin: str  # fit to be shown: "file /run/x", "environment VAULT_TOKEN"
    path: Path | None = None
    value: SecretValue | None = None

    def read(self) -> SecretValue:
        """Return the secret as it is now, without white space around it; `ConfigError` if it cannot be read."""
        if self.value is not None:
            return self.value
        text = self._file_text().strip()
        if not text:
            raise ConfigError([f"{self.origin} is empty; put the secret into it"])
        hide(text)
        return SecretValue(text)

    def _file_text(self) -> str:
        assert self.path is not None
        try:
            with self.path.open("rb") as file:
                raw = file.read(LONGEST + 1)
        except OSError as failure:
            raise ConfigError([f"{self.origin} cannot be read: {failure.strerror}"]) from failure
        if len(raw) > LONGEST:
            raise ConfigError([f"{self.origin} is longer than any secret; name the file that holds it alone"])
        try:
            return raw.decode()
        except UnicodeDecodeError:
            # Not chained: the error holds the bytes.
            raise ConfigError([f"{self.origin} is not text; name a file that holds a token or a PEM key"]) from None
