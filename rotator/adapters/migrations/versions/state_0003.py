"""The box of notices: what was told, what is to be told, and the channels that tell it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "rotator_standing",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        comment="What people were told last of each subject.",
    )
    op.create_table(
        "rotator_channel",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text),
        sa.Column("until", MOMENT),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_at", MOMENT),
        comment="Who sends through each channel, and when it is tried again.",
    )
    _notice()


def _notice() -> None:
    op.create_table(
        "rotator_notice",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("of", sa.Text),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("org", sa.Text, nullable=False),
        sa.Column("app_id", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("leads", sa.Boolean, nullable=False),
        comment="What people are to be told, and for a week what they were.",
    )
    op.create_index("ix_rotator_notice_channel", "rotator_notice", ["channel", "ended_at"])
