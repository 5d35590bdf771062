"""What comes next with each target, so that it can be told without a look."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("rotator_target", sa.Column("step", sa.Text))
    op.add_column("rotator_target", sa.Column("step_secret", sa.Text))
    op.add_column("rotator_target", sa.Column("step_why", sa.Text))
    op.add_column("rotator_target", sa.Column("vault_version", sa.BigInteger))
