"""Those who run the Vault that a whole life is led against: an AppRole of ours, and the places that we write to."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Protocol

from rotator.sandbox.vault_tokens import TokenTraits
from tests.contract.vault_people import VaultPeople
from tests.vault_hcl import rules_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from rotator.sandbox.world import Sandbox
    from tests.dev_vault import RealVault

ROLE = "rotator"


class VaultHost(Protocol):
    """A Vault, as whoever runs it sees it. `approle` and `mount` are the names of mounts that are ours alone."""

    address: str
    namespace: str | None
    mount: str
    approle: str

    def close(self) -> None: ...
    def allow(self, hcl: str, period: timedelta) -> str: ...
    def envelope(self) -> str: ...
    def token(self) -> str: ...
    def put(self, mount: str, path: str, fields: Mapping[str, Any]) -> None: ...
    def read(self, mount: str, path: str) -> dict[str, Any]: ...


class Host:
    """What both kinds do alike, over HTTP."""

    def __init__(self, address: str, root: str, namespace: str | None) -> None:
        unique = uuid.uuid4().hex[:8]
        self.address, self.namespace = address, namespace
        self.mount, self.approle, self.policy = f"kv-{unique}", f"approle-{unique}", f"rotator-{unique}"
        self._people = VaultPeople(address, root)

    def close(self) -> None:
        self._people.close()

    def envelope(self) -> str:
        """Return a wrapping token with a new secret id in it."""
        made = self._call("POST", f"auth/{self.approle}/role/{ROLE}/secret-id", {}, {"X-Vault-Wrap-TTL": "60"})
        return str(made["wrap_info"]["token"])

    def put(self, mount: str, path: str, fields: Mapping[str, Any]) -> None:
        self._call("POST", f"{mount}/data/{path}", {"data": fields})

    def read(self, mount: str, path: str) -> dict[str, Any]:
        return dict(self._call("GET", f"{mount}/data/{path}")["data"]["data"])

    def _call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        there = {"X-Vault-Namespace": self.namespace} if self.namespace else {}
        return self._people.call(method, path, body, {**(headers or {}), **there})


class RealHost(Host):
    """A real server."""

    def __init__(self, real: RealVault, namespace: str | None) -> None:
        super().__init__(real.address, real.token, namespace)
        if namespace:
            self._people.call("POST", f"sys/namespaces/{namespace}", {})
            self._call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        self._call("POST", f"sys/mounts/{self.mount}", {"type": "kv", "options": {"version": "2"}})
        self._call("POST", f"sys/auth/{self.approle}", {"type": "approle"})

    def allow(self, hcl: str, period: timedelta) -> str:
        """Write the policy as it is, give it alone to a role, and return the role's id."""
        self._call("POST", f"sys/policies/acl/{self.policy}", {"policy": hcl})
        role = {
            "token_policies": [self.policy],
            "token_no_default_policy": True,
            "token_period": f"{period.total_seconds():.0f}s",
        }
        self._call("POST", f"auth/{self.approle}/role/{ROLE}", role)
        return str(self._call("GET", f"auth/{self.approle}/role/{ROLE}/role-id")["data"]["role_id"])

    def token(self) -> str:
        asked = {"policies": [self.policy], "no_default_policy": True, "ttl": "20m"}
        return str(self._call("POST", "auth/token/create", asked)["auth"]["client_token"])


class SandboxHost(Host):
    """The emulator."""

    def __init__(self, box: Sandbox, namespace: str | None) -> None:
        super().__init__(box.vault_url, box.vault.settings.root_token, namespace)
        self._vault, self._within = box.vault, namespace or ""
        if namespace:
            box.vault.add_namespace(namespace)
            box.vault.add_mount("secret", namespace=namespace)
        box.vault.add_mount(self.mount, namespace=self._within)

    def allow(self, hcl: str, period: timedelta) -> str:
        """Write the policy as it is, give it alone to a role, and return the role's id."""
        self._vault.add_policy(self.policy, rules_in(hcl), namespace=self._within)
        traits = TokenTraits(policies=(self.policy,), period=period, with_default_policy=False)
        return self._vault.add_approle(ROLE, traits, mount=self.approle, namespace=self._within).role_id

    def token(self) -> str:
        return self._vault.create_token([self.policy], namespace=self._within, with_default_policy=False)
