"""Orgs and Vaults from their sections: what they refer to outside the configuration is looked up here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.budget import Shares
from rotator.core.model import KvPath
from rotator.core.secret_value import SecretValue
from rotator.settings.files import Surroundings, authority_at, certified_at, secret_at
from rotator.settings.model import (
    AppRoleAuth,
    JwtAuth,
    KubernetesAuth,
    Org,
    PrivateKeyJwtAuth,
    SswsAuth,
    TokenAuth,
    Vault,
    host_of,
)
from rotator.settings.places import certified_file
from rotator.settings.schema_connections import (
    AppRoleSection,
    JwtSection,
    KubernetesSection,
    OrgSection,
    PrivateKeyJwtSection,
    SswsSection,
    TokenSection,
    VaultSection,
)
from rotator.settings.secret_source import SecretSource

if TYPE_CHECKING:
    from rotator.settings.document import Document, Key


def resolve_org(document: Document, key: Key, section: OrgSection, around: Surroundings) -> Org | None:
    """Return the org; None, with the problems reported, if something that it refers to is not there."""
    ca_file = authority_at(document, (*key, "ca_file"), around)
    auth = _okta_auth(document, (*key, "auth"), section.auth, around)
    if auth is None:
        return None
    host = host_of(section.org_url)
    kept = around.path(section.certified) if section.certified else certified_file(host, around.environ)
    return Org(
        alias=str(key[-1]),
        url=section.org_url,
        auth=auth,
        ca_file=ca_file,
        proxy=section.proxy,
        answer_within=section.answer_within,
        propagation=section.propagation,
        rate_share=Shares(section.rate_share.routine, section.rate_share.urgent),
        certified_file=kept,
        certified=certified_at(document, (*key, "certified"), kept, host),
    )


def _okta_auth(
    document: Document, key: Key, section: SswsSection | PrivateKeyJwtSection, around: Surroundings
) -> SswsAuth | PrivateKeyJwtAuth | None:
    if isinstance(section, SswsSection):
        token = secret_at(document, (*key, "token_file"), around)
        return SswsAuth(token) if token else None
    private = secret_at(document, (*key, "key_file"), around)
    return PrivateKeyJwtAuth(section.client_id, private, section.kid, tuple(section.scopes)) if private else None


def resolve_vault(document: Document, key: Key, section: VaultSection, around: Surroundings) -> Vault | None:
    """Return the Vault; None, with the problems reported, if something that it refers to is not there."""
    ca_file = authority_at(document, (*key, "ca_file"), around)
    auth = _vault_auth(document, (*key, "auth"), section.auth, around)
    if auth is None:
        return None
    return Vault(
        alias=str(key[-1]),
        address=section.address,
        namespace=section.namespace,
        auth=auth,
        ca_file=ca_file,
        proxy=section.proxy,
        answer_within=section.answer_within,
        staging=KvPath(section.staging.mount, section.staging.prefix),
    )


def _vault_auth(
    document: Document,
    key: Key,
    section: TokenSection | AppRoleSection | KubernetesSection | JwtSection,
    around: Surroundings,
) -> TokenAuth | AppRoleAuth | KubernetesAuth | JwtAuth | None:
    match section:
        case TokenSection():
            token = secret_at(document, (*key, "token_file"), around)
            return TokenAuth(token) if token else None
        case KubernetesSection():
            jwt = secret_at(document, (*key, "jwt_file"), around, default=section.jwt_file)
            return KubernetesAuth(section.role, jwt, section.mount) if jwt else None
        case JwtSection():
            jwt = secret_at(document, (*key, "jwt_file"), around)
            return JwtAuth(section.role, jwt, section.mount) if jwt else None
        case AppRoleSection():
            role_id = _role_id(document, key, section, around)
            secret_id = secret_at(document, (*key, "secret_id_file"), around)
            return AppRoleAuth(role_id, secret_id, section.wrapped, section.mount) if role_id and secret_id else None


def _role_id(document: Document, key: Key, section: AppRoleSection, around: Surroundings) -> SecretSource | None:
    if section.role_id is None:
        return secret_at(document, (*key, "role_id_file"), around)
    return SecretSource(str(document.origin((*key, "role_id"))), value=SecretValue(section.role_id))
