"""The audit's chain, and what an auditor asks for besides. Rows that are there stay without a hash."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("rotator_audit", sa.Column("secret_id", sa.Text))
    op.add_column("rotator_audit", sa.Column("path", sa.Text))
    op.add_column("rotator_audit", sa.Column("version", sa.BigInteger))
    op.add_column("rotator_audit", sa.Column("proof", sa.Text))
    op.add_column("rotator_audit", sa.Column("previous", sa.Text))
    op.add_column("rotator_audit", sa.Column("hash", sa.Text))
