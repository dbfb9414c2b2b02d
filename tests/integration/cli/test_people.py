"""Subscribers in and out by the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from digest.cli import main, people
from digest.subscribers import transfer


@pytest.fixture(autouse=True)
def _in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIGEST_SECRET_KEY", "k" * 40)
    assert digest("migrate").exit_code == 0


def digest(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def test_it_names_bad_rows_by_their_line_and_takes_the_others(tmp_path: Path) -> None:
    (tmp_path / "readers.csv").write_bytes(
        b"email,hour\r\nann@example.org,7\r\nbroken\xff@,7\r\nbob@example.org,25\r\n"
    )
    done = digest("subscribers", "import", "readers.csv", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["rows"], told["added"], [one["line"] for one in told["bad"]]) == (3, 1, [3, 4])


def test_it_refuses_a_file_without_addresses_in_a_sentence_alone(tmp_path: Path) -> None:
    (tmp_path / "readers.csv").write_bytes(b"name\nAnn\n")
    done = subprocess.run(
        [sys.executable, "-m", "digest", "subscribers", "import", "readers.csv"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "names no column `email`" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_keeps_where_readers_came_from_as_their_consent() -> None:
    assert digest("subscribers", "import", "--active", "-", stdin=b"email\nann@example.org\n").exit_code == 0
    shown = json.loads(digest("subscribers", "show", "ann@example.org", "--json").stdout)
    assert "imported from standard input" in json.dumps(shown)


def test_it_says_how_to_finish_an_interrupted_import(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object, **_options: object) -> transfer.ImportReport:
        raise KeyboardInterrupt

    monkeypatch.setattr(people.transfer, "import_subscribers", interrupted)
    done = digest("subscribers", "import", "-", stdin=b"email\n")
    assert done.exit_code == 1
    assert "run the same command again to finish" in done.output


def test_it_exports_what_can_be_imported_again(tmp_path: Path) -> None:
    lines = b"email,topics\nann@example.org,robots\nbob@example.org,\n"
    digest("subscribers", "import", "--active", "-", stdin=lines)
    assert digest("subscribers", "export", "--format", "jsonl", "--out", "out.jsonl").exit_code == 0
    for name in ("ann@example.org", "bob@example.org"):
        assert digest("subscribers", "forget", name, "--yes").exit_code == 0
    done = digest("subscribers", "import", "--active", "out.jsonl", "--json")
    assert json.loads(done.stdout)["added"] == 2


def test_it_says_which_columns_were_not_read() -> None:
    done = digest("subscribers", "import", "-", stdin=b"email,topcis\nann@example.org,robots\n")
    assert done.exit_code == 0
    assert "Not read, since no preference is called so: topcis." in done.output


def test_it_leaves_no_half_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object) -> Iterator[str]:
        yield "email\n"
        raise KeyboardInterrupt

    (tmp_path / "out.csv").write_text("the export of yesterday")
    monkeypatch.setattr(people.transfer, "export_subscribers", interrupted)
    assert digest("subscribers", "export", "--out", "out.csv").exit_code == 1
    assert (tmp_path / "out.csv").read_text() == "the export of yesterday"
    assert not list(tmp_path.glob(".out.csv*"))


def test_it_exports_over_an_older_file_without_opening_it_to_others(tmp_path: Path) -> None:
    (tmp_path / "out.csv").touch(0o600)
    assert digest("subscribers", "export", "--out", "out.csv").exit_code == 0
    assert (tmp_path / "out.csv").read_text().startswith("email,")
    assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o600
