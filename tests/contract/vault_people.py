"""What people do at a Vault over HTTP, with the root token: the other half of the contract tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from rotator.core.model import KvPath


class VaultPeople:
    """A person with all rights. Every call must succeed."""

    def __init__(self, address: str, token: str) -> None:
        """Take where, and the root token."""
        self.address = address
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["X-Vault-Token"] = token

    def close(self) -> None:
        self._session.close()

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask and return the JSON that came, None for an empty body."""
        answer = self._session.request(method, f"{self.address}/v1/{path}", json=body, headers=headers, timeout=10)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def put(self, path: KvPath, fields: Mapping[str, Any]) -> int:
        number: int = self.call("POST", f"{path.mount}/data/{path.path}", {"data": fields})["data"]["version"]
        return number

    def rollback(self, path: KvPath, to: int) -> int:
        held = self.call("GET", f"{path.mount}/data/{path.path}?version={to}")
        return self.put(path, held["data"]["data"])

    def delete(self, path: KvPath, *versions: int) -> None:
        if versions:
            self.call("POST", f"{path.mount}/delete/{path.path}", {"versions": versions})
        else:
            self.call("DELETE", f"{path.mount}/data/{path.path}")

    def undelete(self, path: KvPath, *versions: int) -> None:
        self.call("POST", f"{path.mount}/undelete/{path.path}", {"versions": versions})

    def destroy(self, path: KvPath, *versions: int) -> None:
        self.call("POST", f"{path.mount}/destroy/{path.path}", {"versions": versions})

    def delete_metadata(self, path: KvPath) -> None:
        self.call("DELETE", f"{path.mount}/metadata/{path.path}")

    def configure(
        self,
        path: KvPath,
        *,
        max_versions: int | None = None,
        cas_required: bool | None = None,
        delete_version_after: timedelta | None = None,
    ) -> None:
        settings = {
            "max_versions": max_versions,
            "cas_required": cas_required,
            "delete_version_after": delete_version_after and f"{delete_version_after.total_seconds():g}s",
        }
        body = {key: value for key, value in settings.items() if value is not None}
        self.call("POST", f"{path.mount}/metadata/{path.path}", body)
