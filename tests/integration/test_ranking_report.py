from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, insert

from digest.db.tables import seen_papers, votes
from digest.ranking_report import ranking_report
from tests.builders import NOW, TODAY, add_edition, add_paper, add_subscriber

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def sent(connection: Connection, who: str, community: list[int], frozen_at: datetime = NOW) -> tuple[int, list[int]]:
    """A digest of one paper for each number of community votes, in that order; subscriber and paper ids."""
    reader = add_subscriber(connection, f"{who}@example.org")
    papers = [add_paper(connection, f"{who}.{n}") for n in range(len(community))]
    picks = [[paper, count, None, False, []] for paper, count in zip(papers, community, strict=True)]
    delivery = add_edition(connection, reader, papers, frozen_at.date(), picks=picks, frozen_at=frozen_at)
    rows = [{"subscriber_id": reader, "paper_id": p, "delivery_id": delivery, "seen_on": TODAY} for p in papers]
    connection.execute(insert(seen_papers), rows)
    return reader, papers


def vote(connection: Connection, reader: int, paper: int, at: datetime = NOW + HOUR, direction: int = 1) -> None:
    row = {"subscriber_id": reader, "paper_id": paper, "direction": direction, "at": at}
    connection.execute(insert(votes).values(row))


def test_it_sets_votes_of_the_day_against_both_orders(engine: Engine) -> None:
    with engine.begin() as connection:
        ann, first = sent(connection, "ann", [3, 50, 7])
        vote(connection, ann, first[0])
        vote(connection, ann, first[1], direction=-1)
        bob, second = sent(connection, "bob", [9, 1], NOW - 5 * DAY)
        vote(connection, bob, second[1], NOW - 4 * DAY)
    found = ranking_report(engine, TODAY)
    assert found.day.replay.editions == 1
    assert found.day.replay.sent == pytest.approx(1.0)
    assert found.day.replay.trending == pytest.approx(0.5)
    assert (found.day.replay.better, found.day.replay.worse) == (1, 0)
    assert found.long.replay.editions == 2
    assert "order sent 1.000, trending order 0.500 (+0.500; digests with votes 1: better in 1" in str(found)


def test_it_counts_no_vote_that_was_there_before_the_digest(engine: Engine) -> None:
    with engine.begin() as connection:
        ann, papers = sent(connection, "ann", [3, 50, 7])
        vote(connection, ann, papers[0], NOW - HOUR)
        vote(connection, ann, add_paper(connection, "never.sent"))
    assert ranking_report(engine, TODAY).long.replay.editions == 0


def test_it_says_what_is_missing_while_nobody_has_voted(engine: Engine) -> None:
    found = ranking_report(engine, TODAY)
    assert found.ok
    assert found.to_json()["days"]["sent"] is None
    assert "nobody voted" in str(found)
    assert "Once readers have used them" in str(found)


def test_it_is_an_option_of_the_report(database_url: str) -> None:
    command = [sys.executable, "-m", "digest", "report", "--ranking", "--date", "2026-06-09", "--json"]
    settings = os.environ | {"DIGEST_DATABASE_URL": database_url}
    run = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
    told = json.loads(run.stdout)
    assert told["day"]["from"] == "2026-06-09"
    assert told["days"]["from"] == "2026-05-11"
