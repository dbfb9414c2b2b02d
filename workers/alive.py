"""Whether the worker or beat of this container lives: a file that it touches, and a look at the file's age.

    python -m workers.alive

The look costs next to nothing, while asking Celery would cost a container more than its work does.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

SIGN = Path(tempfile.gettempdir()) / "digest-alive"
STALE_SECONDS = 90.0  # a worker signs every other second, beat at least twice a minute


def sign(**_: object) -> None:
    """Called by Celery's signals, from the loop that must not hang."""
    with suppress(OSError):  # a full disk is told by what fails for it
        SIGN.touch()


def age_seconds() -> float | None:
    """Since the last sign; None where there was none."""
    try:
        return time.time() - SIGN.stat().st_mtime
    except OSError:
        return None


def main() -> int:
    age = age_seconds()
    sys.stdout.write("no sign of life yet\n" if age is None else f"last sign of life {age:.0f} s ago\n")
    return 0 if age is not None and age < STALE_SECONDS else 1


if __name__ == "__main__":
    raise SystemExit(main())
