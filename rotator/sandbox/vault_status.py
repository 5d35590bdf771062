"""What a server says of itself without a token: health, seal status, leader (contracts: Vault 3.5).

* The status code of `sys/health` is the message: 200 active, 429 standby, 472 DR secondary, 473 performance
  standby, 501 uninitialised, 503 sealed. The query may ask for other codes.
* OpenBao refuses `sys/health` with a namespace header; what Vault does there is unsure, here it answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from . import vault_texts as texts
from .http import Response
from .vault_answers import RefusedError, json_response

if TYPE_CHECKING:
    from datetime import datetime

    from .http import Request
    from .vault_texts import Flavour

Node = Literal["active", "standby", "performance_standby", "dr_secondary"]
PATHS = ("sys/health", "sys/seal-status", "sys/leader")
CLUSTER = {"cluster_name": "vault-cluster-sandbox", "cluster_id": "5a7d0b0c-0000-4000-8000-73616e64626f"}
_CODES = {
    "active": ("activecode", 200),
    "standby": ("standbycode", 429),
    "performance_standby": ("performancestandbycode", 473),
    "dr_secondary": ("drsecondarycode", 472),
    "sealed": ("sealedcode", 503),
    "uninitialised": ("uninitcode", 501),
}
BUILT = "2026-08-18T12:00:00Z"
VERSIONS = {"openbao": "2.6.2", "vault": "1.21.4"}


class Status:
    """The state of one node, as it is asked for."""

    def __init__(self, flavour: Flavour, node: Node, *, is_sealed: bool, is_initialised: bool, leader: str) -> None:
        """Take the state; `leader` is the active node's address."""
        self._flavour = flavour
        self._node = node
        self._is_sealed = is_sealed or not is_initialised
        self._is_initialised = is_initialised
        self._leader = leader

    def answer(self, request: Request, path: str, *, now: datetime) -> Response:
        """Answer one of the three paths."""
        if request.method not in ("GET", "HEAD"):
            raise RefusedError(405)
        match path:
            case "sys/health":
                return self._health(request, now)
            case "sys/seal-status":
                return json_response(200, self._seal_status())
        return json_response(200, self._leader_status())

    def _health(self, request: Request, now: datetime) -> Response:
        if self._flavour == "openbao" and request.header("x-vault-namespace"):
            raise RefusedError(400, texts.NOT_IN_NAMESPACE)
        response = json_response(self._code(request), self._health_body(now))
        return Response(response.status, response.headers) if request.method == "HEAD" else response

    def _code(self, request: Request) -> int:
        param, code = _CODES[self._state()]
        if self._state() in ("standby", "performance_standby"):
            wanted = "standbyok" if self._state() == "standby" else "perfstandbyok"
            if request.param(wanted) in ("true", "1"):
                param, code = _CODES["active"]
        asked = request.param(param)
        if asked is None:
            return code
        if not asked.isdecimal():
            raise RefusedError(400)
        return int(asked)

    def _state(self) -> str:
        if not self._is_initialised:
            return "uninitialised"
        return "sealed" if self._is_sealed else self._node

    def _health_body(self, now: datetime) -> dict[str, Any]:
        mode = "unknown" if self._is_sealed else "disabled"
        body: dict[str, Any] = {
            "initialized": self._is_initialised,
            "sealed": self._is_sealed,
            "standby": self._is_sealed or self._node in ("standby", "performance_standby"),
            "performance_standby": self._node == "performance_standby",
            "replication_performance_mode": mode,
            "replication_dr_mode": "secondary" if self._node == "dr_secondary" else mode,
            "server_time_utc": int(now.timestamp()),
            "version": VERSIONS[self._flavour],
            **({} if self._is_sealed else CLUSTER),
        }
        if self._flavour == "openbao":
            del body["performance_standby"]
        return body

    def _seal_status(self) -> dict[str, Any]:
        return {
            "type": "shamir",
            "initialized": self._is_initialised,
            "sealed": self._is_sealed,
            "t": 1,
            "n": 1,
            "progress": 0,
            "nonce": "",
            "recovery_seal": False,
            "version": VERSIONS[self._flavour],
            "commit_date" if self._flavour == "openbao" else "build_date": BUILT,
            "migration": False,
            **({} if self._is_sealed else CLUSTER),
            "storage_type": "inmem",
        }

    def _leader_status(self) -> dict[str, Any]:
        if not self._leader:
            return {"ha_enabled": False}
        return {
            "ha_enabled": True,
            "is_self": self._node == "active",
            "leader_address": self._leader,
            "leader_cluster_address": self._leader,
        }
