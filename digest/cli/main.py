"""The group of all commands."""

from __future__ import annotations

from typing import Any

import click

from digest import __version__
from digest.cli import bench, check, demo, mail, people, run, serve
from digest.cli.shell import explained


class Commands(click.Group):
    """All commands; whatever goes wrong in one becomes a sentence here."""

    def invoke(self, ctx: click.Context) -> Any:
        with explained():
            return super().invoke(ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="digest")
def main() -> None:
    """A daily research-paper digest by e-mail: everyone their own ranking, no mail lost or sent twice."""


for command in (
    demo.demo,
    serve.up,
    serve.web,
    serve.worker,
    serve.beat,
    check.migrate,
    check.settings,
    check.doctor,
    run.ingest,
    run.run,
    run.report,
    run.restored,
    people.subscribers,
    mail.preview,
    mail.bounce,
    mail.bounces,
    bench.bench,
):
    main.add_command(command)
