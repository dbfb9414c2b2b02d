"""Every sample that `digest preview --mail all` writes, before an outside judge of mails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from digest.cli.main import main
from tests.conftest import shared_dir


@pytest.mark.parametrize(("group", "kind"), [("list", "digest"), ("single", "confirm")])
def test_it_writes_samples_without_a_finding(tmp_path: Path, group: str, kind: str) -> None:
    judge = shared_dir("tools") / "judge_eml.py"
    environment = {"DIGEST_PUBLIC_URL": "https://digest.example.org", "DIGEST_DATA_DIR": str(tmp_path / "var")}
    done = CliRunner().invoke(main, ["preview", "--mail", "all", "--out", str(tmp_path)], env=environment)
    assert done.exit_code == 0, done.output
    assert "DIGEST_MAIL_FROM, DIGEST_POSTAL_ADDRESS, DIGEST_DKIM_KEY" in done.output
    files = sorted(map(str, (tmp_path / group).glob("*.eml")))
    command = [sys.executable, str(judge), "--strict", "--no-external", "--quiet", "--kind", kind, *files]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout
