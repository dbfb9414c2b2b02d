"""The `digest` command: verbs that match the stages. Exit 0 done, 1 failed, 2 misused."""

from digest.cli.main import main

__all__ = ["main"]
