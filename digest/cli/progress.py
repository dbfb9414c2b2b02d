"""Progress of anything longer than two seconds: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_SECONDS = 5.0

Tell = Callable[[int, int | None], None]


def progress(what: str) -> Tell:
    """A function to call with (done, of how many or None)."""
    return _bar(what) if sys.stderr.isatty() else _lines(what)


def _lines(what: str) -> Tell:
    began = told = time.monotonic()

    def tell(done: int, of: int | None) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= LINE_SECONDS:
            told = now
            click.echo(f"{what}: {done:,}{f' of {of:,}' if of else ''} after {now - began:.0f} s", err=True)

    return tell


def _bar(what: str) -> Tell:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=None)
    bar.start()

    def tell(done: int, of: int | None) -> None:
        bar.update(task, completed=done, total=of)
        if of is not None and done >= of:
            bar.stop()

    return tell
