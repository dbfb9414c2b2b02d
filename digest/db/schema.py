"""Bring a database to the newest schema, and tell where it stands."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from digest.db import fulltext

MIGRATIONS = Path(__file__).parent / "migrations"


def _config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = engine
    return config


def migrate(engine: Engine, to: str = "head") -> tuple[str | None, str]:
    """Upgrade and return (revision before, revision now). Running it again changes nothing."""
    before = revision(engine)
    command.upgrade(_config(engine), to)
    return before, str(revision(engine))


def revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return str(ScriptDirectory.from_config(config).get_current_head())


def is_compared(_item: object, name: str | None, _kind: str, _reflected: bool, _other: object) -> bool:
    """Whether Alembic compares this table, column or index with the metadata: all but the full-text index."""
    return not fulltext.is_ours(name)
