"""Vault's `sys/`: what tells about the server (contracts: Vault 1.9, 3.4, 3.5).

* The mounts lookup needs no policy line of its own: anything allowed anywhere under the mount is enough. No mount
  and no access give the same 403.
* capabilities-self reads the ACL alone; it knows nothing of whether a path or a mount exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import vault_texts as texts
from .vault_answers import Answer, RefusedError, unsupported
from .vault_fields import Fields
from .vault_policies import DENY
from .vault_wrapping import wrapped_token

if TYPE_CHECKING:
    from .vault_answers import Ask
    from .vault_core import Core, Mounted, Namespace
    from .vault_tokens import Token

_MOUNTS = "internal/ui/mounts/"


class SysEngine:
    """The `sys/` mount of one namespace."""

    type = "system"
    options = None

    def __init__(self, core: Core, namespace: Namespace) -> None:
        """Tell about this server."""
        self._core = core
        self._namespace = namespace

    def exists(self, ask: Ask) -> bool | None:  # noqa: ARG002
        """Never looked at."""
        return None

    def is_open(self, path: str) -> bool:
        """The mounts lookup checks access itself; a wrapping token is looked up by whoever has it."""
        return path.startswith(_MOUNTS) or path == "wrapping/lookup"

    def kind_of(self, operation: str, path: str) -> str:  # noqa: ARG002
        """Name the kind of call."""
        return "sys.mounts" if path.startswith(_MOUNTS) else f"sys.{path}"

    def answer(self, ask: Ask) -> Answer | None:
        """Answer a question."""
        if ask.path.startswith(_MOUNTS):
            return self._mount(ask, ask.path.removeprefix(_MOUNTS))
        match ask.path, ask.operation:
            case "capabilities-self", "update":
                return self._capabilities(ask)
            case "wrapping/lookup", ("read" | "update"):
                return self._core.wrapping.lookup(wrapped_token(ask), ask.now)
            case "wrapping/unwrap", "update":
                return self._core.wrapping.unwrap(wrapped_token(ask), ask.now)
            case (("capabilities-self" | "wrapping/lookup" | "wrapping/unwrap"), _):
                raise unsupported()
        raise RefusedError(404, texts.multierror(texts.UNSUPPORTED_PATH))

    def _mount(self, ask: Ask, path: str) -> Answer:
        if not path:
            raise RefusedError(404, texts.UNSUPPORTED_PATH)
        if ask.operation != "read":
            raise RefusedError(405, texts.UNSUPPORTED_OPERATION)
        if ask.token is None:
            raise self._core.bad_token(ask)
        mounted = self._namespace.mounted_at(path.rstrip("/"))
        found = self._core.acl_path(mounted.path, self._namespace, token=ask.token) if mounted else None
        if mounted is None or found is None or not found[0].touches(found[1]):
            raise RefusedError(403, texts.preflight(path.rstrip("/") + "/"))
        return Answer(self._mount_shown(mounted))

    def _mount_shown(self, mounted: Mounted) -> dict[str, Any]:
        return {
            "accessor": f"{mounted.engine.type}_{mounted.accessor}",
            "config": {"default_lease_ttl": 0, "force_no_cache": False, "max_lease_ttl": 0},
            "deprecation_status": "supported",
            "description": mounted.description,
            "external_entropy_access": False,
            "local": False,
            "options": dict(mounted.engine.options) if mounted.engine.options else None,
            "path": mounted.path,
            "plugin_version": "",
            "running_plugin_version": "",
            "running_sha256": "",
            "seal_wrap": False,
            "type": mounted.engine.type,
            "uuid": mounted.uuid,
        }

    def _capabilities(self, ask: Ask) -> Answer:
        assert ask.token
        fields = Fields(ask.fields)
        paths = fields.texts("paths") or fields.texts("path")
        if not paths:
            raise RefusedError(400, texts.NO_PATHS)
        told: dict[str, Any] = {path: self._capabilities_on(path, ask.token) for path in paths}
        if len(paths) == 1:
            told["capabilities"] = told[paths[0]]
        return Answer(dict(sorted(told.items())), injected=True)

    def _capabilities_on(self, path: str, token: Token) -> list[str]:
        found = self._core.acl_path(path, self._namespace, token=token)
        return sorted(found[0].capabilities(found[1], listing=True)) if found else [DENY]
