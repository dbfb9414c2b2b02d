"""Commands that look: settings, the schema, and whether everything works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from digest.cli.shell import reports, settings_of


@dataclass(frozen=True)
class Migrated:
    before: str | None
    now: str
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        return {"ok": True, "before": self.before, "now": self.now}

    def __str__(self) -> str:
        if self.before == self.now:
            return f"The database is at the newest schema ({self.now}); nothing to do."
        return f"The database went from {self.before or 'empty'} to schema {self.now}."


@click.command()
@click.pass_context
@reports
def migrate(context: click.Context) -> Migrated:
    """Bring the database to the newest schema. Running it again changes nothing."""
    from digest.db.engine import make_engine
    from digest.db.schema import migrate as upgrade

    engine = make_engine(settings_of(context).database_url)
    try:
        return Migrated(*upgrade(engine))
    finally:
        engine.dispose()


@dataclass(frozen=True)
class Shown:
    values: dict[str, str]
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        return dict(self.values)

    def __str__(self) -> str:
        return "\n".join(f"{name}={value}" for name, value in self.values.items())


@click.command()
@click.pass_context
@reports
def settings(context: click.Context) -> Shown:
    """The settings in force, secrets masked."""
    return Shown(settings_of(context).masked())


@click.command()
@click.pass_context
@reports
def doctor(context: click.Context) -> Any:
    """Check settings, database, broker, beat, sources, mail server, DNS records and the last run."""
    from digest.doctor import examine

    return examine(settings_of(context))
