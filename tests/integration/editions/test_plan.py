from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import Engine, func, select

from digest.db.tables import deliveries, subscribers
from digest.editions.plan import PAGE, PlanReport, plan
from tests.builders import NOW, TODAY, add_subscriber


def test_it_plans_each_due_subscriber_once(engine: Engine) -> None:
    with engine.begin() as connection:
        for name in ("ann", "bob", "cleo"):
            add_subscriber(connection, f"{name}@example.org")
        add_subscriber(connection, "later@example.org", due_at=NOW + timedelta(hours=1))
        add_subscriber(connection, "gone@example.org", status="unsubscribed")
    assert plan(engine, NOW) == PlanReport(planned=3, skipped=0)
    assert plan(engine, NOW) == PlanReport(planned=0, skipped=0)
    with engine.connect() as connection:
        assert {tuple(row) for row in connection.execute(select(deliveries.c.dated_on, deliveries.c.status))} == {
            (TODAY, "planned")
        }


def test_it_plans_once_when_many_planners_run_at_the_same_time(engine: Engine) -> None:
    with engine.begin() as connection:
        for n in range(PAGE + 50):
            add_subscriber(connection, f"reader{n}@example.org")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: plan(engine, NOW), range(4)))
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(deliveries)).scalar_one() == PAGE + 50
        assert connection.execute(select(func.min(subscribers.c.due_at))).scalar_one() == NOW + timedelta(days=1)
