"""Forty weekdays on recorded papers, hour by hour: every reader gets each day's edition or a reason, and nothing twice."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from digest.install import Install
from tests.simulated import Ticking, add_readers, at, drive, faults, figures, move, pause, replay, settings, sink

pytestmark = pytest.mark.faults
FIRST, LAST = at("2026-06-08T00:00"), at(os.environ.get("DIGEST_SIMULATED_UNTIL", "2026-07-31T23:00"))


@pytest.mark.parametrize("sources", [("huggingface",), ("huggingface", "arxiv")], ids=lambda names: "+".join(names))
def test_it_keeps_every_date_of_forty_weekdays(engine: Engine, tmp_path: Path, sources: tuple[str, ...]) -> None:
    last = LAST if len(sources) == 1 else FIRST + timedelta(days=2, hours=23)  # arXiv's pacing makes a day a minute
    url = engine.url.render_as_string(hide_password=False)
    clock = Ticking(FIRST)
    with sink() as server, replay() as hf_url:
        install = Install(settings(url, tmp_path / "var", hf_url, server.port, sources=sources), clock=clock)
        readers = add_readers(engine, 60, FIRST)

        def on_hour(now: datetime) -> None:
            if now.hour == 0:
                move(hf_url, now.date())
            for n, day in ((5, 3), (17, 9), (29, 10), (41, 11), (53, 12)):
                if now == FIRST + timedelta(days=day, hours=13):
                    readers[n] = pause(engine, readers[n], now, now.date() + timedelta(days=n % 7 + 4))

        drive(install, clock, last, on_hour)
        install.close()
        print(figures(engine, server.taken))  # noqa: T201
        assert faults(engine, readers, last, server.taken) == []
