"""Modules can be imported first: commands load only what they need, so none may lean on another that came before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EACH_ALONE = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [one for one in sys.modules if one == "digest" or one.startswith("digest.")]:
        del sys.modules[loaded]
    importlib.import_module(name)
"""


def test_it_can_import_first_what_commands_load() -> None:
    places = ("digest", "digest/feedback", "digest/editions", "digest/delivery", "digest/subscribers")
    files = [path for place in places for path in sorted((ROOT / place).glob("*.py"))]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files if not file.name.startswith("__")]
    done = subprocess.run(
        [sys.executable, "-c", EACH_ALONE, *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
