"""The first tables. A new database has its brake on: what it has forgotten might have held rotations back."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "rotator_lease",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        comment="Who works on which app, and until when.",
    )
    _target()
    _rotation()
    _audit()
    op.create_table(
        "rotator_cursor",
        sa.Column("org", sa.Text, primary_key=True),
        sa.Column("cursor", sa.Text),
        sa.Column("heard_at", MOMENT),
        sa.Column("owner", sa.Text),
        sa.Column("until", MOMENT),
        comment="How far each org's System Log was heard, and who hears it.",
    )
    _brake()
    op.create_table(
        "rotator_member",
        sa.Column("selection", sa.Text, primary_key=True),
        sa.Column("app_id", sa.Text, primary_key=True),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("newcomer", sa.Boolean, nullable=False),
        sa.Column("gone_since", MOMENT),
        sa.Column("doubted_since", MOMENT),
        comment="Which apps each selection matched when it was last listed.",
    )


def _target() -> None:
    op.create_table(
        "rotator_target",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("known_since", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False, index=True),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("soon", sa.Boolean, nullable=False),
        sa.Column("overdue_since", MOMENT),
        sa.Column("looked_at", MOMENT),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("waiting", sa.Text, nullable=False),
        sa.Column("until", MOMENT),
        sa.Column("secret_id", sa.Text),
        sa.Column("secret_created", MOMENT),
        sa.Column("planned", sa.Text, nullable=False),
        sa.Column("rotated_before", sa.Boolean, nullable=False),
        sa.Column("unreached", sa.Boolean, nullable=False),
        sa.Column("proof_level", sa.Text),
        sa.Column("proof_detail", sa.Text),
        sa.Column("proof_at", MOMENT),
        sa.Column("proof_tries", sa.Integer),
        sa.Column("proof_request_id", sa.Text),
        sa.Column("proof_unanswered", sa.Boolean),
        comment="When to look at each target next, and how the last look ended.",
    )


def _rotation() -> None:
    op.create_table(
        "rotator_rotation",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("target", sa.Text, nullable=False, index=True),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("urgent", sa.Boolean, nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False, index=True),
        sa.Column("ended_at", MOMENT),
        sa.Column("good", sa.Boolean),
        comment="The rotations that were let begin, and how they ended.",
    )


def _audit() -> None:
    op.create_table(
        "rotator_audit",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("begun", sa.BigInteger),
        sa.Column("at", MOMENT, nullable=False, index=True),
        sa.Column("target", sa.Text, nullable=False, index=True),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("app_id", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("how", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("rotation_id", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        comment="Every effect at Okta and Vault: a row before it and one after it.",
        sqlite_autoincrement=True,  # the number of a row that was pruned never comes again
    )


def _brake() -> None:
    brake = op.create_table(
        "rotator_brake",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("pulled", sa.Boolean, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("released_by", sa.Text),
        sa.Column("released_at", MOMENT),
        comment="Whether everything only observes, why, and who last let it go on.",
    )
    op.bulk_insert(
        brake,
        [
            {
                "number": 1,
                "pulled": True,
                "why": "the state database is new",
                "hint": "`rotator resume --all` lets it go on.",
                "since": datetime.now(UTC),
            }
        ],
    )
