from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from digest.db.tables import bounces, stage_runs
from digest.feedback.rates import rates
from digest.pipeline import Work
from digest.web.metrics import exposition
from tests.builders import add_digest, add_subscriber

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 6, 9, 7, tzinfo=UTC)


def given_names(connection: Connection) -> set[str]:
    said = exposition(connection, NOW, Work(3, 2, 1)).decode()
    return set(re.findall(r"^# TYPE (\w+) gauge", said, re.MULTILINE))


def test_it_documents_every_metric_and_no_other(connection: Connection) -> None:
    table = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == given_names(connection)


def test_it_shows_every_metric_on_the_dashboard_and_no_other(connection: Connection) -> None:
    panels = json.loads((ROOT / "config" / "grafana-dashboard.json").read_text(encoding="utf-8"))["panels"]
    shown = {name for panel in panels for one in panel["targets"] for name in re.findall(r"digest_\w+", one["expr"])}
    assert shown == given_names(connection)


def test_it_says_what_waits_and_what_went_out_today(connection: Connection) -> None:
    reader = add_subscriber(connection)
    add_digest(connection, reader)
    add_digest(connection, reader, NOW.date() - timedelta(days=1))
    said = exposition(connection, NOW, Work(3, 2, 1)).decode()
    assert 'digest_waiting{stage="rank"} 3.0' in said
    assert 'digest_mails{mail="digest",status="submitted"} 1.0' in said
    assert "digest_sending_paused 0.0" in said


@pytest.mark.parametrize(("complaints", "sent", "verdict"), [(5, 1_000, "stop"), (5, 4_000, "alarm"), (5, 9_000, "fine"), (4, 10, "fine")])  # fmt: skip
def test_it_stops_at_three_complaints_in_a_thousand(
    connection: Connection, complaints: int, sent: int, verdict: str
) -> None:
    run = {"stage": "deliver", "started_at": NOW - timedelta(hours=30), "finished_at": NOW, "seconds": 1.0, "ok": True}
    connection.execute(stage_runs.insert().values(run | {"counts": {"submitted": sent}}))
    for n in range(complaints):
        connection.execute(bounces.insert().values(kind="complaint", at=NOW - timedelta(hours=n), digest=str(n)))
    [rate] = [one for one in rates(connection, NOW) if one.kind == "complaint"]
    assert ("stop" if rate.is_too_high else "alarm" if rate.is_alarming else "fine") == verdict
