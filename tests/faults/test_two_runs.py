"""`digest run` from a crontab: a process for every hour, and two of them at the same instant."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from digest import pipeline
from digest.install import Install
from digest.settings import Settings
from tests.faults.conftest import Saw, url_of
from tests.faults.stand import ROOT, environment
from tests.simulated import STEP, Ticking, add_readers, at, faults, move, replay, settings, sink, write_papers

pytestmark = pytest.mark.faults
FIRST = at("2026-06-08T00:00")
HOURS_OF_COMMANDS, HOURS_OF_PIPELINE = 9, 48


def test_it_mails_once_a_date_when_two_commands_start_every_hour(engine: Engine, tmp_path: Path, saw: Saw) -> None:
    with sink() as server, replay() as hf_url:
        wanted = settings(url_of(engine), tmp_path / "var", hf_url, server.port, sources=("huggingface",))
        readers = add_readers(engine, 60, FIRST)
        hours = [FIRST + STEP * n for n in range(HOURS_OF_COMMANDS)]
        runs = []
        for now in hours:
            move(hf_url, now.date())
            runs += _two_commands(wanted, now)
    wrong = faults(engine, readers, hours[-1], server.taken)
    saw("F17", f"two `digest run` at once, {engine.dialect.name}", commands=len(runs), exit_codes={code for code, _ in runs},
        mails=server.taken.total(), wrong=len(wrong))  # fmt: skip
    assert [(code, said) for code, said in runs if code != 0] == []
    assert [said for _, said in runs if not _closes(said)] == []
    assert wrong == []


def _two_commands(wanted: Settings, now: datetime) -> list[tuple[int, str]]:
    command = [sys.executable, "-m", "digest", "run", "--now", now.isoformat(), "--json"]
    both = [
        subprocess.Popen(
            command, env=environment(wanted), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120) for process in both]
    return [(process.returncode, out or error) for process, (out, error) in zip(both, said, strict=True)]


def _closes(said: str) -> bool:
    ledger = json.loads(said)["runs"][-1]
    parts = ("submitted", "refused", "skipped", "uncertain", "deferred", "waiting")
    return ledger["closes"] is True and ledger["ledger"]["planned"] == sum(ledger["ledger"][name] for name in parts)


def test_it_mails_once_a_date_when_two_runs_meet_at_every_stage(engine: Engine, tmp_path: Path, saw: Saw) -> None:
    """Without the seconds that a command takes to start, both are in the same stage again and again."""
    write_papers(tmp_path / "papers.jsonl", [FIRST.date() + timedelta(days=n) for n in range(-1, 4)])
    hours = [FIRST + STEP * n for n in range(HOURS_OF_PIPELINE)]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.test_two_runs"])
    barrier, failed = context.Barrier(2), context.SimpleQueue()
    with sink() as server:
        wanted = settings(url_of(engine), tmp_path / "var", "http://127.0.0.1:9", server.port, sources=("file",),
                          papers_file=tmp_path / "papers.jsonl")  # fmt: skip
        readers = add_readers(engine, 60, FIRST)
        engine.dispose()
        both = [context.Process(target=_run_every_hour, args=(wanted, hours, barrier, failed)) for _ in range(2)]
        for process in both:
            process.start()
        for process in both:
            process.join(240)
    wrong = faults(engine, readers, hours[-1], server.taken)
    saw("F17", f"two cycles from the same instant, {engine.dialect.name}", times=len(hours), mails=server.taken.total(),
        wrong=len(wrong))  # fmt: skip
    assert [process.exitcode for process in both] == [0, 0]
    assert failed.empty(), failed.get()
    assert wrong == []


def _run_every_hour(wanted: Settings, hours: list[datetime], barrier: Any, failed: Any) -> None:
    clock = Ticking(hours[0])
    install = Install(wanted, clock=clock)
    for clock.at in hours:
        barrier.wait(60)
        for report in pipeline.run(install):
            if not report.ok:
                failed.put(f"{clock.at}: {report}")
    install.close()
