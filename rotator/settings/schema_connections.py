"""The shape of a section, and of those that say how Okta and Vault are reached.

The descriptions are what editors show: the JSON Schema is made from here and from `schema`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rotator.core.budget import Shares
from rotator.settings.kinds import (
    AnswerTime,
    Flag,
    Fraction,
    OrgUrl,
    Path,
    ProxyUrl,
    Text,
    VaultUrl,
    Words,
    write_duration,
)

if TYPE_CHECKING:
    from datetime import timedelta


def written(length: timedelta | str) -> Any:
    """Return a default as it would stand in the file; it is validated like what does."""
    return length if isinstance(length, str) else write_duration(length)


SECRET = "A path, `env:NAME`, or `cred:NAME` for a systemd credential."  # noqa: S105 -- says where one may lie
_SHARES = Shares()
SCOPES = ["okta.apps.read", "okta.apps.manage", "okta.logs.read"]


def _relax(schema: dict[str, Any], model: type[Section]) -> None:
    """Take out of `required` what is filled in where it is absent."""
    required = [name for name in schema.get("required", []) if name not in model.filled_in]
    schema.pop("required", None)
    if required:
        schema["required"] = required


class Section(BaseModel):
    """A mapping of the configuration with just these keys."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        hide_input_in_errors=True,
        defer_build=True,  # the whole is built once, at the first reading; not each part of it first, at import
        validate_default=True,  # so that defaults can stand as people write them, here and in the JSON Schema
        json_schema_extra=_relax,
    )
    filled_in: ClassVar[frozenset[str]] = frozenset()


# --- Okta -------------------------------------------------------------------------------------------------


class SswsSection(Section):
    """An API token that an administrator made in the console."""

    filled_in = frozenset({"token_file"})

    method: Literal["ssws"]
    token_file: Text = Field(description=f"The token. {SECRET} Absent: OKTA_CLIENT_TOKEN.")


class PrivateKeyJwtSection(Section):
    """A service app with a key pair and granted scopes; the better choice."""

    filled_in = frozenset({"client_id", "key_file"})

    method: Literal["private_key_jwt"]
    client_id: Text = Field(description="The service app's client id. Absent: OKTA_CLIENT_CLIENTID.")
    key_file: Text = Field(description=f"Its private key, PEM or JWK. {SECRET} Absent: OKTA_CLIENT_PRIVATEKEY.")
    kid: Text | None = Field(default=None, description="The key's id at Okta, where the app has several.")
    scopes: Words = Field(
        default=SCOPES, min_length=1, description="The scopes to ask for. Absent: OKTA_CLIENT_SCOPES."
    )


class RateShareSection(Section):
    """How much of what others leave of Okta's rate limits may be used."""

    routine: Fraction = Field(default=_SHARES.routine, gt=0, le=1, description="By what can wait.")
    urgent: Fraction = Field(
        default=_SHARES.urgent, gt=0, le=1, description="For a revoked secret, an order, and removals."
    )

    @model_validator(mode="after")
    def _in_order(self) -> RateShareSection:
        if self.routine > self.urgent:
            raise ValueError("has a `routine` larger than `urgent`; what is urgent must not get less")
        return self


class OrgSection(Section):
    """One Okta org and how to reach it."""

    filled_in = frozenset({"org_url", "auth"})

    org_url: OrgUrl = Field(description="`https://` and the org's host. Absent: OKTA_CLIENT_ORGURL.")
    auth: Annotated[SswsSection | PrivateKeyJwtSection, Field(discriminator="method")] = Field(
        description="How the program proves to Okta who it is. Absent: OKTA_CLIENT_*."
    )
    ca_file: Text | None = Field(
        default=None, description="The authorities that may vouch for Okta. Default: the system's."
    )
    proxy: ProxyUrl | None = Field(default=None, description="The proxy on the way to Okta.")
    answer_within: AnswerTime = Field(default=written("10s"), description="How long Okta may take to answer one call.")
    propagation: AnswerTime = Field(default=written("5s"), description="How long a change may take to be seen by all.")
    certified: Text | None = Field(
        default=None, description="The report of `rotator certify` on this org. Default: a file beside the state."
    )
    rate_share: RateShareSection = Field(
        default=RateShareSection(), description="How much of Okta's rate limits may be used."
    )


# --- Vault ------------------------------------------------------------------------------------------------


class TokenSection(Section):
    """A token that somebody else, such as Vault Agent, keeps alive."""

    filled_in = frozenset({"token_file"})

    method: Literal["token"]
    token_file: Text = Field(description=f"The token. {SECRET} Absent: VAULT_TOKEN, or ~/.vault-token.")


class AppRoleSection(Section):
    """AppRole."""

    method: Literal["approle"]
    role_id: Text | None = Field(
        default=None, description="The role id itself; it is no secret. Or name `role_id_file`."
    )
    role_id_file: Text | None = Field(default=None, description=f"The role id. {SECRET}")
    secret_id_file: Text = Field(description=f"The secret id. {SECRET}")
    wrapped: Flag = Field(
        default=False, description="The file holds a wrapping token, good for one start of the program."
    )
    mount: Path = Field(default="approle", description="Where the auth method is mounted.")

    @model_validator(mode="after")
    def _one_role_id(self) -> AppRoleSection:
        if (self.role_id is None) == (self.role_id_file is None):
            raise ValueError("needs a role id; write either `role_id` or `role_id_file`")
        return self


class KubernetesSection(Section):
    """The service account of the pod."""

    method: Literal["kubernetes"]
    role: Text = Field(description="The role in Vault.")
    jwt_file: Text = Field(
        default="/var/run/secrets/kubernetes.io/serviceaccount/token", description=f"The pod's token. {SECRET}"
    )
    mount: Path = Field(default="kubernetes", description="Where the auth method is mounted.")


class JwtSection(Section):
    """A JSON Web Token of an issuer that Vault trusts."""

    method: Literal["jwt"]
    role: Text = Field(description="The role in Vault.")
    jwt_file: Text = Field(description=f"The token. {SECRET}")
    mount: Path = Field(default="jwt", description="Where the auth method is mounted.")


class StagingSection(Section):
    """Where new values wait until they are proven. Nobody but this program may read here."""

    mount: Path = Field(default="secret", description="A KV v2 mount.")
    prefix: Path = Field(default="rotator/staging", description="The path under it.")


class VaultSection(Section):
    """One Vault and how to reach it."""

    filled_in = frozenset({"address", "auth"})

    address: VaultUrl = Field(description="`https://`, host and port. Absent: VAULT_ADDR.")
    namespace: Path | None = Field(default=None, description="The namespace. Absent: VAULT_NAMESPACE.")
    auth: Annotated[TokenSection | AppRoleSection | KubernetesSection | JwtSection, Field(discriminator="method")] = (
        Field(description="How the program logs in. Absent: VAULT_TOKEN.")
    )
    ca_file: Text | None = Field(
        default=None, description="The authorities that may vouch for Vault. Absent: VAULT_CACERT."
    )
    proxy: ProxyUrl | None = Field(default=None, description="The proxy on the way to Vault.")
    answer_within: AnswerTime = Field(default=written("10s"), description="How long Vault may take to answer one call.")
    staging: StagingSection = Field(
        default=StagingSection(), description="Where new values wait until they are proven."
    )
