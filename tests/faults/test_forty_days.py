"""Forty weekdays on recorded papers, hour by hour: every reader gets each day's edition or a reason, and nothing twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from digest.db.engine import make_engine
from digest.install import Install
from tests.conftest import scratch_database
from tests.faults.conftest import Saw
from tests.simulated import Ticking, add_readers, at, drive, faults, figures, move, pause, replay, settings, sink

pytestmark = pytest.mark.faults
FIRST, LAST = at("2026-06-08T00:00"), at("2026-07-31T23:00")
SOON = at("2026-06-09T23:00")  # arXiv's pacing makes a day a minute
PAUSES = ((5, 3), (18, 9), (27, 10), (40, 11), (52, 12))  # reader, days after the first


@pytest.mark.parametrize(
    ("kind", "sources", "last"),
    [
        ("sqlite", ("huggingface",), LAST),
        ("postgresql", ("huggingface",), LAST),
        ("sqlite", ("huggingface", "arxiv"), SOON),
    ],
    ids=["sqlite", "postgresql", "with-arxiv"],
)
def test_it_keeps_every_date_of_forty_weekdays(
    request: pytest.FixtureRequest, tmp_path: Path, saw: Saw, kind: str, sources: tuple[str, ...], last: datetime
) -> None:
    clock = Ticking(FIRST)
    with scratch_database(request, kind, tmp_path) as url, sink() as server, replay() as hf_url:
        engine = make_engine(url)
        install = Install(settings(url, tmp_path / "var", hf_url, server.port, sources=sources), clock=clock)
        readers = add_readers(engine, 60, FIRST)

        def on_hour(now: datetime) -> None:
            if now.hour == 0:
                move(hf_url, now.date())
            for n, day in PAUSES:
                if now == FIRST + timedelta(days=day, hours=13):
                    readers[n] = pause(engine, readers[n], now, now.date() + timedelta(days=n % 7 + 4))

        drive(install, clock, last, on_hour)
        install.close()
        wrong = faults(engine, readers, last, server.taken)
        saw("F18", f"60 readers to {last:%d %B}, hour by hour, {kind}, {' and '.join(sources)}", wrong=len(wrong),
            of=figures(engine, server.taken))  # fmt: skip
        engine.dispose()
    assert wrong == []
