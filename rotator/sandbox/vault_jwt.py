"""JWT and Kubernetes logins (contracts: Vault 3.1). Signatures are really checked, against the mount's public keys.

* Order: role, token, signature, issuer, subject, audience, times, then the role's own bounds.
* An audience in the token needs one bound to the role; of several one is enough. Times have a minute's leeway.
* Kubernetes says little: 403 `permission denied` for a bad signature and for a service account that is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import vault_texts as texts
from .okta_jose import Jwt, audiences, claim_time, take_apart
from .vault_answers import Answer, RefusedError
from .vault_fields import Fields
from .vault_logins import Entities, Identity, logged_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from .vault_answers import Ask
    from .vault_tokens import Tokens, TokenTraits

_LEEWAY = 60
_MISSHAPEN = "go-jose/go-jose: compact JWS format must have three parts"


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtRole:
    """What a JWT must say to get this role's token."""

    traits: TokenTraits
    audiences: Sequence[str] = ()
    subject: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)
    user_claim: str = "sub"


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesRole:
    """Which service accounts get this role's token. `*` allows any."""

    traits: TokenTraits
    names: Sequence[str]
    namespaces: Sequence[str]
    audience: str = ""


class _Refused(Exception):  # noqa: N818 (an answer, made into an error by each mount)
    """Why a token is not taken."""


def _verified(text: str, keys: Sequence[Mapping[str, Any]]) -> Jwt:
    token = take_apart(text)
    if token is None:
        raise _Refused(f"error verifying token signature: {_MISSHAPEN}")
    if not any(token.signed_with_key(key) for key in keys):
        raise _Refused("error verifying token signature: no known key successfully validated the token signature")
    return token


def _check_audience(claims: Mapping[str, Any], bound: Sequence[str]) -> None:
    if bound and not set(bound) & set(audiences(claims)):
        raise _Refused("invalid audience (aud) claim: audience claim does not match any expected audience")


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    issued, begins, ends = (claim_time(claims, name) for name in ("iat", "nbf", "exp"))
    if not (issued or begins or ends):
        raise _Refused("no issued at (iat), not before (nbf), or expiration time (exp) claims in token")
    begins = begins or issued
    if begins and now.timestamp() + _LEEWAY < begins:
        raise _Refused("invalid not before (nbf) claim: token not yet valid")
    if ends and now.timestamp() - _LEEWAY > ends:
        raise _Refused("invalid expiration time (exp) claim: token is expired")


class _Logins:
    """What both mounts share."""

    options = None

    def __init__(self, tokens: Tokens, namespace: str, keys: Sequence[Mapping[str, Any]]) -> None:
        """Give out tokens from here for what these keys signed."""
        self._tokens = tokens
        self._namespace = namespace
        self._keys = keys
        self._entities = Entities()

    def exists(self, ask: Ask) -> bool | None:  # noqa: ARG002
        """Never looked at."""
        return None

    def is_open(self, path: str) -> bool:
        """Logins are."""
        return path == "login"

    def _check_path(self, ask: Ask) -> None:
        if ask.path != "login":
            raise RefusedError(404, texts.multierror(texts.UNSUPPORTED_PATH))
        if ask.operation != "update":
            raise RefusedError(405, texts.UNSUPPORTED_OPERATION)

    def _answer(
        self, ask: Ask, traits: TokenTraits, *, alias: str, display_name: str, meta: Mapping[str, str]
    ) -> Answer:
        identity = Identity(
            mount=ask.mount, display_name=display_name, meta=meta, entity_id=self._entities.of(ask.mount, alias)
        )
        return logged_in(self._tokens, traits, identity, namespace=self._namespace, now=ask.now)


class JwtEngine(_Logins):
    """One JWT mount."""

    type = "jwt"

    def __init__(self, tokens: Tokens, namespace: str, keys: Sequence[Mapping[str, Any]], *, issuer: str = "") -> None:
        """Take public keys as JWKs, and the issuer that all tokens must name, if any."""
        super().__init__(tokens, namespace, keys)
        self._issuer = issuer
        self.roles: dict[str, JwtRole] = {}

    def kind_of(self, operation: str, path: str) -> str:  # noqa: ARG002
        """Name the kind of call."""
        return "login.jwt"

    def answer(self, ask: Ask) -> Answer:
        """Answer a login."""
        self._check_path(ask)
        fields = Fields(ask.fields)
        name, text = fields.text("role"), fields.text("jwt")
        if not name:
            raise RefusedError(400, "missing role")
        role = self.roles.get(name)
        if role is None:
            raise RefusedError(400, f'role "{name}" could not be found')
        if not text:
            raise RefusedError(400, "missing token")
        try:
            claims = self._checked(text, role, ask.now)
        except _Refused as reason:
            raise RefusedError(400, f"error validating token: {reason}") from None
        self._check_bounds(claims, role)
        user = str(claims[role.user_claim])
        display = f"{ask.mount.removeprefix('auth/').rstrip('/')}-{user}"
        return self._answer(ask, role.traits, alias=user, display_name=display, meta={"role": name})

    def _checked(self, text: str, role: JwtRole, now: datetime) -> Mapping[str, Any]:
        claims = _verified(text, self._keys).claims
        if self._issuer and claims.get("iss") != self._issuer:
            raise _Refused("invalid issuer (iss) claim")
        if role.subject and claims.get("sub") != role.subject:
            raise _Refused("invalid subject (sub) claim")
        _check_audience(claims, role.audiences)
        _check_times(claims, now)
        return claims

    def _check_bounds(self, claims: Mapping[str, Any], role: JwtRole) -> None:
        if audiences(claims) and not role.audiences:
            raise RefusedError(400, "audience claim found in JWT but no audiences bound to the role")
        if role.user_claim not in claims:
            raise RefusedError(400, f'claim "{role.user_claim}" not found in token')
        for name, wanted in role.claims.items():
            if name not in claims:
                raise RefusedError(400, f'error validating claims: claim "{name}" is missing')
            if claims[name] != wanted:
                unmatched = f'claim "{name}" does not match any associated bound claim values'
                raise RefusedError(400, f"error validating claims: {unmatched}")


class KubernetesEngine(_Logins):
    """One Kubernetes mount. `gone` holds service accounts ("namespace/name") that the cluster no longer knows."""

    type = "kubernetes"

    def __init__(self, tokens: Tokens, namespace: str, keys: Sequence[Mapping[str, Any]]) -> None:
        """Take the cluster's public keys as JWKs; without any the mount counts as not configured."""
        super().__init__(tokens, namespace, keys)
        self.roles: dict[str, KubernetesRole] = {}
        self.gone: set[str] = set()

    def kind_of(self, operation: str, path: str) -> str:  # noqa: ARG002
        """Name the kind of call."""
        return "login.kubernetes"

    def answer(self, ask: Ask) -> Answer:
        """Answer a login."""
        self._check_path(ask)
        fields = Fields(ask.fields)
        name, text = fields.text("role"), fields.text("jwt")
        if not name or not text:
            raise RefusedError(400, f"missing {'jwt' if name else 'role'}")
        role = self.roles.get(name)
        if role is None:
            raise RefusedError(400, f'invalid role name "{name}"')
        if not self._keys:
            raise RefusedError(500, "could not load backend configuration")
        account = self._account(text, role, ask.now)
        meta = {
            "role": name,
            "service_account_name": account["name"],
            "service_account_namespace": account["namespace"],
            "service_account_secret_name": "",
            "service_account_uid": account["uid"],
        }
        display = f"{ask.mount.removeprefix('auth/').rstrip('/')}-{account['namespace']}-{account['name']}"
        return self._answer(ask, role.traits, alias=account["uid"], display_name=display, meta=meta)

    def _account(self, text: str, role: KubernetesRole, now: datetime) -> dict[str, str]:
        try:
            claims = _verified(text, self._keys).claims
        except _Refused:
            raise RefusedError(403, texts.PERMISSION_DENIED) from None
        try:
            _check_audience(claims, [role.audience] if role.audience else [])
            _check_times(claims, now)
        except _Refused as reason:
            raise RefusedError(403, str(reason)) from None
        account = _service_account(claims)
        if not {"*", account["name"]} & set(role.names):
            raise RefusedError(403, "service account name not authorized")
        if not {"*", account["namespace"]} & set(role.namespaces):
            raise RefusedError(403, "namespace not authorized")
        if f"{account['namespace']}/{account['name']}" in self.gone:
            raise RefusedError(403, texts.PERMISSION_DENIED)
        return account


def _service_account(claims: Mapping[str, Any]) -> dict[str, str]:
    cluster = claims.get("kubernetes.io") or {}
    account = cluster.get("serviceaccount") or {}
    return {
        "namespace": str(cluster.get("namespace", "")),
        "name": str(account.get("name", "")),
        "uid": str(account.get("uid", "")),
    }
