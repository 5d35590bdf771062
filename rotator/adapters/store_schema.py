"""The tables of the state database.

* Nothing in them is secret, and a `SecretValue` cannot be written: text columns take text alone.
* Times are aware and in UTC, whatever the engine keeps.
* What the world outside is worth knowing by stands in Okta and Vault; here is what is lost without harm.
* A table that changes gets a migration in `migrations/versions`; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "rotator_version"  # alembic's own table: which migration was the last


class Line(TypeDecorator[str]):
    """Text that every engine takes: PostgreSQL refuses NUL, and both half a surrogate pair."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 -- alike for all
        """Refuse what is no text: a `SecretValue` above all."""
        if value is None:
            return None
        if not isinstance(value, str):
            raise TypeError("only text is kept here")
        return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


class Moment(TypeDecorator[datetime]):
    """An aware time. SQLite keeps it as text without a zone, which is UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuse a time without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("only aware times are kept here")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return it in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Read SQLite's text in one step: ten thousand targets have eighty thousand times."""
        return _from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _from_text(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text is not None else None


metadata = MetaData()
_Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself in an INTEGER alone

lease = Table(
    "rotator_lease",
    metadata,
    Column("key", Line, primary_key=True),  # org host and app id: the same app under any name
    Column("owner", Line, nullable=False),
    Column("until", Moment, nullable=False),  # by the database's clock
    Column("fence", BigInteger, nullable=False),  # one more at each taking, and never less: rows stay
    comment="Who works on which app, and until when.",
)

target = Table(
    "rotator_target",
    metadata,
    Column("name", Line, primary_key=True),
    Column("settings", Line, nullable=False),
    Column("known_since", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False, index=True),  # by the database's clock
    Column("next_at", Moment, nullable=False),
    Column("state", Line, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("soon", Boolean, nullable=False),
    Column("overdue_since", Moment),
    Column("looked_at", Moment),  # NULL: not yet, and all that follows means nothing
    Column("result", Line, nullable=False),
    Column("detail", Line, nullable=False),
    Column("hint", Line, nullable=False),
    Column("waiting", Line, nullable=False),
    Column("until", Moment),
    Column("secret_id", Line),  # Okta's id, no secret
    Column("secret_created", Moment),
    Column("planned", Line, nullable=False),
    Column("rotated_before", Boolean, nullable=False),
    Column("unreached", Boolean, nullable=False),
    Column("step", Line),  # an action's name, and of which secret and why
    Column("step_secret", Line),
    Column("step_why", Line),
    Column("vault_version", BigInteger),
    Column("proof_level", Line),
    Column("proof_detail", Line),
    Column("proof_at", Moment),
    Column("proof_tries", Integer),
    Column("proof_request_id", Line),
    Column("proof_unanswered", Boolean),
    comment="When to look at each target next, and how the last look ended.",
)

rotation = Table(
    "rotator_rotation",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("target", Line, nullable=False, index=True),
    Column("policy", Line, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("begun_at", Moment, nullable=False, index=True),
    Column("ended_at", Moment),
    Column("good", Boolean),
    comment="The rotations that were let begin, and how they ended.",
)

audit = Table(
    "rotator_audit",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("begun", BigInteger),  # the number of the row before the effect; NULL in that row itself
    Column("at", Moment, nullable=False, index=True),
    Column("target", Line, nullable=False, index=True),
    Column("org", Line, nullable=False),
    Column("app_id", Line, nullable=False),
    Column("step", Line, nullable=False),
    Column("phase", Line, nullable=False),  # begins, ended
    Column("how", Line),
    Column("detail", Line, nullable=False),
    Column("actor", Line, nullable=False),
    Column("rotation_id", Line),
    Column("reason", Line, nullable=False),
    Column("request_id", Line),  # those of the writes, parted by commas
    Column("secret_id", Line),  # Okta's id, no secret
    Column("path", Line),
    Column("version", BigInteger),
    Column("proof", Line),
    Column("previous", Line),  # the hash of the row before; NULL with the hash: older than the chain
    Column("hash", Line),
    comment="Every effect at Okta and Vault: a row before it and one after it.",
)

cursor = Table(
    "rotator_cursor",
    metadata,
    Column("org", Line, primary_key=True),  # the alias
    Column("cursor", Line),
    Column("heard_at", Moment),  # NULL: not yet
    Column("owner", Line),
    Column("until", Moment),  # by the database's clock
    comment="How far each org's System Log was heard, and who hears it.",
)

brake = Table(
    "rotator_brake",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # always 1: there is one for all
    Column("pulled", Boolean, nullable=False),
    Column("why", Line, nullable=False),
    Column("hint", Line, nullable=False),
    Column("since", Moment, nullable=False),
    Column("released_by", Line),
    Column("released_at", Moment),
    comment="Whether everything only observes, why, and who last let it go on.",
)

member = Table(
    "rotator_member",
    metadata,
    Column("selection", Line, primary_key=True),
    Column("app_id", Line, primary_key=True),
    Column("client_id", Line, nullable=False),
    Column("label", Line, nullable=False),
    Column("since", Moment, nullable=False),
    Column("newcomer", Boolean, nullable=False),
    Column("gone_since", Moment),
    Column("doubted_since", Moment),
    comment="Which apps each selection matched when it was last listed.",
)

standing = Table(
    "rotator_standing",
    metadata,
    Column("subject", Line, primary_key=True),
    Column("kind", Line, primary_key=True),
    Column("what", Line, nullable=False),
    Column("since", Moment, nullable=False),
    Column("told_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    comment="What people were told last of each subject.",
)

channel = Table(
    "rotator_channel",
    metadata,
    Column("name", Line, primary_key=True),
    Column("owner", Line),
    Column("until", Moment),  # by the database's clock
    Column("tries", Integer, nullable=False),
    Column("next_at", Moment),
    comment="Who sends through each channel, and when it is tried again.",
)

notice = Table(
    "rotator_notice",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("channel", Line, nullable=False),
    Column("id", Line, nullable=False),  # the same in every channel
    Column("kind", Line, nullable=False),
    Column("of", Line),
    Column("subject", Line, nullable=False),
    Column("org", Line, nullable=False),
    Column("app_id", Line, nullable=False),
    Column("policy", Line, nullable=False),
    Column("at", Moment, nullable=False),
    Column("since", Moment, nullable=False),
    Column("detail", Line, nullable=False),
    Column("hint", Line, nullable=False),
    Column("ended_at", Moment),  # NULL: it waits
    Column("leads", Boolean, nullable=False),  # the first of a message that was sent: it counts
    Index("ix_rotator_notice_channel", "channel", "ended_at"),
    comment="What people are to be told, and for a week what they were.",
)
