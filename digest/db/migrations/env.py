"""What Alembic runs: migrations online, on the engine it was given."""

from __future__ import annotations

import time

from alembic import context

from digest.db.schema import is_compared
from digest.db.tables import metadata

engine = context.config.attributes.get("engine") or context.config.attributes["connection"]
LOCK = 4_271_963  # any number of our own: two migrate jobs at once take turns

with engine.connect() as connection:
    if connection.dialect.name == "postgresql":
        # Asked again and again: who waits within a statement keeps an index from being made concurrently, for ever.
        while not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({LOCK})").scalar_one():
            connection.commit()
            time.sleep(0.2)
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        transaction_per_migration=True,
        include_object=is_compared,
    )
    with context.begin_transaction():
        context.run_migrations()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK})")
    connection.commit()
