"""What the operator reads about a day."""

from __future__ import annotations

from sqlalchemy import Engine

from digest.reports import day_report
from tests.builders import TODAY, add_digest, add_subscriber


def test_it_says_what_the_mail_server_said_of_mails_that_did_not_get_through(engine: Engine) -> None:
    dead = {"status": "refused", "reply_code": 550, "reply_status": "5.1.1", "reason": "550 5.1.1 who is ann?"}
    rows = (
        {"status": "submitted", "reply_code": 250, "reply_status": "2.0.0"},
        dead,
        dead | {"reason": "550 5.1.1 who is bob?"},
        {"status": "refused", "reply_code": 552, "reply_status": None},
        {"status": "deferred", "attempts": 1, "reason": "no reply (connect)"},
        {"status": "claimed", "attempts": 2, "reply_code": 451, "reply_status": "4.7.1"},
        {"status": "claimed", "attempts": 0},
        {"status": "skipped", "reason": "nothing_new"},
    )
    with engine.begin() as connection:
        for number, row in enumerate(rows):
            add_digest(connection, add_subscriber(connection, f"reader{number}@example.org"), **row)
    report = day_report(engine, TODAY)
    assert report.totals.replies == {
        "refused": {"550 5.1.1": 2, "552": 1},
        "deferred": {"no reply": 1, "451 4.7.1": 1},
    }
    assert report.totals.reasons == {"nothing_new": 1}
    assert report.ok
    lines = str(report).splitlines()
    at = lines.index("  refused           3")
    assert lines[at + 1 : at + 3] == ["          2  550 5.1.1", "          1  552"]
