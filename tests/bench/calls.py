"""The calls of a rotation by name: `list`, `read path`, `write staging` and so on. Light: it imports nothing."""

from __future__ import annotations

from typing import Any

NEEDED = (
    *("list", "read path", "write staging", "create", "token", "revoke"),
    *("write path", "read path", "token", "revoke", "write staging", "destroy staging"),
)
_NAMES = {
    "GET /api/v1/apps/{app}": "app",
    "GET /api/v1/apps/{app}/credentials/secrets": "list",
    "POST /api/v1/apps/{app}/credentials/secrets": "create",
    "POST /oauth2/{server}/v1/token": "token",
    "POST /oauth2/{server}/v1/revoke": "revoke",
    "kv.metadata.read": "look",
    "kv.read": "read",
    "kv.write": "write",
    "kv.destroy": "destroy",
}


def named(calls: list[dict[str, Any]]) -> list[str]:
    """Return the calls of a journal by these names; those that belong to a login have none."""
    return [" ".join([_NAMES[call["kind"]], *_where(call)]) for call in calls if call["kind"] in _NAMES]


def _where(call: dict[str, Any]) -> list[str]:
    if call["service"] == "okta":
        return []
    return ["staging" if "/rotator/staging/" in call["path"] else "path"]
