"""Senders killed at any instant, thousands of mails, against servers that behave and that do not."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from digest.db.tables import deliveries, subscribers
from digest.delivery.ledger import LEASE_SECONDS
from tests.faults.conftest import Saw, url_of
from tests.faults.stand import Senders, all_settled, due_now, evil, fill, open_mails, settings, statuses, wait_until

pytestmark = pytest.mark.faults
MAILS, PROCESSES, KILL_EVERY_S, MOST_KILLS = 5_000, 4, 0.4, 40


@pytest.mark.parametrize("mode", ["ok", "chaos"])
def test_it_loses_and_forbids_nothing_when_senders_are_killed(pg: Engine, tmp_path: Path, saw: Saw, mode: str) -> None:
    expected, dice = fill(pg, MAILS), random.Random(1)
    with evil(tmp_path, "--mode", mode) as sink:
        wanted = settings(url_of(pg), tmp_path, sink)  # with as many connections as there are by default
        with Senders(wanted, PROCESSES) as senders:
            while open_mails(pg) and senders.kills < MOST_KILLS:
                time.sleep(KILL_EVERY_S)
                if mode == "chaos":
                    due_now(pg, with_doubted=False)
                senders.kill(dice.randrange(PROCESSES))
            all_settled(pg, 120)
        found = sink.report(expected)
    saw("F1", mode, kills=senders.kills, lost=found["lost"],
        forbidden=found["dup_forbidden"], excused_by_kills=found["dup_excused_client"],
        excused_by_cut_replies=found["dup_excused_server"], same_bytes=found["dup_excused_same_bytes"],
        ledger=statuses(pg))  # fmt: skip
    assert statuses(pg) == {"submitted": MAILS}
    assert (found["lost"], found["dup_forbidden"], found["unexpected"]) == (0, 0, 0)
    assert found["dup_excused_same_bytes"] == found["excused"]
    assert found["dup_excused_client"] <= senders.kills


def test_it_sends_what_a_killed_sender_held_within_two_leases(pg: Engine, tmp_path: Path, saw: Saw) -> None:
    """No wait is cut short here: what was in doubt comes again when its lease would have ended, the rest at once."""
    expected = fill(pg, 600)
    killed_at: dict[str, float] = {}
    with evil(tmp_path, "--mode", "slow", "--delay", ".03") as sink:
        wanted = settings(url_of(pg), tmp_path, sink, smtp_connections=8)
        with Senders(wanted, 2) as senders:
            for which in (0, 1, 0, 1):
                before = sink.copies().total()
                wait_until(lambda so_far=before: sink.copies().total() > so_far + 20, 60)
                held = _held_by(pg, senders.processes[which].pid)
                senders.kill(which)
                killed_at |= dict.fromkeys(held, time.time())
            wait_until(lambda: not open_mails(pg), 180, every=0.5)
        found, taken = sink.report(expected), {mail["rcpt"][0]: mail["t"] for mail in sink.events()}
    delays = sorted(taken[to] - at for to, at in killed_at.items() if taken.get(to, 0) > at)
    saw("F1", "waits as they are (G5)", kills=senders.kills, held=len(delays), lost=found["lost"], forbidden=found["dup_forbidden"],
        excused=found["excused"], seconds_median=round(delays[len(delays) // 2], 1), longest=round(delays[-1], 1))  # fmt: skip
    assert LEASE_SECONDS <= 60
    assert delays[-1] <= 2 * LEASE_SECONDS
    assert (statuses(pg), found["lost"], found["dup_forbidden"]) == ({"submitted": 600}, 0, 0)


def _held_by(pg: Engine, pid: int) -> Sequence[str]:
    """Addresses whose mail that process has claimed: its number is part of the worker's name."""
    mine = deliveries.c.worker.like(f"%-{pid}-%")
    with pg.connect() as connection:
        rows = connection.execute(select(subscribers.c.email).join(deliveries).where(mine))
        return rows.scalars().all()
