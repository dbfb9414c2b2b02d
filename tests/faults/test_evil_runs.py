"""Whole days against a mail server that fails on purpose, `digest run` again and again as time passes; the server counts."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from digest import pipeline
from digest.db.tables import deliveries
from digest.delivery import ledger, tally
from digest.install import Install
from tests.builders import NOW, TODAY, add_subscriber, list_paper
from tests.conftest import shared_dir
from tests.faults.conftest import Saw
from tests.integration.delivery.test_evil_server import evil
from tests.simulated import Ticking, settings

pytestmark = pytest.mark.faults
READERS, HANG_SECONDS = 120, 0.7
FAULTS = {"F3": ("tempfail", "greylist", "eod451"), "F4": ("reject",), "F6": ("middrop", "vanish"), "F7": ("ambiguous",),
          "F8": ("chaos",), "F10": ("421", "busy")}  # fmt: skip
MODES = {
    "ok": [],
    "tempfail": ["--p", ".5"],
    "greylist": [],
    "421": ["--per-conn", "3"],
    "reject": ["--reject", "r1?"],
    "middrop": [],
    "vanish": [],
    "ambiguous": ["--p", ".1"],
    "busy": [],
    "eod451": [],
    "chaos": ["--hang", str(HANG_SECONDS)],
}


@pytest.mark.parametrize("mode", MODES)
def test_it_loses_and_doubles_nothing_over_a_day(engine: Engine, tmp_path: Path, saw: Saw, mode: str) -> None:
    with engine.begin() as connection:
        for n in range(5):
            list_paper(connection, f"2606.{n:05}")
        for n in range(READERS):
            add_subscriber(connection, f"r{n}@example.org")
    clock = Ticking(NOW)
    with evil(tmp_path, "--mode", mode, *MODES[mode]) as server:
        url = engine.url.render_as_string(hide_password=False)
        values = {"sources": (), "smtp_timeout": 5.0, "smtp_data_timeout": 0.5}
        install = Install(settings(url, tmp_path / "var", "http://127.0.0.1:9", server.port, **values), clock=clock)
        install.pool._pauses_s = (0.05,) * 5
        while clock.at < NOW + timedelta(hours=8) and (clock.at == NOW or is_open(engine)):
            pipeline.run(install)
            assert tally.totals(engine, TODAY).closes
            if mode == "chaos" and is_open(engine):
                time.sleep(
                    2 * HANG_SECONDS
                )  # the wait that the moved clock takes away: a hanging server may still take it
            clock.at += timedelta(minutes=2)
        install.close()
    said = report(tmp_path)
    minutes = round((clock.at - NOW) / timedelta(minutes=1))
    for fault in (fault for fault, modes in FAULTS.items() if mode in modes):
        saw(fault, f"a day of {mode}, {engine.dialect.name}", minutes=minutes, lost=said["lost"], forbidden=said["dup_forbidden"],
            copies=said["dup_excused_server"] + said["dup_excused_client"])  # fmt: skip
    refused = sum(10 <= n < 20 for n in range(READERS)) if mode == "reject" else 0
    assert tally.totals(engine).submitted == READERS - refused
    assert tally.totals(engine).refused == refused
    assert (said["lost"], said["dup_forbidden"], said["unexpected"], said["flawed"]) == (refused, 0, 0, 0)
    assert said["dup_excused_same_bytes"] == said["dup_excused_server"] + said["dup_excused_client"]


def is_open(engine: Engine) -> bool:
    with engine.connect() as connection:
        return (
            connection.execute(select(deliveries.c.id).where(deliveries.c.status.in_(ledger.OPEN))).first() is not None
        )


def report(folder: Path) -> dict[str, int]:
    expected = folder / "expected"
    expected.write_text("".join(f"r{n}@example.org\n" for n in range(READERS)))
    program = shared_dir("tools") / "evil_smtp.py"
    command = [sys.executable, str(program), "report", str(folder / "log"), "--expect", str(expected), "--json"]
    said: dict[str, int] = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    return said
