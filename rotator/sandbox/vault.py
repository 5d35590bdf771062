"""A Vault to run against, over HTTP, and a person's hands on it for tests and scenes.

The rules are listed in `docs/sandbox-rules-vault.md`, each with its section of the contract and the test that pins it.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from . import vault_texts as texts
from .http import Response
from .vault_answers import Answer, EmptyAnswerError, RefusedError, json_response
from .vault_console import Console
from .vault_front import PREFIX, ask_of, clean_path, emptied, encoded, operation_of, refused, token_of
from .vault_quota import Quota
from .vault_settings import VaultSettings
from .vault_status import PATHS as STATUS_PATHS
from .vault_status import Status
from .vault_wrapping import wrap_ttl

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from .clock import SandboxClock
    from .http import Request
    from .vault_answers import Ask
    from .vault_core import Namespace

__all__ = ["VaultEmulator", "VaultSettings"]

_INDEX, _FORWARD, _INCONSISTENT = "x-vault-index", "x-vault-forward", "x-vault-inconsistent"


class VaultEmulator(Console):
    """The server. `answer` is its HTTP side; the rest is what a person at the console does, without a token."""

    def __init__(self, clock: SandboxClock, settings: VaultSettings | None = None) -> None:
        """Start unsealed, with a KV v2 mount at `secret/` and a root token."""
        super().__init__(clock, settings or VaultSettings())
        self._quota = Quota(self.settings)
        self._writes: list[datetime] = []

    def answer(self, request: Request) -> Response:
        """Apply the request and answer it."""
        content_type = self.settings.content_type
        try:
            response = clean_path(request) or self._answered(request)
        except RefusedError as refusal:
            response = refused(refusal, content_type=content_type)
        except EmptyAnswerError as empty:
            response = emptied(empty, content_type=content_type)
        named = request.header("x-vault-namespace")
        return response.with_headers(("X-Vault-Namespace", named)) if named else response

    def kind_of(self, request: Request) -> tuple[str, str | None]:
        """Name the kind of call, for the journal. Vault has no rate buckets."""
        if request.path.removeprefix(PREFIX) in STATUS_PATHS:
            return request.path.removeprefix(PREFIX).replace("/", "."), None
        try:
            operation = operation_of(request)
            namespace, path = self._located(request)
        except RefusedError:
            return request.method, None
        mounted = namespace.mounted_at(path)
        if mounted is None:
            return f"unmounted.{operation}", None
        return mounted.engine.kind_of(operation, path.removeprefix(mounted.path)), None

    def _answered(self, request: Request) -> Response:
        path = request.path.removeprefix(PREFIX)
        now = self._clock.now()
        if path in STATUS_PATHS:
            return self._status().answer(request, path, now=now)
        if self.settings.redirects_to_leader and self.settings.node != "active":
            return Response(307, (("Location", f"{self.settings.leader_url}{request.target}"),))
        headers = self._quota.admit(path, now) if not self._core.is_sealed else ()
        try:
            response = self._logical(request, now)
        except RefusedError as refusal:
            response = refused(refusal, content_type=self.settings.content_type)
        return response.with_headers(*headers)

    def _status(self) -> Status:
        settings = self.settings
        return Status(
            settings.flavour,
            settings.node,
            is_sealed=self._core.is_sealed,
            is_initialised=settings.is_initialised,
            leader=settings.leader_url,
        )

    def _logical(self, request: Request, now: datetime) -> Response:
        ask = ask_of(request, request.path.removeprefix(PREFIX), now)
        ttl = wrap_ttl(request.header("x-vault-wrap-ttl"))
        if self._core.is_sealed or not self.settings.is_initialised:
            raise RefusedError(503, texts.SEALED)
        namespace, path = self._located(request)
        self._check_node(request, ask)
        path += "/" if ask.operation == "list" and not path.endswith("/") else ""
        asked = replace(ask, path=path, token_id=token_of(request), as_of=self._as_of(request, now))
        return self._sent(self._core.answer(asked, namespace), asked, namespace, wrap=ttl)

    def _sent(self, answer: Answer | None, ask: Ask, namespace: Namespace, *, wrap: timedelta) -> Response:
        if wrap and answer is not None and ask.path != "sys/wrapping/unwrap":
            wrapped = self._core.wrapping.wrap(answer, ask.path, ttl=wrap, now=ask.now, namespace=namespace.path)
            return json_response(200, wrapped, content_type=self.settings.content_type)
        mounted = namespace.mounted_at(ask.path)
        mount_type = mounted.engine.type if mounted and self.settings.flavour == "vault" else None
        response = encoded(answer, ask.operation, content_type=self.settings.content_type, mount_type=mount_type)
        if ask.operation not in ("read", "list"):
            self._writes.append(ask.now)
        return response.with_headers(("X-Vault-Index", self._index())) if self.settings.has_index else response

    def _check_node(self, request: Request, ask: Ask) -> None:
        settings = self.settings
        if settings.node == "dr_secondary":
            raise RefusedError(400, texts.DR_SECONDARY)
        if settings.stale_refusals:
            settings.stale_refusals -= 1
            raise RefusedError(412, texts.STALE_INDEX)
        if settings.has_index and ask.operation in ("read", "list") and not _is_forwarded(request):
            seen = self._seen(ask.now - settings.read_lag)
            if _index_in(request) > seen:
                raise RefusedError(412, texts.STALE_INDEX)

    def _as_of(self, request: Request, now: datetime) -> datetime | None:
        """Return the time that this node has got to, None if it is the active one's."""
        if not self.settings.read_lag or (self.settings.has_index and _is_forwarded(request)):
            return None
        return now - self.settings.read_lag

    def _seen(self, then: datetime) -> int:
        return sum(1 for at in self._writes if at <= then)

    def _index(self) -> str:
        return base64.b64encode(f"v1:{len(self._writes)}".encode()).decode()

    def _located(self, request: Request) -> tuple[Namespace, str]:
        """Find the namespace that header and path name together, and the path inside it."""
        named = (request.header("x-vault-namespace") or "").strip("/")
        if named and not self.settings.namespaces:
            raise RefusedError(403, texts.NAMESPACES_OFF)
        head = "" if named == "root" else named
        if head not in self._core.namespaces:
            raise RefusedError(404, texts.NAMESPACE_UNKNOWN)
        path = request.path.removeprefix(PREFIX)
        whole = f"{head}/{path}" if head else path
        inside = [name for name in self._core.namespaces if whole.startswith(f"{name}/") and len(name) >= len(head)]
        name = max(inside, key=len, default="")
        relative = whole.removeprefix(f"{name}/") if name else whole
        if name and relative in STATUS_PATHS:
            raise RefusedError(400, texts.ROOT_NAMESPACE_ONLY)
        return self._core.namespaces[name], relative


def _is_forwarded(request: Request) -> bool:
    return (
        request.header(_FORWARD) == "active-node"
        or (request.header(_INCONSISTENT) or "").strip() == "forward-active-node"
    )


def _index_in(request: Request) -> int:
    try:
        return int(base64.b64decode(request.header(_INDEX) or "").decode().removeprefix("v1:") or 0)
    except ValueError:
        return 0
