from __future__ import annotations

from dataclasses import replace

from structlog.testing import capture_logs

from digest import pipeline
from digest.db.tables import bounces, stage_runs
from digest.feedback.rates import rates
from digest.install import Install
from digest.stage import stage
from tests.integration.test_pipeline import install, later, listed, mails, readers

__all__ = ["install", "mails"]


def complained_of(install: Install, complaints: int, sent: int) -> None:
    now = install.now()
    run = {"stage": "deliver", "started_at": now, "finished_at": now, "seconds": 1.0, "ok": True}
    with install.engine.begin() as connection:
        connection.execute(stage_runs.insert().values(run | {"counts": {"submitted": sent}}))
        for n in range(complaints):
            connection.execute(bounces.insert().values(kind="complaint", at=now, digest=str(n)))


def test_it_pauses_while_too_many_complain_and_goes_on_by_itself(install: Install) -> None:
    readers(install.engine, "ann")
    listed(install.engine, 1)
    complained_of(install, 5, 1_000)
    pipeline.run(install)
    assert "complaints" in pipeline.deliver(install).reason
    later(install, days=3)
    pipeline.sweep(install)
    assert not pipeline.deliver(install).reason


def test_it_goes_on_in_spite_of_complaints_where_an_operator_says_so(install: Install) -> None:
    complained_of(install, 5, 1_000)
    settings = install.settings.model_copy(update={"stop_on_complaints": False})
    careless = replace(install, settings=settings)
    pipeline.sweep(careless)
    careless.close()
    assert not pipeline.deliver(install).reason


def test_it_counts_letters_among_what_may_come_back(install: Install) -> None:
    now = install.now()
    with install.engine.begin() as connection:
        for stage, sent in (("deliver", 100), ("letters", 900)):
            run = {"stage": stage, "started_at": now, "finished_at": now, "seconds": 1.0, "ok": True}
            connection.execute(stage_runs.insert().values(run | {"counts": {"submitted": sent}}))
        for n in range(50):
            connection.execute(bounces.insert().values(kind="hard", at=now, digest=str(n)))
        hard = next(rate for rate in rates(connection, now) if rate.kind == "hard")
    assert hard.share == 0.05
    assert not hard.is_too_high


def test_it_warns_in_the_log_of_a_stage_that_failed(install: Install) -> None:
    with capture_logs() as said:
        with stage(install, "letters") as report:
            report.counts["submitted"] = 1
        with stage(install, "deliver") as report:
            report.ok, report.reason = False, "the mail server cannot be used"
    assert [one["log_level"] for one in said if one["event"] == "stage.done"] == ["info", "warning"]
