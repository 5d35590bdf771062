"""Rate limits (contracts: Okta 6.1, 6.2).

* A bucket is counted in windows of 60 seconds that begin with its first call, not with the minute.
* `/api/v1/apps` and all below `/api/v1/apps/{id}/` share one small bucket; `/api/v1/apps/{id}` has its own.
* One API token or app gets half of each bucket; the headers tell its own share.
* Who asks too much gets 429 and nothing is applied; a call too many at the same time gets `Limit: 0`.
* Discovery and key documents are not limited and carry no such headers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from .okta_errors import Headers
    from .okta_settings import OktaSettings

PLANS = {
    "integrator": {"apps": 20, "app": 100, "clients": 25, "logs": 20, "token": 300, "oauth2": 300, "api": 100},
    "one_app": {"apps": 100, "app": 600, "clients": 100, "logs": 50, "token": 1200, "oauth2": 1200, "api": 600},
    "enterprise": {"apps": 100, "app": 600, "clients": 100, "logs": 50, "token": 1200, "oauth2": 1200, "api": 600},
    "workforce": {"apps": 100, "app": 500, "clients": 100, "logs": 120, "token": 2000, "oauth2": 2000, "api": 1200},
}

WARN_ABOVE = 0.9  # of the org's limit


@dataclass(slots=True)
class Window:
    """One bucket's count since its window opened."""

    opened: float
    total: int = 0
    by_principal: Counter[str] = field(default_factory=Counter)
    refused: bool = False
    warned: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call may pass, what the headers say of it, and what the System Log has to tell."""

    allowed: bool
    headers: Headers
    event: str = ""


@dataclass(slots=True)
class RateLimits:
    """All buckets of one org."""

    settings: OktaSettings
    windows: dict[str, Window] = field(default_factory=dict)
    competitors: dict[str, float] = field(default_factory=dict)  # bucket → part of the org's limit that others use
    concurrent: int = 0  # calls that will be refused as too many at the same time
    calls: Counter[str] = field(default_factory=Counter)  # by bucket, refused ones too
    refused: Counter[str] = field(default_factory=Counter)

    def limit(self, bucket: str) -> int:
        """Return the org's limit of a bucket, in calls a window."""
        return self.settings.limits.get(bucket) or PLANS[self.settings.plan][bucket.partition(":")[0]]

    def admit(self, bucket: str, principal: str, now: datetime) -> Verdict:
        """Count a call and say whether it may pass."""
        self.calls[bucket] += 1
        if self.concurrent:
            self.concurrent -= 1
            self.refused[bucket] += 1
            headers = _headers(0, 0, ceil(now.timestamp()) + 60)
            return Verdict(allowed=False, headers=headers, event="core.concurrency.org.limit.violation")
        return self._counted(bucket, principal, now.timestamp())

    def _counted(self, bucket: str, principal: str, at: float) -> Verdict:
        window = self._window(bucket, at)
        limit = self.limit(bucket)
        share = max(1, int(limit * self.settings.principal_share))
        elapsed = (at - window.opened) / self.settings.window.total_seconds()
        by_others = int(self.competitors.get(bucket, 0.0) * limit * elapsed)
        left = min(share - window.by_principal[principal], limit - window.total - by_others)
        reset = ceil(window.opened + self.settings.window.total_seconds())
        if left <= 0:
            self.refused[bucket] += 1
            event = "" if window.refused else "system.org.rate_limit.violation"
            window.refused = True
            return Verdict(allowed=False, headers=_headers(share, 0, reset), event=event)
        window.total += 1
        window.by_principal[principal] += 1
        warn = not window.warned and window.total + by_others > WARN_ABOVE * limit
        window.warned = window.warned or warn
        event = "system.org.rate_limit.warning" if warn else ""
        return Verdict(allowed=True, headers=_headers(share, left - 1, reset), event=event)

    def _window(self, bucket: str, at: float) -> Window:
        window = self.windows.get(bucket)
        if window is None or not 0 <= at - window.opened < self.settings.window.total_seconds():
            window = self.windows[bucket] = Window(at)
        return window


def _headers(limit: int, remaining: int, reset: int) -> Headers:
    return (
        ("x-rate-limit-limit", str(limit)),
        ("x-rate-limit-remaining", str(remaining)),
        ("x-rate-limit-reset", str(reset)),
    )
