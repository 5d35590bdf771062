"""Where alembic begins: it works in the transaction that was begun for it, on both engines."""

from __future__ import annotations

from alembic import context

from rotator.adapters.store_schema import VERSION, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION,
)
context.run_migrations()
