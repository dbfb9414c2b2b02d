"""What `digest doctor` finds on a database, and what it says to do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from digest.clock import real_now
from digest.db import states
from digest.db.tables import Mail
from digest.doctor import Examination, Grade, examine
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
