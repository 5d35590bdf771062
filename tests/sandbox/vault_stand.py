"""Where the Vault rules are tried: the emulator, and a real server where there is one. The same tests for both."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import requests

from rotator.sandbox.vault_jwt import JwtRole, KubernetesRole
from rotator.sandbox.vault_tokens import TokenTraits
from tests.sandbox.kubernetes_api import Cluster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rotator.sandbox.clock import SandboxClock
    from rotator.sandbox.world import Sandbox
    from tests.dev_vault import RealVault

Rules = dict[str, list[str]]
MERGE = {"Content-Type": "application/merge-patch+json"}


class Operator(Protocol):
    """Protocol: what an operator sets up, over HTTP at a real server and by hand at the emulator."""

    def mount(self, path: str, version: int) -> None: ...
    def policy(self, name: str, rules: Rules) -> None: ...
    def token(self, policies: Sequence[str], life: Mapping[str, Any]) -> str: ...
    def approle(self, name: str, policies: Sequence[str], life: Mapping[str, Any], uses: int) -> str: ...
    def jwt(self, pem: str, jwk: Mapping[str, Any], role: Mapping[str, Any]) -> None: ...
    def kubernetes(self, mount: str, pem: str | None, jwk: Mapping[str, Any]) -> None: ...
    def forget(self, mount: str, account: str) -> None: ...
    def namespace(self, path: str) -> None: ...


class Stand:
    """A server, as a client with a token meets it. Each stand has a KV v2 mount of its own."""

    def __init__(self, url: str, root: str, operator: Operator, clock: SandboxClock | None) -> None:
        self.url = url
        self.root = root
        self.operator = operator
        self.mount = self.new_mount()
        self._clock = clock
        self._session = requests.Session()
        self._session.trust_env = False
        self.is_openbao = "performance_standby" not in self.call("GET", "sys/health", token=None).json()

    def close(self) -> None:
        self._session.close()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> requests.Response:
        """Ask. The token is the root one unless another is given; None sends none."""
        head = {"Content-Type": "application/json", **(headers or {})}
        if token is not None:
            head["X-Vault-Token"] = token or self.root
        content = data if data is not None else json.dumps(body).encode() if body is not None else None
        url = f"{self.url}/v1/{path}"
        return self._session.request(method, url, data=content, headers=head, timeout=10, allow_redirects=False)

    def kv(self, method: str, path: str, body: Any = None, **how: Any) -> requests.Response:
        """Ask the stand's own mount."""
        return self.call(method, f"{self.mount}/{path}", body, **how)

    def write(self, path: str, fields: Mapping[str, Any] | None = None, **options: int) -> requests.Response:
        """Write a version, with CAS if that is given."""
        body: dict[str, Any] = {"data": fields or {}}
        if options:
            body["options"] = options
        return self.kv("POST", f"data/{path}", body)

    def metadata(self, path: str) -> dict[str, Any]:
        told: dict[str, Any] = self.kv("GET", f"metadata/{path}").json()["data"]
        return told

    def wait(self, seconds: float) -> None:
        """Let time pass: by its clock at the emulator."""
        if self._clock:
            self._clock.advance(timedelta(seconds=seconds))
        else:
            time.sleep(seconds)

    def now(self) -> datetime:
        return self._clock.now() if self._clock else datetime.now(UTC)

    def new_mount(self, version: int = 2) -> str:
        path = f"m{uuid.uuid4().hex[:8]}"
        self.operator.mount(path, version)
        return path

    def new_token(self, rules: Rules | None = None, **life: Any) -> str:
        """Make a token that may do this in the stand's mount (`{m}` stands for it), and what `default` may."""
        return self.operator.token([self.new_policy(rules)] if rules else [], life)

    def new_policy(self, rules: Rules) -> str:
        name = f"p{uuid.uuid4().hex[:8]}"
        self.operator.policy(name, {pattern.replace("{m}", self.mount): what for pattern, what in rules.items()})
        return name

    def new_approle(self, uses: int = 0, **life: Any) -> tuple[str, str]:
        """Make a role; return its name and role id."""
        name = f"r{uuid.uuid4().hex[:8]}"
        return name, self.operator.approle(name, [], life, uses)

    def new_secret_id(self, role: str) -> str:
        made: str = self.call("POST", f"auth/approle/role/{role}/secret-id").json()["data"]["secret_id"]
        return made


class AtTheConsole:
    """The operator of the emulator."""

    def __init__(self, box: Sandbox) -> None:
        self._vault = box.vault

    def mount(self, path: str, version: int) -> None:
        self._vault.add_mount(path, version=1 if version == 1 else 2)

    def policy(self, name: str, rules: Rules) -> None:
        self._vault.add_policy(name, rules)

    def token(self, policies: Sequence[str], life: Mapping[str, Any]) -> str:
        return self._vault.create_token(policies, **life)

    def approle(self, name: str, policies: Sequence[str], life: Mapping[str, Any], uses: int) -> str:
        return self._vault.add_approle(name, TokenTraits(policies=policies, **life), secret_id_uses=uses).role_id

    def jwt(self, pem: str, jwk: Mapping[str, Any], role: Mapping[str, Any]) -> None:
        assert "PUBLIC KEY" in pem
        self._vault.enable_jwt([jwk], issuer="https://issuer")
        for name, audiences in (("deploy", ["vault"]), ("any", [])):
            bounds = role if name == "deploy" else {}
            self._vault.add_jwt_role(name, JwtRole(traits=TokenTraits(), audiences=audiences, **bounds))

    def kubernetes(self, mount: str, pem: str | None, jwk: Mapping[str, Any]) -> None:
        """Mount a login with the roles `deploy`, for prod/rotator, and `any`; without keys it is not configured."""
        traits = TokenTraits(policies=("rotator",), ttl=timedelta(minutes=10))
        self._vault.enable_kubernetes([jwk] if pem else [], mount=mount)
        role = KubernetesRole(traits=traits, names=["rotator"], namespaces=["prod"], audience="vault")
        self._vault.add_kubernetes_role("deploy", role, mount=mount)
        anyone = KubernetesRole(traits=traits, names=["*"], namespaces=["*"])
        self._vault.add_kubernetes_role("any", anyone, mount=mount)

    def forget(self, mount: str, account: str) -> None:
        """Have the cluster forget a service account."""
        self._vault.delete_service_account(account, mount=mount)

    def namespace(self, path: str) -> None:
        self._vault.add_namespace(path)
        self._vault.add_mount("secret", namespace=path)


class OverHttp:
    """The operator of a real server."""

    def __init__(self, real: RealVault, cluster: Cluster | None = None) -> None:
        """`cluster` is whom the server asks about service accounts."""
        self._real = real
        self.cluster = cluster or Cluster()

    def mount(self, path: str, version: int) -> None:
        self._call("POST", f"sys/mounts/{path}", {"type": "kv", "options": {"version": str(version)}})
        if version == 2:  # the mount becomes a KV v2 one a moment after it was made
            for _ in range(100):
                if requests.get(f"{self._real.address}/v1/{path}/config", headers=self._head, timeout=5).ok:
                    return
                time.sleep(0.02)

    def policy(self, name: str, rules: Rules) -> None:
        text = "\n".join(f'path "{path}" {{ capabilities = {json.dumps(what)} }}' for path, what in rules.items())
        self._call("POST", f"sys/policies/acl/{name}", {"policy": text})

    def token(self, policies: Sequence[str], life: Mapping[str, Any]) -> str:
        words = {"kind": "type", "uses": "num_uses"}
        body = {words.get(name, name): _plain(value) for name, value in life.items()}
        made = self._call("POST", "auth/token/create", {**body, "policies": [*policies, "default"]})
        token: str = made["auth"]["client_token"]
        return token

    def approle(self, name: str, policies: Sequence[str], life: Mapping[str, Any], uses: int) -> str:
        self._enable("approle")
        body = {f"token_{key}": _plain(value) for key, value in life.items()}
        path = f"auth/approle/role/{name}"
        self._call("POST", path, {**body, "token_policies": list(policies), "secret_id_num_uses": uses})
        role_id: str = self._call("GET", f"{path}/role-id")["data"]["role_id"]
        return role_id

    def jwt(self, pem: str, jwk: Mapping[str, Any], role: Mapping[str, Any]) -> None:
        assert jwk
        self._enable("jwt")
        self._call("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [pem], "bound_issuer": "https://issuer"})
        base = {"role_type": "jwt", "user_claim": "sub"}
        bounds = {"bound_subject": role["subject"], "bound_claims": role["claims"], "bound_audiences": ["vault"]}
        self._call("POST", "auth/jwt/role/deploy", {**base, **bounds})
        # A real server wants something bound; the emulator need not.
        self._call("POST", "auth/jwt/role/any", {**base, "bound_subject": role["subject"]})

    def kubernetes(self, mount: str, pem: str | None, jwk: Mapping[str, Any]) -> None:
        """Mount a login with the roles `deploy`, for prod/rotator, and `any`; without keys it is not configured."""
        assert jwk
        self._call("POST", f"sys/auth/{mount}", {"type": "kubernetes"})
        if pem:
            where = {"kubernetes_host": self.cluster.address, "kubernetes_ca_cert": self.cluster.ca}
            self._call("POST", f"auth/{mount}/config", {**where, "pem_keys": [pem], "disable_local_ca_jwt": True})
        traits = {"token_policies": ["rotator"], "token_ttl": "10m"}
        for name, accounts, namespaces, audience in (("deploy", "rotator", "prod", "vault"), ("any", "*", "*", "")):
            bounds = {"bound_service_account_names": [accounts], "bound_service_account_namespaces": [namespaces]}
            self._call("POST", f"auth/{mount}/role/{name}", {**traits, **bounds, "audience": audience})

    def forget(self, mount: str, account: str) -> None:
        """Have the cluster forget a service account."""
        assert mount
        self.cluster.gone.add(account)

    def namespace(self, path: str) -> None:
        self._call("POST", f"sys/namespaces/{path}")
        self._call("POST", f"{path}/sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})

    @property
    def _head(self) -> dict[str, str]:
        return {"X-Vault-Token": self._real.token}

    def _enable(self, kind: str) -> None:
        if f"{kind}/" not in self._call("GET", "sys/auth")["data"]:
            self._call("POST", f"sys/auth/{kind}", {"type": kind})

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        got = requests.request(method, f"{self._real.address}/v1/{path}", json=body, headers=self._head, timeout=10)
        assert got.ok, f"{method} {path}: {got.status_code} {got.text}"
        return got.json() if got.content else None


def _plain(value: Any) -> Any:
    return f"{int(value.total_seconds())}s" if isinstance(value, timedelta) else value
