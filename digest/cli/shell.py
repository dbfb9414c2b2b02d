"""What all commands share: settings that explain themselves, reports as text or JSON, days and instants as arguments."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Protocol

import click
from sqlalchemy.exc import DatabaseError

from digest.logs import configure
from digest.settings import Settings, SettingsError, load, misspelt

FIRST_YEAR, LAST_YEAR = 1990, 2199  # of any paper and any digest; beyond them, sums of dates leave the calendar


class Day(click.DateTime):
    """A day as YYYY-MM-DD, within the years that make sense."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            day = super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no day. Write it like 2026-06-09.", param, ctx)
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            self.fail(f"{value!r} lies outside the years {FIRST_YEAR} to {LAST_YEAR}.", param, ctx)
        return day


class Instant(click.DateTime):
    """`2026-06-09T07:00Z` as an aware time in UTC; a time without a zone is taken as UTC."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            at = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        except ValueError:
            self.fail(f"{value!r} is no instant. Write it like 2026-06-09T07:00:00Z.", param, ctx)
        if not FIRST_YEAR <= at.year <= LAST_YEAR:
            self.fail(f"{value!r} lies outside the years {FIRST_YEAR} to {LAST_YEAR}.", param, ctx)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


DAY = Day(["%Y-%m-%d"])
INSTANT = Instant()


class Failure(click.ClickException):
    """What happened, why, and what to do next; exit 1."""

    exit_code = 1


class Report(Protocol):
    """What a command gives back: readable text, JSON, and whether it went well."""

    @property
    def ok(self) -> bool: ...

    def to_json(self) -> dict[str, Any]: ...


def reports(command: Callable[..., Report]) -> Callable[..., None]:
    """Give a command `--json`; what it returns is printed and decides the exit code."""

    @click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
    @wraps(command)
    def run(*args: Any, is_json: bool, **kwargs: Any) -> None:
        report = command(*args, **kwargs)
        text = json.dumps(report.to_json(), default=str, ensure_ascii=False) if is_json else str(report)
        click.echo(text)
        if not report.ok:
            sys.exit(1)

    return run


@contextmanager
def explained() -> Iterator[None]:
    """Errors become a sentence that says what to do; with DIGEST_LOG_LEVEL=DEBUG, a fault of ours shows where it lies."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise  # click has words for these, and ends quietly when whoever reads our output has enough
    except SettingsError as error:
        raise Failure(f"the settings are not usable.\n{error}") from None
    except DatabaseError as error:
        raise Failure(database_words(error)) from None
    except OSError as error:
        raise Failure(file_words(error)) from None
    except Exception as error:
        if os.environ.get("DIGEST_LOG_LEVEL") == "DEBUG":
            raise
        raise Failure(
            f"something went wrong that should not ({type(error).__name__}: {error}). What was stored stays. Run this "
            "command again; if it fails again, set DIGEST_LOG_LEVEL=DEBUG to see where, and please report it."
        ) from error


def file_words(error: OSError) -> str:
    """What a refused file, folder or connection means, and the remedy."""
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror or error}. Correct the path, its permissions or the settings, then run this command again."


def database_words(error: DatabaseError) -> str:
    """What a database error means, and the remedy."""
    said = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
    if 'FATAL:  database "' in said:
        return f"there is no such database ({said}). Make it with createdb, or correct DIGEST_DATABASE_URL, then run this command again."
    if "no such table" in said or ("does not exist" in said and "FATAL" not in said):
        return f"the database has no tables yet, or old ones ({said}). Run `digest migrate`, then this command again."
    if "readonly" in said or "read-only" in said or "permission denied" in said:
        return f"the database cannot be written ({said}). Give this user the right to write there, or set DIGEST_DATABASE_URL to another place."
    if "not a database" in said or "malformed" in said:
        return f"the database file is damaged or is something else ({said}). Set DIGEST_DATABASE_URL to another file, or restore a backup."
    if "unable to open" in said:
        return f"the database file cannot be opened ({said}). See that DIGEST_DATABASE_URL names a file in a folder this user may write to."
    return f"the database did not answer ({said}). See that it runs and that DIGEST_DATABASE_URL is right, then run this command again."


def settings_of(context: click.Context) -> Settings:
    """The settings of this process, read once."""
    if not isinstance(context.find_root().obj, Settings):
        context.find_root().obj = load()
        configure(context.find_root().obj)
        for name, meant in misspelt().items():
            click.echo(f"Warning: {name} is no setting and has no effect; did you mean {meant}?", err=True)
    settings: Settings = context.find_root().obj
    return settings
