"""The shape of the configuration: policies, targets, and the whole.

The descriptions are what editors show: the JSON Schema is made from here and from `schema_connections`.
"""

from __future__ import annotations

from datetime import timedelta  # noqa: TC003 -- pydantic looks it up when it builds the models
from typing import Literal

from pydantic import Field, model_validator

from rotator.core.admission import Limits
from rotator.core.model import FieldNames, Policy, Wave
from rotator.settings.kinds import (  # noqa: TC001 -- pydantic looks them up when it builds the models
    AppIdText,
    Day,
    Duration,
    Fraction,
    ListenAddress,
    Number,
    Path,
    PathOfMany,
    Segment,
    SocketPath,
    Spacing,
    Text,
    TimeOfDay,
    Zone,
)
from rotator.settings.schema_connections import SECRET, OrgSection, Section, VaultSection, written
from rotator.settings.schema_hooks import MOST_HOOKS, HookNames, HookSection
from rotator.settings.schema_notify import HeartbeatSection, NotifySection  # noqa: TC001 -- likewise
from rotator.settings.state_url import StateUrl  # noqa: TC001 -- likewise

_DEFAULT = Policy()
_FIELDS = FieldNames()
_LIMITS = Limits()
_WAVE = Wave()
MOST_PLACES = 8


# --- Policies ---------------------------------------------------------------------------------------------


class OverlapSection(Section):
    """How long the old secret stays good. A duration alone means `{min: …}`."""

    min: Duration = Field(description="At least so long.")
    max: Duration | None = Field(
        default=None,
        description="What the log has not shown of its use by then, a person decides. Absent: 30d or twice `min`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_duration(cls, given: object) -> object:
        return given if isinstance(given, dict) else {"min": given}

    @model_validator(mode="after")
    def _in_order(self) -> OverlapSection:
        if self.longest < self.min:
            raise ValueError("has a `max` shorter than `min`; make it longer, or leave it out")
        return self

    @property
    def longest(self) -> timedelta:
        """After so long a person decides."""
        return self.max or max(_DEFAULT.overlap_max, 2 * self.min)


class WindowSection(Section):
    """When disruptive steps may begin. A window whose end is before its start runs past midnight."""

    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(min_length=1)
    since: TimeOfDay = Field(alias="from", description='In quotes: "09:00".')
    to: TimeOfDay = Field(description='In quotes: "16:00".')
    zone: Zone = Field(description="An IANA name; the times are wall time there.")


class BlackoutSection(Section):
    """Days on which no disruptive step may begin."""

    first: Day = Field(alias="from", description="The first of them.")
    to: Day | None = Field(default=None, description="The last of them. Absent: the first is the only one.")
    zone: Zone = Field(description="An IANA name; the days are those of the calendar there.")

    @model_validator(mode="after")
    def _in_order(self) -> BlackoutSection:
        if self.to is not None and self.to < self.first:
            raise ValueError("ends before it begins; exchange `from` and `to`")
        return self


class WaveSection(Section):
    """How many rotations of this policy begin together."""

    canary: Number = Field(default=_WAVE.canary, ge=1, description="So many at first, after a day without.")
    size: Number = Field(default=_WAVE.size, ge=1, description="So many in each wave after that.")
    spacing: Spacing = Field(
        default=written(_WAVE.spacing), description="The next wave begins so long after the last, at the earliest."
    )

    @model_validator(mode="after")
    def _in_order(self) -> WaveSection:
        if self.canary > self.size:
            raise ValueError("has a `canary` larger than `size`; what goes first must not be more")
        return self


class PolicySection(Section):
    """When and how to rotate."""

    mode: Literal["observe", "auto", "manual", "approve"] = Field(
        default="observe",
        description="observe: change nothing. auto: rotate what is due. manual: rotate only when told. approve: rotate "
        "what is due when a person has approved it.",
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
    usage: Literal["required", "stop_if_seen", "off"] = Field(
        default=_DEFAULT.usage.value,
        description="What the System Log must show before the old secret is switched off. required: that nobody uses "
        "it. stop_if_seen: no use. off: nothing.",
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
    blackouts: list[BlackoutSection] = Field(default=[], max_length=50, description="Days on which they may not.")
    wave: WaveSection | None = Field(default=None, description="Rotations in waves. Absent: each begins when due.")
    backlog_spread: Duration | None = Field(
        default=None, description="What is overdue when it is first seen begins within so long. Absent: at once."
    )
    daily_cap: Number = Field(
        default=_DEFAULT.daily_cap, ge=1, le=20, description="The most secrets made for one target in 24 hours."
    )
    hooks: HookNames = Field(
        default=[], max_length=MOST_HOOKS, description="What is run after a promotion, in this order: names of `hooks`."
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
        min_length=1, max_length=MOST_PLACES, description="Where the secret is written; the first place leads."
    )
    hooks: HookNames | None = Field(default=None, max_length=MOST_HOOKS, description="Instead of the policy's.")


# --- Selections -------------------------------------------------------------------------------------------


class WhereSection(Section):
    """Which apps: by a pattern on the label, or by their ids."""

    label: Text | None = Field(
        default=None, description='As of a shell, in quotes: "svc-*". Capitals count; `?` is one character.'
    )
    apps: list[AppIdText] | None = Field(default=None, min_length=1, description="The apps' instance ids, `0oa…`.")

    @model_validator(mode="after")
    def _one_way(self) -> WhereSection:
        if (self.label is None) == (self.apps is None):
            raise ValueError("must say which apps in one way; write either `label` or `apps`")
        return self


class DestinationsSection(Section):
    """The keys that the applications read."""

    mount: Path = Field(description="A KV v2 mount.")
    path: PathOfMany = Field(description="The path under it, with `{app_id}` or `{client_id}`; without `data/`.")
    fields: FieldsSection = Field(default=FieldsSection(), description="The names of the two fields.")


class OverrideSection(Section):
    """What is different for one app of a selection."""

    policy: Text | None = Field(default=None, description="A name under `policies`, instead of the selection's.")
    mode: Literal["observe", "auto", "manual", "approve"] | None = Field(
        default=None, description="Instead of the policy's."
    )


class SelectionSection(Section):
    """Many apps of an org, each with a Vault path of its own."""

    filled_in = frozenset({"org", "vault"})

    org: Text = Field(description="The alias under `okta`. Default: the only one.")
    vault: Text = Field(description="The alias under `vaults`. Default: the only one.")
    where: WhereSection = Field(description="Which apps.")
    max_matches: Number = Field(
        default=2000, ge=1, le=50_000, description="If more apps match, nothing of the selection changes."
    )
    policy: Text = Field(
        default="default", description="The name under `policies`. Default: `default`, which observes."
    )
    newcomers: Literal["observe", "policy"] = Field(
        default="observe",
        description="What an app is treated as when it begins to match. observe: only looked at, until a person lets "
        "it in. policy: as its policy says, at once.",
    )
    verify_: VerifySection = Field(default=VerifySection(), alias="verify", description="How new secrets are proven.")
    write_to: list[DestinationsSection] = Field(
        min_length=1, max_length=MOST_PLACES, description="Where the secrets are written; the first place leads."
    )
    hooks: HookNames | None = Field(default=None, max_length=MOST_HOOKS, description="Instead of the policy's.")
    overrides: dict[AppIdText, OverrideSection] = Field(
        default={}, description="What is different for single apps, by app id."
    )


# --- The whole --------------------------------------------------------------------------------------------


class LimitsSection(Section):
    """More rotations than these are held back until a person has looked."""

    urgent_at_once: Number = Field(
        default=_LIMITS.urgent_at_once, ge=1, description="So many urgent ones may begin within a day."
    )
    urgent_share: Fraction = Field(
        default=_LIMITS.urgent_share, ge=0, le=1, description="Or for so large a part of all targets, if that is more."
    )
    failures: Number = Field(
        default=_LIMITS.failures, ge=1, description="After so many in a row that failed only one at a time is tried."
    )


class HealthSection(Section):
    """Where probes and Prometheus find the daemon: /livez, /readyz and /metrics, nothing else, no secrets."""

    listen: ListenAddress = Field(
        description='An address and a port, in quotes: "127.0.0.1:8321". Plain http, and whoever reaches it may look.'
    )


class StateSection(Section):
    """The state database: leases, history, and what is known of the targets. Nothing secret is in it."""

    filled_in = frozenset({"url"})

    url: StateUrl = Field(
        description="`sqlite:////` and a path, or `postgresql://user@host/name` for several processes. "
        "Default: a file in the state directory."
    )
    password_file: Text | None = Field(default=None, description=f"PostgreSQL's password. {SECRET}")


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

    filled_in = frozenset({"okta", "vaults", "state", "health", "control", "notify", "heartbeat"})

    okta: dict[str, OrgSection] = Field(description="The Okta orgs, by alias; a single one may go without alias.")
    vaults: dict[str, VaultSection] = Field(description="The Vaults, by alias; a single one may go without alias.")
    policies: dict[str, PolicySection] = Field(default={}, description="When and how to rotate, by name.")
    targets: dict[str, TargetSection] = Field(default={}, description="The apps whose secrets are kept fresh, by name.")
    selections: dict[str, SelectionSection] = Field(
        default={}, description="Many apps at once: those of an org that a pattern or a list means, by name."
    )
    hooks: dict[str, HookSection] = Field(default={}, description="What is run after a promotion, by name.")
    limits: LimitsSection = Field(default=LimitsSection(), description="Where the program stops and asks.")
    state: StateSection = Field(description="The state database. Absent: a file in the state directory.")
    engine: Literal["local", "postgres"] = Field(
        default="local",
        description="Who makes the passes. local: each process its own. postgres: whichever process is free, by a"
        " queue in the state database, which has to be PostgreSQL.",
    )
    health: HealthSection = Field(description="Where the daemon tells how it is. Absent: nowhere.")
    control: ControlSection = Field(description="Where operators' commands reach the daemon.")
    notify: NotifySection = Field(description="Whom the daemon tells what it does and cannot do. Absent: nobody.")
    heartbeat: HeartbeatSection = Field(description="Who is pinged while all is well. Absent: nobody.")
