"""What Alembic runs: migrations online, on the engine it was given."""

from __future__ import annotations

from alembic import context

from digest.db.schema import is_compared
from digest.db.tables import metadata

engine = context.config.attributes.get("engine") or context.config.attributes["connection"]
LOCK = 4_271_963  # any number of our own: two migrate jobs at once take turns

with engine.connect() as connection:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK})")
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
