"""A rate limit quota over all paths: refused before anything else is looked at (contracts: Vault 1.6).

`Retry-After` and its kin are sent only where the operator switched the headers on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from . import vault_texts as texts
from .vault_answers import RefusedError

if TYPE_CHECKING:
    from datetime import datetime

    from .vault_settings import VaultSettings

    Headers = tuple[tuple[str, str], ...]


class Quota:
    """Calls in the current interval, which begins with its first call."""

    def __init__(self, settings: VaultSettings) -> None:
        """Take the limits from the settings, each time anew."""
        self._settings = settings
        self._since: datetime | None = None
        self._calls = 0

    def admit(self, path: str, now: datetime) -> Headers:
        """Count a call and return the headers to send; refuse it if it is one too many."""
        settings = self._settings
        if not settings.quota:
            return ()
        if self._since is None or now >= self._since + settings.quota_interval:
            self._since, self._calls = now, 0
        self._calls += 1
        reset = str(math.ceil((self._since + settings.quota_interval - now).total_seconds()))
        left = max(0, settings.quota - self._calls)
        headers = (
            ("X-Ratelimit-Limit", str(settings.quota)),
            ("X-Ratelimit-Remaining", str(left)),
            ("X-Ratelimit-Reset", reset),
        )
        if self._calls <= settings.quota:
            return headers if settings.quota_headers else ()
        retry = (("Retry-After", reset), *headers) if settings.quota_headers else ()
        raise RefusedError(429, texts.over_quota(path), headers=retry)
