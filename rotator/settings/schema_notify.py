"""The shape of the sections that say whom to tell, and who misses us when we are gone.

The descriptions are what editors show, as those of `schema`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from rotator.core.deadlines import Deadlines
from rotator.core.notices import Rules
from rotator.settings.kinds import (
    AnswerTime,
    Duration,
    EnvironmentText,
    Number,
    ProxyUrl,
    Segment,
    Spacing,
    Text,
    Words,
)
from rotator.settings.schema_connections import SECRET, Section, written
from rotator.settings.schema_hooks import HookUrl  # noqa: TC001 -- pydantic looks it up

AT_MOST = 20
_RULES, _DEADLINES = Rules(()), Deadlines()

Event = Literal[
    "rotated", "failed", "blocked", "in_use", "reactivated", "upcoming", "late", "brake", "recovered"
]  # those of `core.notices.Kind`; a test compares them


def _listed(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, EnvironmentText) else value


Events = Annotated[list[Event], BeforeValidator(_listed)]


class ChannelSection(Section):
    """What all channels have."""

    events: Events | None = Field(default=None, min_length=1, description="Only these. Absent: all that there are.")
    targets: Words | None = Field(
        default=None,
        min_length=1,
        description='Only of these targets, by name or pattern: "services/*". Absent: of all.',
    )
    policies: Words | None = Field(
        default=None, min_length=1, description="Only of targets with these policies. Absent: of all."
    )
    at_most: Number = Field(
        default=AT_MOST, ge=1, le=3600, description="So many messages in an hour; the last holds all that waits."
    )
    ca_file: Text | None = Field(
        default=None, description="The authorities that may vouch for the receiver. Absent: the usual ones."
    )
    proxy: ProxyUrl | None = Field(default=None, description="The proxy on the way there.")


class AppriseSection(ChannelSection):
    """One of the services that Apprise knows: chats, mail, pagers. Needs `rotator[notify]`."""

    kind: Literal["apprise"] = Field(description="A service by Apprise.")
    url_file: Text = Field(description=f"The service's URL as Apprise writes it; it is a secret. {SECRET}")
    answer_within: AnswerTime = Field(default=written("30s"), description="How long sending one message may take.")


class WebhookSection(ChannelSection):
    """An HTTP POST of JSON that is signed."""

    kind: Literal["webhook"] = Field(description="A program of yours.")
    url: HookUrl | None = Field(default=None, description="Where to; `https://`. Or name `url_file`.")
    url_file: Text | None = Field(default=None, description=f"Where to, if the address itself is a secret. {SECRET}")
    secret_file: Text = Field(description=f"The secret that both sides know; it signs. {SECRET}")
    answer_within: AnswerTime = Field(default=written("10s"), description="How long the receiver may take.")

    @model_validator(mode="after")
    def _one_url(self) -> WebhookSection:
        if (self.url is None) == (self.url_file is None):
            raise ValueError("needs an address; write either `url` or `url_file`")
        return self


class NotifySection(Section):
    """Whom to tell what the daemon does, and what it cannot do."""

    channels: dict[Segment, Annotated[AppriseSection | WebhookSection, Field(discriminator="kind")]] = Field(
        min_length=1, description="Ways to people and programs, by name."
    )
    repeat_after: Duration = Field(
        default=written(_RULES.repeat_after), description="What lasts is told again after so long."
    )
    upcoming: Duration | None = Field(
        default=None, description="A rotation is told so long before it is due. Absent: not."
    )
    late_after: Duration = Field(
        default=written(_DEADLINES.late_after), description="A step is late when it is overdue by so long."
    )


class HeartbeatSection(Section):
    """A URL that is fetched while all is well: whoever misses that raises an alarm."""

    url_file: Text = Field(description=f"The URL; it is a secret. {SECRET}")
    every: Spacing = Field(default=written("1m"), description="At most so often.")
    ca_file: Text | None = Field(
        default=None, description="The authorities that may vouch for it. Absent: the system's."
    )
    proxy: ProxyUrl | None = Field(default=None, description="The proxy on the way there.")
    answer_within: AnswerTime = Field(default=written("10s"), description="How long it may take.")
