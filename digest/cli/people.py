"""Commands about subscribers: in, out, looked at, forgotten."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click

from digest.cli.progress import Tell, progress
from digest.cli.shell import Failure, reports, settings_of
from digest.db.engine import reading
from digest.install import Install
from digest.subscribers import export as personal
from digest.subscribers import lifecycle, rows, transfer
from digest.subscribers.address import AddressRefused, own_mailboxes, parse
from digest.subscribers.subscriber import Preferences, Subscriber
from digest.subscribers.tabular import TransferRefused, read_lines

MOST_BAD_SHOWN = 20
TOLD_EVERY = 1_000


@click.group()
def subscribers() -> None:
    """Import, export, show and forget subscribers."""


@contextmanager
def _opened(context: click.Context) -> Iterator[Install]:
    install = Install.open(settings_of(context))
    try:
        yield install
    finally:
        install.close()


@dataclass(frozen=True)
class Imported:
    """What became of the rows of a file."""

    report: transfer.ImportReport

    @property
    def ok(self) -> bool:
        return not self.report.bad_rows

    def to_json(self) -> dict[str, Any]:
        r = self.report
        bad = [{"line": one.line, "reason": one.reason} for one in r.bad]
        return {
            "ok": self.ok,
            "rows": r.rows,
            "added": r.added,
            "left_out": dict(r.left_out),
            "bad_rows": r.bad_rows,
            "bad": bad,
            "unread_columns": sorted(r.unread),
        }

    def __str__(self) -> str:
        r = self.report
        lines = [f"{r.rows:,} read: {r.added:,} added, {sum(r.left_out.values()):,} left out, {r.bad_rows:,} bad"]
        lines += [f"  left out {number:,}: {reason}" for reason, number in r.left_out.most_common() if number]
        lines += [f"  line {one.line}: {one.reason}" for one in r.bad[:MOST_BAD_SHOWN]]
        if r.bad_rows > MOST_BAD_SHOWN:
            lines.append(
                f"  and {r.bad_rows - MOST_BAD_SHOWN:,} more; --json lists the first {transfer.MOST_BAD_SHOWN:,}"
            )
        if r.unread:
            lines.append(f"Not read, since no preference is called so: {', '.join(sorted(r.unread))}.")
        if r.bad_rows:
            lines.append(
                "The good rows are in. Correct the bad ones and import the file again: what is there is left as it is."
            )
        return "\n".join(lines)


@subscribers.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--active",
    is_flag=True,
    help="They agreed before: readers at once, with the file's proof of consent. Without it each is asked by mail.",
)
@click.pass_context
@reports
def import_(context: click.Context, file: Path, active: bool) -> Imported:
    """Add subscribers from a CSV or JSON-lines FILE (- for standard input)."""
    settings = settings_of(context)
    base = Preferences(language=settings.language)
    own = own_mailboxes(settings.from_address, settings.mail_reply_to, settings.envelope_domain)
    name = "standard input" if file == Path("-") else file.name
    with (
        _opened(context) as install,
        click.open_file(str(file), "rb") as given,
        closing(read_lines(given)) as lines,
        progress("rows") as tell,
    ):
        try:
            report = transfer.import_subscribers(
                install.engine,
                lines,
                install.now(),
                is_active=active,
                source=f"imported from {name}",
                base=base,
                own=own,
                progress=lambda done: tell(done, None),
            )
        except TransferRefused as error:
            raise Failure(f"{name} was not imported: {error}") from None
    return Imported(report)


@subscribers.command()
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="File to write; without it, standard output.",
)
@click.pass_context
def export(context: click.Context, form: str, out: Path | None) -> None:
    """Write all subscribers as CSV or JSON lines, in the form that import reads."""
    with _opened(context) as install:
        _export(install, form, out)


def _export(install: Install, form: str, out: Path | None) -> None:
    with reading(install.engine).connect() as connection, progress("lines") as tell:
        lines = _told(transfer.export_subscribers(connection, form), tell)
        if out is None:
            sys.stdout.writelines(lines)
            return
        with _whole(out) as file:
            file.writelines(lines)
    click.echo(f"Written to {out}.", err=True)


@contextmanager
def _whole(out: Path) -> Iterator[IO[str]]:
    """The file to write under its name once it is whole: half an export looks like one of fewer readers."""
    if out.exists() and not out.is_file():  # a pipe or a device
        with out.open("w", encoding="utf-8", newline="") as file:
            yield file
        return
    place = out.resolve()
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        with _opened_for(out, part) as file:
            if place.exists():
                shutil.copymode(place, part)
            yield file
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


def _opened_for(out: Path, part: Path) -> IO[str]:
    try:
        return part.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(out)) from None


def _told(lines: Iterator[str], tell: Tell) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        yield line
        if number % TOLD_EVERY == 0:
            tell(number, None)


@dataclass(frozen=True)
class Shown:
    """All that is stored about one subscriber."""

    found: dict[str, Any]
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        return self.found

    def __str__(self) -> str:
        return json.dumps(self.found, indent=2, default=str, ensure_ascii=False)


@subscribers.command()
@click.argument("address")
@click.pass_context
@reports
def show(context: click.Context, address: str) -> Shown:
    """Everything stored about ADDRESS: state, preferences, consent, every mail and why one did not go."""
    with _opened(context) as install, reading(install.engine).connect() as connection:
        found = _find(connection, address)
        return Shown(personal.export(connection, found.id) or {})


@dataclass(frozen=True)
class Forgotten:
    address: str
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        return {"forgotten": True}

    def __str__(self) -> str:
        return f"Everything about {self.address} is deleted. The ledger keeps its counts, without a name."


@subscribers.command()
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
@reports
def forget(context: click.Context, address: str, yes: bool) -> Forgotten:
    """Delete everything about ADDRESS."""
    with _opened(context) as install:
        with reading(install.engine).connect() as connection:
            found = _find(connection, address)
        if not yes and sys.stdin.isatty():
            click.confirm(f"Delete everything about {found.email}? This cannot be undone.", abort=True)
        with install.engine.begin() as connection:
            lifecycle.forget(connection, found.id, install.now())
    return Forgotten(address)


def _find(connection: Any, address: str) -> Subscriber:
    try:
        found = rows.find(connection, parse(address))
    except AddressRefused as error:
        raise Failure(f"{address!r} is not an address: {error}") from None
    if found is None:
        raise Failure(f"nobody is known by {address}. `digest subscribers export` lists who is.")
    return found
