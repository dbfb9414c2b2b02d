"""Commands as a person types them: what they print, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from digest.cli import main

PAPER = {"id": "2606.00001", "title": "A small paper", "abstract": "It works.", "listed_on": "2026-06-09", "votes": 5}


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """A function that runs `digest ...` on an empty folder."""
    papers = tmp_path / "papers.jsonl"
    papers.write_text(json.dumps(PAPER) + "\n", encoding="utf-8")
    for name, value in {
        "DATABASE_URL": f"sqlite:///{tmp_path}/digest.db",
        "DATA_DIR": str(tmp_path),
        "SECRET_KEY": "s" * 40,
        "SOURCES": "file",
        "PAPERS_FILE": str(papers),
    }.items():
        monkeypatch.setenv(f"DIGEST_{name}", value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, catch_exceptions=False)

    return run


def test_it_says_to_migrate_before_anything_else(ran) -> None:  # type: ignore[no-untyped-def]
    done = ran("report")
    assert done.exit_code == 1
    assert "digest migrate" in done.stderr


def test_it_fetches_a_span_of_days_and_again_without_change(ran) -> None:  # type: ignore[no-untyped-def]
    ran("migrate")
    done = ran("ingest", "--from", "2026-06-08", "--to", "2026-06-09", "--json")
    assert done.exit_code == 0
    assert sum(part["new"] for part in json.loads(done.stdout)["runs"]) == 1
    again = ran("ingest", "--from", "2026-06-08", "--to", "2026-06-09", "--json")
    assert sum(part["new"] for part in json.loads(again.stdout)["runs"]) == 0


def test_it_ends_with_1_when_a_source_cannot_be_read(ran, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    ran("migrate")
    (tmp_path / "papers.jsonl").unlink()
    done = ran("ingest")
    assert done.exit_code == 1
    assert "papers.jsonl" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("ingest", "--date", "yesterday"),
        ("ingest", "--to", "2026-06-09"),
        ("ingest", "--source", "elsewhere"),
        ("run", "--now", "soon"),
        ("report", "--date", "9.6."),
        ("preview", "--mail", "nonsense", "--out", "out"),
        ("nonsense",),
    ],
)
def test_it_ends_with_2_when_it_was_misused(ran, arguments: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    ran("migrate")
    done = ran(*arguments)
    assert done.exit_code == 2
    assert "Error:" in done.stderr


def test_it_names_a_wrong_setting_and_the_remedy(ran, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("DIGEST_SMTP_PORT", "many")
    done = ran("settings")
    assert done.exit_code == 1
    assert "DIGEST_SMTP_PORT=many" in done.stderr


def test_it_takes_a_returned_mail_from_a_pipe_and_says_what_it_did(ran) -> None:  # type: ignore[no-untyped-def]
    ran("migrate")
    done = CliRunner().invoke(main, ["bounce"], input=b"From: ann@example.org\r\nSubject: hello\r\n\r\nhello\r\n")
    assert done.exit_code == 0
    assert "nothing was changed" in done.stdout
