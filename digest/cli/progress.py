"""Progress of anything longer than two seconds: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from digest.cli.shell import Failure

LINE_SECONDS = 5.0

Tell = Callable[[int, int | None], None]


@contextmanager
def progress(what: str) -> Iterator[Tell]:
    """A function to call with (done, of how many or None), for work that can be stopped and run again."""
    try:
        with _bar(what) if sys.stderr.isatty() else _lines(what) as tell:
            yield tell
    except KeyboardInterrupt:
        raise Failure("stopped. What was stored stays; run the same command again to finish.") from None


@contextmanager
def _lines(what: str) -> Iterator[Tell]:
    began = told = time.monotonic()

    def tell(done: int, of: int | None) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= LINE_SECONDS:
            told = now
            click.echo(f"{what}: {done:,}{f' of {of:,}' if of else ''} after {now - began:.0f} s", err=True)

    yield tell


@contextmanager
def _bar(what: str) -> Iterator[Tell]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
