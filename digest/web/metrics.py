"""The tables as Prometheus metrics: what is counted here is what pages and reports show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import Connection

from digest import overview
from digest.db import states
from digest.feedback.rates import ALARM, STOP, rates
from digest.pipeline import PAUSE, Work
from digest.reports import source_health

__all__ = ["CONTENT_TYPE_LATEST", "exposition"]
DAY = timedelta(days=1)


def exposition(connection: Connection, now: datetime, work: Work) -> bytes:
    """All metrics in Prometheus' text format. `work` is what waits."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Tables([*_people(connection, now), *_mail(connection, now, work), *_machinery(connection, now)]))
    return bytes(generate_latest(registry))


class _Tables:
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _people(connection: Connection, now: datetime) -> Iterator[Metric]:
    yield _gauge("digest_subscribers", "Subscribers by status", ["status"], overview.readers_by_status(connection))
    votes = overview.votes_by_direction(connection, now - DAY)
    yield _gauge("digest_votes", "Votes of the last 24 hours by direction", ["direction"], votes)
    bounces = overview.bounces_by_kind(connection, now - DAY)
    yield _gauge("digest_bounces", "Mails returned in the last 24 hours by kind", ["kind"], bounces)
    found = rates(connection, now)
    shares = {one.kind: one.share for one in found}
    yield _gauge("digest_return_ratio", "Returned or complained of, of what was sent in two days", ["kind"], shares)
    yield _gauge("digest_return_ratio_alarm", "Level from which doctor warns", ["kind"], ALARM)
    yield _gauge("digest_return_ratio_stop", "Level from which sending pauses", ["kind"], STOP)


def _mail(connection: Connection, now: datetime, work: Work) -> Iterator[Metric]:
    mails = GaugeMetricFamily("digest_mails", "Rows of today's ledger by mail and status", labels=["mail", "status"])
    counts: Counter[tuple[str, str]] = Counter()
    for mail, status, count in overview.mails_by_status(connection, now.date()):
        counts[mail, status] += count
    for labels, count in sorted(counts.items()):
        mails.add_metric(labels, count)
    yield mails
    waiting = {"rank": work.to_rank, "deliver": work.digests, "letters": work.letters}
    yield _gauge("digest_waiting", "Work that could be done now, by stage", ["stage"], waiting)
    pause = states.get(connection, PAUSE)
    is_paused = pause is not None and datetime.fromisoformat(pause[0]["until"]) > now
    yield GaugeMetricFamily("digest_sending_paused", "1 while sending is paused", value=int(is_paused))


def _machinery(connection: Connection, now: datetime) -> Iterator[Metric]:
    yield GaugeMetricFamily("digest_papers", "Stored papers", value=overview.count_papers(connection))
    sources = {one.source: one.last_success_at.timestamp() for one in source_health(connection) if one.last_success_at}
    yield _gauge("digest_source_success_timestamp_seconds", "Last good answer of each source", ["source"], sources)
    beat = states.get(connection, "beat")
    ticked = {"": beat[1].timestamp()} if beat else {}
    yield _gauge("digest_beat_timestamp_seconds", "Last sign of life of the scheduler", [], ticked)
    runs = overview.last_runs(connection, now - DAY)
    by_stage: dict[str, tuple[str, Callable[[Sequence[Any]], float]]] = {
        "digest_stage_runs": ("Runs that did something in 24 hours", len),
        "digest_stage_failures": ("Runs that failed in 24 hours", lambda some: sum(not run.ok for run in some)),
        "digest_stage_busy_seconds": ("Seconds worked in 24 hours", lambda some: sum(run.seconds for run in some)),
        "digest_stage_last_seconds": ("Seconds that the last run took", lambda some: some[-1].seconds),
        "digest_stage_last_timestamp_seconds": ("When it last ran", lambda some: some[-1].finished_at.timestamp()),
    }
    for name, (help_text, value) in by_stage.items():
        yield _gauge(name, help_text, ["stage"], {stage: float(value(some)) for stage, some in runs.items()})


def _gauge(name: str, help_text: str, labels: list[str], values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=labels)
    for label, value in sorted(values.items()):
        family.add_metric([label] if labels else [], value)
    return family
