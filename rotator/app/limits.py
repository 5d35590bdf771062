"""What an org's limit on the small bucket is for our login, by one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.errors import RefusedError

if TYPE_CHECKING:
    from rotator.app.preflight import OrgWay


async def limit_of(way: OrgWay) -> int:
    """Return how many calls a minute Okta grants our login; `RefusedError` where its answers do not say."""
    async for _ in way.admin.list_apps(pages=1):
        break
    window = way.access.window()
    if window is None:
        raise RefusedError("Okta's answers tell of no rate limit", code="no_limit", hint="Say what it is with --limit.")
    return window.limit
