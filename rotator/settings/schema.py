"""The shape of the configuration: policies, targets, and the whole.

The descriptions are what editors show: the JSON Schema is made from here and from `schema_connections`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from rotator.core.model import FieldNames, Policy
from rotator.settings.kinds import (  # noqa: TC001 -- pydantic looks them up when it builds the models
    AppIdText,
    Duration,
    ListenAddress,
    Number,
    Path,
    Segment,
    SocketPath,
    Text,
    TimeOfDay,
    Zone,
)
from rotator.settings.schema_connections import OrgSection, Section, VaultSection, written

_DEFAULT = Policy()
_FIELDS = FieldNames()


# --- Policies ---------------------------------------------------------------------------------------------


class OverlapSection(Section):
    """How long the old secret stays good. A duration alone means `{min: …}`."""

    min: Duration = Field(description="At least so long.")

    @model_validator(mode="before")
    @classmethod
    def _from_duration(cls, given: object) -> object:
        return given if isinstance(given, dict) else {"min": given}


class WindowSection(Section):
    """When disruptive steps may begin. A window whose end is before its start runs past midnight."""

    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(min_length=1)
    since: TimeOfDay = Field(alias="from", description='In quotes: "09:00".')
    to: TimeOfDay = Field(description='In quotes: "16:00".')
    zone: Zone = Field(description="An IANA name; the times are wall time there.")


class PolicySection(Section):
    """When and how to rotate."""

    mode: Literal["observe", "auto", "manual"] = Field(
        default="observe",
        description="observe: change nothing. auto: rotate what is due. manual: rotate only when told.",
    )
    onboard: Literal["adopt", "rotate"] = Field(
        default="adopt", description="What to do with an app that has one active secret and an empty path in Vault."
    )
    rotate_after: Duration = Field(
        default=written(_DEFAULT.rotate_after), description="The age at which a secret is replaced."
    )
    overlap: OverlapSection = Field(
        default=written(_DEFAULT.overlap),
        description="How long the old secret stays good after the new one is out.",
    )
    soak: Duration = Field(
        default=written(_DEFAULT.soak),
        description="How long the old secret stays switched off before it is deleted.",
    )
    reclaim_after: Duration = Field(
        default=written(_DEFAULT.reclaim_after),
        description="After so long an inactive secret that is not ours may be deleted for room.",
    )
    on_unknown_value: Literal["block", "rotate"] = Field(
        default="block", description="What to do when Vault holds a value that neither Okta nor we know."
    )
    windows: list[WindowSection] = Field(default=[], description="When disruptive steps may begin. None: always.")
    daily_cap: Number = Field(
        default=_DEFAULT.daily_cap, ge=1, le=20, description="The most secrets made for one target in 24 hours."
    )


# --- Targets ----------------------------------------------------------------------------------------------


class VerifySection(Section):
    """Where the test token request goes."""

    authorization_server: Segment | None = Field(
        default=None, description="The id of a custom server, such as `default`. Absent: the org's own."
    )
    scope: Text | None = Field(default=None, description="The scope to ask for. Absent: the server's default.")


class FieldsSection(Section):
    """Under which names the application reads the two values."""

    client_id: Segment = Field(default=_FIELDS.client_id)
    client_secret: Segment = Field(default=_FIELDS.client_secret)


class DestinationSection(Section):
    """The key that the application reads."""

    mount: Path = Field(description="A KV v2 mount.")
    path: Path = Field(description="The path under it, without `data/`.")
    fields: FieldsSection = Field(default=FieldsSection(), description="The names of the two fields.")


class TargetSection(Section):
    """One Okta app and the Vault path that its application reads."""

    filled_in = frozenset({"org", "vault"})

    app_id: AppIdText = Field(description="The app's instance id, `0oa…`: the last part of its address in the console.")
    org: Text = Field(description="The alias under `okta`. Default: the only one.")
    vault: Text = Field(description="The alias under `vaults`. Default: the only one.")
    policy: Text = Field(
        default="default", description="The name under `policies`. Default: `default`, which observes."
    )
    verify_: VerifySection = Field(default=VerifySection(), alias="verify", description="How a new secret is proven.")
    write_to: list[DestinationSection] = Field(
        min_length=1, max_length=1, description="Where the secret is written: just one place in this release."
    )


class HealthSection(Section):
    """Where probes and Prometheus find the daemon: /livez, /readyz and /metrics, nothing else, no secrets."""

    listen: ListenAddress = Field(
        description='An address and a port, in quotes: "127.0.0.1:8321". Plain http, and whoever reaches it may look.'
    )


class ControlSection(Section):
    """The unix socket through which pause, resume, rotate and status reach a running daemon."""

    socket: SocketPath | None = Field(
        default=None,
        description="Its path; nobody else may write to its folder. Default: control.sock in $RUNTIME_DIRECTORY, or in"
        " the state folder.",
    )
    group: Text | None = Field(default=None, description="Whose members may use it, beside the daemon's own user.")


class Configuration(Section):
    """The configuration of rotator."""

    filled_in = frozenset({"okta", "vaults", "health", "control"})

    okta: dict[str, OrgSection] = Field(description="The Okta orgs, by alias; a single one may go without alias.")
    vaults: dict[str, VaultSection] = Field(description="The Vaults, by alias; a single one may go without alias.")
    policies: dict[str, PolicySection] = Field(default={}, description="When and how to rotate, by name.")
    targets: dict[str, TargetSection] = Field(default={}, description="The apps whose secrets are kept fresh, by name.")
    health: HealthSection = Field(description="Where the daemon tells how it is. Absent: nowhere.")
    control: ControlSection = Field(description="Where operators' commands reach the daemon.")
