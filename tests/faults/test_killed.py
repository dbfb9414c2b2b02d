"""Senders killed at any instant, thousands of mails, against servers that behave and that do not."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.faults.conftest import Saw, url_of
from tests.faults.stand import Senders, all_settled, due_now, evil, fill, open_mails, settings, statuses

pytestmark = pytest.mark.faults
MAILS, PROCESSES, KILL_EVERY_S, MOST_KILLS = 5_000, 4, 0.4, 40


@pytest.mark.parametrize("connections", [1, 8])
@pytest.mark.parametrize("mode", ["ok", "chaos"])
def test_it_loses_and_forbids_nothing_when_senders_are_killed(
    pg: Engine, tmp_path: Path, saw: Saw, mode: str, connections: int
) -> None:
    expected, dice = fill(pg, MAILS), random.Random(1)
    with evil(tmp_path, "--mode", mode) as sink:
        wanted = settings(url_of(pg), tmp_path, sink, smtp_connections=connections)
        with Senders(wanted, PROCESSES) as senders:
            while open_mails(pg) and senders.kills < MOST_KILLS:
                time.sleep(KILL_EVERY_S)
                if mode == "chaos":
                    due_now(pg)
                senders.kill(dice.randrange(PROCESSES))
            all_settled(pg, 120)
        found = sink.report(expected)
    saw("F1", f"{mode}, {connections} connections", kills=senders.kills, lost=found["lost"],
        forbidden=found["dup_forbidden"], excused_by_kills=found["dup_excused_client"],
        excused_by_cut_replies=found["dup_excused_server"], same_bytes=found["dup_excused_same_bytes"],
        ledger=statuses(pg))  # fmt: skip
    assert statuses(pg) == {"submitted": MAILS}
    assert (found["lost"], found["dup_forbidden"], found["unexpected"]) == (0, 0, 0)
    assert found["dup_excused_same_bytes"] == found["excused"]
    assert found["dup_excused_client"] <= senders.kills * connections
