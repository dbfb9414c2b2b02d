"""What `digest doctor` finds on a database, and what it says to do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from dns.resolver import NXDOMAIN
from pydantic import SecretStr
from sqlalchemy import Engine

from digest.clock import real_now
from digest.db import states
from digest.db.tables import Mail, stage_runs
from digest.delivery.dkim import throwaway_signer
from digest.doctor import Examination, Grade, examine, published
from digest.pipeline import PAUSE
from digest.settings import Settings
from digest.subscribers import letters
from tests.builders import TODAY, add_digest, add_source_run, add_subscriber
from tests.integration.delivery.fake_server import FakeServer
from tests.integration.test_pipeline import mails

__all__ = ["mails"]


@pytest.fixture
def settings(engine: Engine, mails: FakeServer, tmp_path: Path) -> Settings:
    own = {"secret_key": "a key of the tests, 32 characters and more", "mail_from": "Digest <digest@digest.test>"}
    places = {"database_url": engine.url.render_as_string(hide_password=False), "data_dir": tmp_path}
    return Settings(**own, **places, smtp_port=mails.port, postal_address="A street")


def grades(examination: Examination) -> dict[str, Grade]:
    return {finding.name: finding.grade for finding in examination.findings}


def said(examination: Examination, name: str) -> str:
    return next(finding.said for finding in examination.findings if finding.name == name)


def test_it_finds_nothing_wrong_where_mail_goes(engine: Engine, settings: Settings) -> None:
    with engine.begin() as connection:
        reader = add_subscriber(connection)
        add_digest(connection, reader)
        add_digest(connection, reader, TODAY - timedelta(days=1), status="skipped", reason="nothing_new")
        add_source_run(connection, real_now().date(), "ok", "")
        states.put(connection, "beat", None, real_now())
    found = examine(settings)
    assert found.ok
    assert said(found, "ledger") == f"digests of 4 days to {TODAY}: 2 planned, 1 submitted, 0 to go; it closes"
    assert grades(found)["letters"] is Grade.OK


def test_it_says_what_to_publish_where_receivers_find_another_key_or_none() -> None:
    ours, other = (throwaway_signer("digest.example").keys[0] for _ in range(2))

    def finding(*records: str) -> tuple[Grade, str]:
        """Each record in two strings, as name servers keep what is long."""
        answers = [SimpleNamespace(strings=(text[:20].encode(), text[20:].encode())) for text in records]
        found = published(ours, lambda name, *_, **__: answers if name == "sample._domainkey.digest.example" else [])
        return found.grade, found.remedy

    assert finding(ours.dns_record()) == (Grade.OK, "")
    assert finding(other.dns_record(), ours.dns_record()) == (Grade.OK, "")
    for records in ([other.dns_record()], ["v=DKIM1; p="]):
        grade, remedy = finding(*records)
        assert grade is Grade.WARN
        assert ours.dns_record() in remedy

    def nowhere(*_: object, **__: object) -> None:
        raise NXDOMAIN

    assert published(ours, nowhere).said == "no record at sample._domainkey.digest.example"


def test_it_tells_late_answers_from_digests(engine: Engine, settings: Settings) -> None:
    now = real_now()
    with engine.begin() as connection:
        reader = add_subscriber(connection)
        add_digest(connection, reader, status="waiting")
        letters.write(connection, reader, Mail.WELCOME, now - timedelta(minutes=11), {})
    found = examine(settings)
    assert grades(found)["letters"] is Grade.WARN
    assert said(found, "letters").startswith("1 ")
    assert "1 to go" in said(found, "ledger")


def test_it_fails_where_beat_is_silent_and_no_source_was_read(settings: Settings) -> None:
    found = examine(settings)
    assert not found.ok
    failed = {name for name, grade in grades(found).items() if grade is Grade.FAIL}
    assert failed == {"beat", "source huggingface"}
    assert said(found, "ledger") == "no digest yet"


def test_it_fails_where_the_maildir_of_returned_mail_is_none(settings: Settings, tmp_path: Path) -> None:
    found = examine(settings.model_copy(update={"bounce_maildir": tmp_path / "elsewhere"}))
    assert said(found, "maildir") == f"{tmp_path}/elsewhere has no folder new/"


def test_it_fails_where_no_worker_looks_after_digests(engine: Engine, settings: Settings) -> None:
    now = real_now()
    with engine.begin() as connection:
        for n, status in enumerate(("planned", "planned", "waiting")):
            reader = add_subscriber(connection, f"r{n}@example.org")
            before = now - timedelta(minutes=11)
            add_digest(connection, reader, status=status, planned_at=before, next_try_at=before)
    found = examine(settings)
    assert grades(found)["queue rank"] is Grade.FAIL
    assert said(found, "queue rank").startswith("2 digests")
    assert said(found, "queue deliver").startswith("1 digests")
    with engine.begin() as connection:
        for stage in ("rank", "deliver"):
            run = {"stage": stage, "started_at": now, "finished_at": now, "seconds": 1.0, "ok": True, "counts": {}}
            connection.execute(stage_runs.insert().values(run))
    assert not [name for name in grades(examine(settings)) if name.startswith("queue")]


def test_it_does_not_call_digests_late_that_wait_on_purpose(engine: Engine, settings: Settings) -> None:
    now = real_now()
    before = now - timedelta(minutes=11)
    with engine.begin() as connection:
        for n in range(51):
            sent = {"status": "submitted", "finished_at": now} if n else {"status": "waiting", "finished_at": None}
            add_digest(
                connection, add_subscriber(connection, f"r{n}@example.org"), now.date(), next_try_at=before, **sent
            )
    assert "queue deliver" in grades(examine(settings))
    new = settings.model_copy(update={"warm_up_from": now.date().isoformat()})
    assert "queue deliver" not in grades(examine(new))
    pause = {"until": (now + timedelta(minutes=5)).isoformat(), "reason": "login refused"}
    with engine.begin() as connection:
        states.put(connection, PAUSE, pause, now)
    found = grades(examine(settings))
    assert found["sending"] is Grade.FAIL
    assert "queue deliver" not in found


def test_it_tells_a_source_that_fails_from_one_that_nobody_asks(engine: Engine, settings: Settings) -> None:
    today = real_now().date()
    with engine.begin() as connection:
        add_source_run(connection, today - timedelta(days=5), "ok", "")
    stale = next(one for one in examine(settings).findings if one.name == "source huggingface")
    assert stale.grade is Grade.WARN
    assert stale.said.endswith("UTC; ok")
    assert "queue ingest" in stale.remedy
    with engine.begin() as connection:
        add_source_run(connection, today, "ok", "")
        add_source_run(connection, today, "failed", "huggingface.co could not be read")
    failing = next(one for one in examine(settings).findings if one.name == "source huggingface")
    assert failing.grade is Grade.WARN
    assert "it failed since: huggingface.co could not be read" in failing.said
    assert "queue ingest" not in failing.remedy


@pytest.mark.parametrize("below", ["", "sub"])
def test_it_fails_where_the_journal_cannot_be_written(settings: Settings, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("no folder")
    found = examine(settings.model_copy(update={"data_dir": tmp_path / "file" / below}))
    assert grades(found)["disk"] is Grade.FAIL
    assert "cannot be written: Not a directory" in said(found, "disk")


def test_it_leaves_nothing_where_it_tries_to_write(settings: Settings, tmp_path: Path) -> None:
    assert grades(examine(settings.model_copy(update={"data_dir": tmp_path / "not" / "made"})))["disk"] is Grade.OK
    assert not (tmp_path / "not").exists()


def test_it_fails_where_a_dkim_key_cannot_be_read(settings: Settings) -> None:
    found = examine(settings.model_copy(update={"dkim_selector": "a", "dkim_key": SecretStr("rubbish")}))
    assert grades(found)["DKIM key"] is Grade.FAIL
    assert "rubbish" not in str(found)
