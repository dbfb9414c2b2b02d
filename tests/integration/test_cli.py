"""The command line as a person meets it: what it says, and with which exit code."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy.exc import OperationalError

from digest.cli import main


@pytest.fixture(autouse=True)
def _in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIGEST_SECRET_KEY", "k" * 40)
    monkeypatch.setenv("DIGEST_SOURCES", "file")
    monkeypatch.setenv("DIGEST_PAPERS_FILE", str(tmp_path / "papers.jsonl"))


@pytest.fixture
def migrated() -> None:
    assert digest("migrate").exit_code == 0


def digest(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def test_it_knows_every_command_by_its_name() -> None:
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    assert [name for name, command in found.items() if command is None or command.name != name] == []
    assert digest("reprot").exit_code == 2


def test_it_loads_only_what_the_command_needs() -> None:
    heavy = "{'numpy', 'flask', 'celery', 'premailer', 'aiosmtpd'} & set(sys.modules)"
    program = f"import sys; from digest.cli import main; main(['settings'], standalone_mode=False); print({heavy})"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.usefixtures("migrated")
def test_it_reports_what_was_ingested_and_fails_when_a_source_fails(tmp_path: Path) -> None:
    failed = digest("ingest")
    assert failed.exit_code == 1
    assert "papers.jsonl: there is no such file. Correct DIGEST_PAPERS_FILE" in failed.output
    (tmp_path / "papers.jsonl").write_text('{"title": "On reading", "listed_on": "2026-06-08"}\n')
    done = digest("ingest", "--date", "2026-06-08", "--json")
    assert done.exit_code == 0
    [run] = json.loads(done.stdout)["runs"]
    assert (run["source"], run["new"], run["ok"]) == ("file", 1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("ingest", "--source", "nope"),
        ("ingest", "--date", "0001-01-01"),
        ("ingest", "--date", "2026-02-30"),
        ("ingest", "--from", "2026-06-02", "--to", "2026-06-01"),
        ("ingest", "--to", "2026-06-02"),
        ("run", "--now", ""),
        ("run", "--now", "banana"),
        ("run", "--now", "0001-01-01T00:00:00+14:00"),
        ("run", "--now", "9999-12-31T23:59:59Z"),
        ("run", "--date", "9999-12-31"),
        ("run", "--date", "2026-06-01", "--now", "2026-06-01"),
        ("report", "--date", "0001-01-01"),
        ("preview", "--out", "x", "--date", "0001-01-01"),
        ("preview", "--out", "x", "--mail", "nope"),
        ("preview", "--out", "x", "--mail", "confirm", "--topics", "robots"),
        ("preview", "--out", "x", "--subscriber", "ann@example.org", "--topics", "robots"),
        ("bounces", "."),
        ("web", "--port", "99999"),
        ("up", "--port", "0"),
        ("worker", "--queues", "nope"),
        ("bench", "nope"),
    ],
)
@pytest.mark.usefixtures("migrated")
def test_it_calls_misuse_by_its_name(arguments: tuple[str, ...]) -> None:
    result = digest(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("report", "--date", "9.6."), "--date': '9.6.' is no day. Write it like 2026-06-09."),
        (("run", "--now", "soon"), "--now': 'soon' is no instant. Write it like 2026-06-09T07:00:00Z."),
    ],
)
def test_it_says_how_to_write_a_day_or_an_instant(arguments: tuple[str, ...], says: str) -> None:
    assert says in digest(*arguments).output


@pytest.mark.usefixtures("migrated")
def test_it_says_where_a_sample_was_written(tmp_path: Path) -> None:
    told = json.loads(digest("preview", "--mail", "confirm", "--out", str(tmp_path), "--json").stdout)
    assert [(tmp_path / f"{name}.eml").is_file() for name in told["mails"]] == [True]


@pytest.mark.parametrize(
    "arguments",
    [
        ("report",),
        ("run",),
        ("ingest",),
        ("subscribers", "export"),
        ("subscribers", "show", "ann@example.org"),
        ("subscribers", "forget", "ann@example.org"),
        ("preview", "--out", "x"),
    ],
)
def test_it_says_how_to_make_a_missing_database(arguments: tuple[str, ...]) -> None:
    result = digest(*arguments)
    assert result.exit_code == 1
    assert "Run `digest migrate`" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("preview", "--mail", "confirm", "--out", "/dev/null/x"), "/dev/null/x: Not a directory"),
        (("subscribers", "export", "--out", "nowhere/x.csv"), "nowhere/x.csv: No such file"),
    ],
)
@pytest.mark.usefixtures("migrated")
def test_it_explains_a_path_that_cannot_be_written(arguments: tuple[str, ...], says: str) -> None:
    result = digest(*arguments)
    assert result.exit_code == 1
    assert says in result.output
    assert "Correct the path" in result.output


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:////dev/null/x.db", "/dev/null"),
        ("sqlite:////tmp", "cannot be opened"),
        ("sqlite:///papers.jsonl", "damaged or is something else"),
        ("postgresql+psycopg://ann:hush@127.0.0.1:1/x", "did not answer"),
        ("postgresql+psycopg://ann:hush@127.0.0.1:bad/x", "DIGEST_DATABASE_URL="),
    ],
)
def test_it_explains_a_database_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, says: str
) -> None:
    (tmp_path / "papers.jsonl").write_text("no database " * 100)
    monkeypatch.setenv("DIGEST_DATABASE_URL", url)
    result = digest("report")
    assert result.exit_code == 1
    assert says in result.output
    assert "hush" not in result.output


@pytest.mark.parametrize(
    ("fatal", "says"),
    [('database "digets" does not exist', "no such database"), ('role "ann" does not exist', "did not answer")],
)
@pytest.mark.parametrize("command", ["report", "migrate"])
def test_it_does_not_send_to_migrate_who_named_a_wrong_database(
    monkeypatch: pytest.MonkeyPatch, command: str, fatal: str, says: str
) -> None:
    def refused(*_args: object) -> None:
        raise OperationalError("", {}, Exception(f'connection to server at "127.0.0.1" failed: FATAL:  {fatal}'))

    monkeypatch.setattr("digest.install.Install.open" if command == "report" else "digest.db.schema.migrate", refused)
    result = digest(command)
    assert result.exit_code == 1
    assert says in result.output
    assert "digest migrate" not in result.output


def test_it_warns_of_a_slip_in_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SMPT_HOST", "mail.example.org")
    result = digest("settings", "--json")
    assert "did you mean DIGEST_SMTP_HOST?" in result.stderr
    assert json.loads(result.stdout)["DIGEST_SMTP_HOST"] == "127.0.0.1"


def test_it_makes_a_sentence_of_a_fault_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("digest.reports.day_report", broken)
    result = digest("report")
    assert result.exit_code == 1
    assert "ZeroDivisionError: by nothing" in result.output
    assert "DIGEST_LOG_LEVEL=DEBUG" in result.output


@pytest.mark.parametrize("command", ["web", "worker", "up"])
def test_it_starts_nothing_without_a_secret_key(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("DIGEST_SECRET_KEY", "")
    result = digest(command)
    assert result.exit_code == 1
    assert "DIGEST_SECRET_KEY is empty" in result.output


@pytest.mark.parametrize("command", ["web", "up"])
def test_it_says_that_a_port_is_taken(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = digest(command, "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 1
    assert "Stop the program that listens there, or give another --port" in result.output


def test_it_says_that_an_address_is_not_of_this_machine() -> None:
    result = digest("up", "--host", "192.0.2.1")
    assert result.exit_code == 1
    assert "Give another --port or --host" in result.output


@pytest.mark.usefixtures("migrated")
def test_it_tells_how_far_it_is_with_returned_mail_and_goes_on_when_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.cli.progress.LINE_SECONDS", 0.0)
    (tmp_path / "box" / "new").mkdir(parents=True)
    for name in ("1", "2", "3"):
        (tmp_path / "box" / "new" / name).write_bytes(b"Subject: hello\n\nhello\n")
    whole = Path.read_bytes

    def interrupted(path: Path) -> bytes:
        if path.name == "2":
            raise KeyboardInterrupt
        return whole(path)

    with monkeypatch.context() as stopping:
        stopping.setattr(Path, "read_bytes", interrupted)
        stopped = digest("bounces", "box")
    assert stopped.exit_code == 1
    assert "returned mails: 1 of 3" in stopped.stderr
    assert "run the same command again to finish" in stopped.stderr
    assert len(json.loads(digest("bounces", "box", "--json").stdout)["reports"]) == 2
