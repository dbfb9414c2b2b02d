"""The group of all commands."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from digest import __version__
from digest.cli.shell import explained

MODULES = {  # of digest.cli -> its commands, in the order of the help
    "demo": ("demo",),
    "serve": ("up", "web", "worker", "beat"),
    "check": ("migrate", "settings", "doctor"),
    "run": ("ingest", "run", "report", "restored"),
    "people": ("subscribers",),
    "mail": ("preview", "bounce", "bounces"),
    "bench": ("bench",),
}


class Commands(click.Group):
    """All commands, each loaded when it is called: a mail server's pipe starts one for every mail that comes back.

    Whatever goes wrong in one becomes a sentence here.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in MODULES.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for module, names in MODULES.items():
            if cmd_name in names:
                command: click.Command = getattr(import_module(f"digest.cli.{module}"), cmd_name)
                return command
        return None

    def invoke(self, ctx: click.Context) -> Any:
        with explained():
            return super().invoke(ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="digest")
def main() -> None:
    """A daily research-paper digest by e-mail: everyone their own ranking, no mail lost or sent twice."""
