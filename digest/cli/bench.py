"""`digest bench NAME`: the figures of the README, measured on this machine."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from digest.cli.shell import Failure


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(name: str, arguments: tuple[str, ...]) -> None:
    """Run benchmarks/NAME.py of the checkout: ranking, render, mail, delivery, pipeline, web or enumeration."""
    folder = Path(__file__).parents[2] / "benchmarks"
    known = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    if not known:
        raise Failure("the benchmarks are not part of an installed package. Clone the project and run it there.")
    if name not in known:
        raise click.BadParameter(f"there is no benchmark {name!r}. Choose from {', '.join(known)}.")
    sys.path.insert(0, str(folder.parent))
    module = importlib.import_module(f"benchmarks.{name}")
    raise SystemExit(module.main(list(arguments)))
