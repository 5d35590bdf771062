"""Those who run a Vault, and set up what our logins need: on a real server over HTTP, in the sandbox by hand."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import pytest
from joserfc.jwk import ECKey

from rotator.core.model import KvPath
from rotator.sandbox.vault_jwt import JwtRole, KubernetesRole
from rotator.sandbox.vault_tokens import TokenTraits
from tests.contract.vault_people import VaultPeople

if TYPE_CHECKING:
    from rotator.sandbox.world import Sandbox

KEY = ECKey.generate_key("P-256")


class Operators(Protocol):
    """What those who run a Vault set up for us. Our policy: read and write below `secret/rotator/`."""

    address: str
    mount: str  # our auth methods are at `<mount>-approle` and `<mount>-jwt`

    def close(self) -> None: ...
    def token(self) -> str: ...
    def revoke(self, token: str) -> None: ...
    def logins(self) -> int: ...
    def end_logins(self) -> None: ...
    def approle(self, *, secret_id_num_uses: int = ...) -> tuple[str, str]: ...
    def envelope(self) -> str: ...
    def forgery(self, secret_id: str) -> str: ...
    def unwrap(self, token: str) -> None: ...
    def jwt_role(self, audience: str) -> None: ...
    def namespace(self, name: str) -> str: ...


class Wrapping:
    """Envelopes: made and opened over HTTP by the operators of both."""

    mount: str
    _people: VaultPeople

    def envelope(self) -> str:
        """Return a wrapping token with a new secret id in it."""
        place = f"auth/{self.mount}-approle/role/rotator/secret-id"
        made = self._people.call("POST", place, {}, {"X-Vault-Wrap-TTL": "60"})
        return str(made["wrap_info"]["token"])

    def forgery(self, secret_id: str) -> str:
        """Return a wrapping token with a secret id of somebody's choice in it."""
        here = KvPath("secret", f"forged/{uuid.uuid4().hex}")
        self._people.put(here, {"secret_id": secret_id})
        made = self._people.call("GET", f"{here.mount}/data/{here.path}", headers={"X-Vault-Wrap-TTL": "60"})
        return str(made["wrap_info"]["token"])

    def unwrap(self, token: str) -> None:
        self._people.call("POST", "sys/wrapping/unwrap", {}, {"X-Vault-Token": token})


class OperatorsOfARealVault(Wrapping):
    """Everything is set up over HTTP, on mounts of its own."""

    def __init__(self, address: str, root: str) -> None:
        self.address = address
        self._people = VaultPeople(address, root)
        self.mount = f"t{uuid.uuid4().hex[:8]}"
        self._namespaces: list[str] = []
        rules = 'path "secret/data/rotator/*" { capabilities = ["create", "read", "update"] }\n'
        rules += 'path "secret/metadata/rotator/*" { capabilities = ["read"] }\n'
        self._people.call("POST", f"sys/policies/acl/{self.mount}", {"policy": rules})
        self._people.call("POST", f"sys/auth/{self.mount}-approle", {"type": "approle"})
        self._people.call("POST", f"sys/auth/{self.mount}-jwt", {"type": "jwt"})

    def close(self) -> None:
        for method in ("approle", "jwt"):
            self._people.call("DELETE", f"sys/auth/{self.mount}-{method}")
        self._people.call("DELETE", f"sys/policies/acl/{self.mount}")
        for name in self._namespaces:
            self._people.call("DELETE", f"sys/namespaces/{name}")
        self._people.close()

    def token(self) -> str:
        made = self._people.call("POST", "auth/token/create", {"policies": [self.mount]})
        return str(made["auth"]["client_token"])

    def revoke(self, token: str) -> None:
        self._people.call("POST", "auth/token/revoke", {"token": token})

    def logins(self) -> int:
        """Return how many tokens live that an AppRole login made."""
        accessors = self._people.call("LIST", "auth/token/accessors")["data"]["keys"]
        return sum(self._made_by(accessor) == f"auth/{self.mount}-approle/login" for accessor in accessors)

    def _made_by(self, accessor: str) -> str | None:
        with suppress(AssertionError):  # somebody else's, and gone meanwhile
            return str(self._people.call("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]["path"])
        return None

    def end_logins(self) -> None:
        self._people.call("POST", f"sys/leases/revoke-prefix/auth/{self.mount}-approle/login", {})

    def approle(self, *, secret_id_num_uses: int = 0) -> tuple[str, str]:
        role = f"auth/{self.mount}-approle/role/rotator"
        self._people.call("POST", role, {"token_policies": [self.mount], "secret_id_num_uses": secret_id_num_uses})
        role_id = self._people.call("GET", f"{role}/role-id")["data"]["role_id"]
        return role_id, self._people.call("POST", f"{role}/secret-id", {})["data"]["secret_id"]

    def jwt_role(self, audience: str) -> None:
        place = f"auth/{self.mount}-jwt"
        self._people.call("POST", f"{place}/config", {"jwt_validation_pubkeys": [KEY.as_pem(private=False).decode()]})
        role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": [audience], "token_policies": [self.mount]}
        self._people.call("POST", f"{place}/role/rotator", role)

    def namespace(self, name: str) -> str:
        inside = {"X-Vault-Namespace": name}
        try:
            self._people.call("POST", f"sys/namespaces/{name}", {})
        except AssertionError as unsupported:
            pytest.skip(f"this server has no namespaces: {unsupported}")
        self._namespaces.append(name)
        self._people.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}, inside)
        rules = 'path "secret/*" { capabilities = ["create", "read", "update"] }'
        self._people.call("POST", f"sys/policies/acl/{self.mount}", {"policy": rules}, inside)
        return str(
            self._people.call("POST", "auth/token/create", {"policies": [self.mount]}, inside)["auth"]["client_token"]
        )


class OperatorsOfTheSandbox(Wrapping):
    """Everything is set up at the console; wrapping goes over HTTP, as it must."""

    def __init__(self, box: Sandbox) -> None:
        self.address = box.vault_url
        self.box = box
        self.mount = f"t{uuid.uuid4().hex[:8]}"
        self._people = VaultPeople(box.vault_url, box.vault.settings.root_token)
        self._traits = TokenTraits(policies=[self.mount])
        rules = {
            "secret/data/rotator/*": ("create", "read", "update"),
            "secret/metadata/rotator/*": ("read",),
        }
        box.vault.add_policy(self.mount, rules)

    def close(self) -> None:
        self._people.close()

    def token(self) -> str:
        return self.box.vault.create_token([self.mount])

    def revoke(self, token: str) -> None:
        self.box.vault.revoke_token(token)

    def logins(self) -> int:
        return len(self._logins())

    def end_logins(self) -> None:
        for token in self._logins():
            self.box.vault.revoke_token(token)

    def _logins(self) -> list[str]:
        path = f"auth/{self.mount}-approle/login"
        return [token.id for token in self.box.vault._core.tokens.by_id.values() if token.path == path]

    def approle(self, *, secret_id_num_uses: int = 0) -> tuple[str, str]:
        role = self.box.vault.add_approle("rotator", self._traits, mount=f"{self.mount}-approle")
        return role.role_id, self.box.vault.new_secret_id(role, uses=secret_id_num_uses)

    def jwt_role(self, audience: str) -> None:
        self.box.vault.enable_jwt([KEY.as_dict(private=False)], mount=f"{self.mount}-jwt")
        role = JwtRole(traits=self._traits, audiences=[audience])
        self.box.vault.add_jwt_role("rotator", role, mount=f"{self.mount}-jwt")

    def kubernetes_role(self, account: str, namespace: str) -> None:
        self.box.vault.enable_kubernetes([KEY.as_dict(private=False)], mount=f"{self.mount}-kubernetes")
        role = KubernetesRole(traits=self._traits, names=[account], namespaces=[namespace])
        self.box.vault.add_kubernetes_role("rotator", role, mount=f"{self.mount}-kubernetes")

    def namespace(self, name: str) -> str:
        self.box.vault.add_namespace(name)
        self.box.vault.add_mount("secret", namespace=name)
        rules = {"secret/*": ("create", "read", "update")}
        self.box.vault.add_policy(self.mount, rules, namespace=name)
        return self.box.vault.create_token([self.mount], namespace=name)
