from __future__ import annotations

from dataclasses import replace

from digest import pipeline
from digest.db.tables import bounces, stage_runs
from digest.install import Install
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
