"""Commands that run stages by hand, and the report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

from digest.cli.shell import DAY, INSTANT, Failure, reports, settings_of
from digest.settings import Settings, is_loopback


@dataclass(frozen=True)
class Runs:
    """Reports of several stages, one after the other."""

    parts: tuple[Any, ...]

    @property
    def ok(self) -> bool:
        return all(part.ok for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "runs": [part.to_json() for part in self.parts]}

    def __str__(self) -> str:
        return "\n".join(str(part) for part in self.parts)


@click.command()
@click.option("--source", help="Only this source: huggingface, arxiv or file.")
@click.option("--date", "day", type=DAY, help="Only this day, YYYY-MM-DD.")
@click.option("--from", "first", type=DAY, help="First day of a back-fill.")
@click.option("--to", "last", type=DAY, help="Last day of a back-fill.")
@click.pass_context
@reports
def ingest(
    context: click.Context, source: str | None, day: datetime | None, first: datetime | None, last: datetime | None
) -> Runs:
    """Fetch papers. Running it again changes nothing; an interrupted back-fill goes on where it was."""
    from digest import pipeline
    from digest.cli.progress import progress
    from digest.install import Install

    settings = settings_of(context)
    if source is not None and source not in settings.sources and source not in ("huggingface", "arxiv", "file"):
        raise click.BadParameter(f"{source!r} is no source. Choose huggingface, arxiv or file.", param_hint="--source")
    install = Install.open(settings)
    days = _days(day, first, last, install.now())
    names = [source] if source else list(settings.sources)
    try:
        if days is None:
            return Runs(tuple(pipeline.ingest(install, name) for name in names))
        done = []
        for name in names:
            with progress(f"{name}: days") as tell:
                done.append(pipeline.ingest(install, name, days, tell))
        return Runs(tuple(done))
    finally:
        install.close()


def _days(day: datetime | None, first: datetime | None, last: datetime | None, now: datetime) -> list[date] | None:
    if day and (first or last):
        raise click.UsageError("--date stands alone; use --from and --to for more than one day.")
    if day:
        return [day.date()]
    if first is None and last is None:
        return None
    if first is None:
        raise click.UsageError("--to needs --from: say where to begin.")
    end = last.date() if last else now.date()
    if end < first.date():
        raise click.UsageError("--to lies before --from.")
    return [first.date() + timedelta(days=n) for n in range((end - first.date()).days + 1)]


@click.command()
@click.option(
    "--now", "at", type=INSTANT, metavar="INSTANT", help="Act as if it were this instant, like 2026-06-09T07:00:00Z."
)
@click.option("--date", "day", type=DAY, help="Act as if it were noon UTC of this day.")
@click.pass_context
@reports
def run(context: click.Context, at: datetime | None, day: datetime | None) -> Runs:
    """One whole cycle for everyone due: ingest, plan, rank, render, deliver; then the report of the ledger."""
    from digest import pipeline
    from digest.cli.progress import progress
    from digest.install import Install
    from digest.reports import day_report

    settings = settings_of(context)
    install = Install.open(settings)
    if moment := _moment(settings, at, day):
        install = Install(settings, clock=lambda: moment)
    try:
        done = pipeline.run(install, progress)
        return Runs((*done, day_report(install.engine, None)))
    finally:
        install.close()


def _moment(settings: Settings, at: datetime | None, day: datetime | None) -> datetime | None:
    if at and day:
        raise click.UsageError("give --now or --date, not both.")
    moment = at or (day.replace(hour=12, tzinfo=UTC) if day else None)
    if moment and not is_loopback(settings.smtp_host) and abs(moment - datetime.now(UTC)) > timedelta(days=1):
        raise Failure(
            "mail would go out for another day than today. To try it out, set DIGEST_SMTP_HOST to 127.0.0.1 "
            "(`digest demo` has an inbox there); for a real run leave --now and --date away."
        )
    return moment


@click.command()
@click.pass_context
@reports
def restored(context: click.Context) -> Any:
    """Once after a restore, before workers start: what may have gone out since the backup is not sent again."""
    from digest import pipeline
    from digest.install import Install

    install = Install.open(settings_of(context))
    try:
        return pipeline.restored(install)
    finally:
        install.close()


@click.command()
@click.option("--date", "day", type=DAY, help="Only digests of this local date; without it, of all dates.")
@click.option(
    "--ranking",
    "is_ranking",
    is_flag=True,
    help="Whether the ranking helps: votes of yesterday, or of --date, and of 30 days.",
)
@click.pass_context
@reports
def report(context: click.Context, day: datetime | None, is_ranking: bool) -> Any:
    """The ledger (planned = submitted + refused + skipped + uncertain + deferred + waiting) and the sources."""
    from digest.install import Install
    from digest.ranking_report import ranking_report
    from digest.reports import day_report

    install = Install.open(settings_of(context))
    try:
        if is_ranking:
            return ranking_report(install.engine, day.date() if day else install.now().date() - timedelta(days=1))
        return day_report(install.engine, day.date() if day else None)
    finally:
        install.close()
