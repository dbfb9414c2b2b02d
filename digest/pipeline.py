"""The whole flow on one page: ingest, plan, rank, deliver, learn, sweep.

    source -> paper -> candidate -> ranking -> edition -> message -> delivery -> feedback -> (profile, tomorrow)

Every stage looks for work in the database, does it, and returns a small report; running a stage twice, or in two places
at once, does no harm. Workers call the same functions as the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import structlog
from sqlalchemy import Engine

from digest import outgoing
from digest.clock import real_now
from digest.db import states
from digest.db.engine import reading
from digest.delivery import ledger
from digest.delivery.bounces import parse as parse_bounces
from digest.delivery.bounces import sent_to
from digest.delivery.feed import More
from digest.delivery.halt import Deadline, Stop
from digest.delivery.outcomes import Against, Outcome
from digest.delivery.pace import warm_up_cap
from digest.delivery.recovery import recover_dead
from digest.delivery.retention import drop_old
from digest.delivery.send import Run, SendReport
from digest.delivery.settle import SITE_PAUSE
from digest.delivery.smtp import Unreachable
from digest.editions import plan as planning
from digest.editions import store
from digest.editions.build import Planned
from digest.editions.candidates import Candidates, draft
from digest.feedback import profiles, returns, signals
from digest.feedback.rates import rates
from digest.install import Install
from digest.papers import ingest as ingestion
from digest.papers.store import all_papers, count_papers
from digest.ranking.rank import Reader
from digest.stage import StageReport, stage
from digest.subscribers import lifecycle, upkeep
from digest.subscribers.tokens import Links

log = structlog.get_logger(__name__)

RANK_CHUNK = 500
DELIVER_CHUNK = 500
LEG_MAILS = 20_000
SEEN_FOR = timedelta(days=30)  # candidates are at most half as old
LEARN_AT_SOONEST, LEARN_AT_LATEST = timedelta(hours=24), timedelta(days=7)
LEARN_GROWTH = 1.02  # papers, or likes, over those of the last fit
PAUSE = "sending_paused"


def tell_nobody(_done: int, _of: int | None) -> None:
    """For work that nobody watches."""


@contextmanager
def no_progress(_what: str) -> Iterator[ingestion.Tell]:
    yield tell_nobody


Progress = Callable[[str], AbstractContextManager[ingestion.Tell]]


# --- ingest ---------------------------------------------------------------------------------------------------------


def ingest(
    install: Install,
    source: str,
    days: Sequence[date] | None = None,
    tell: ingestion.Tell | None = None,
    unless_busy: bool = False,
) -> ingestion.IngestReport:
    """Read what is due of one source, or the given days; `tell(done, of)` hears of progress.

    `unless_busy`: leave it to another process that reads the source already.
    """
    return ingestion.ingest(
        install.engine,
        install.settings,
        source,
        days,
        install.now(),
        tell=tell,
        unless_busy=unless_busy,
        clock=install.now,
    )


# --- plan -----------------------------------------------------------------------------------------------------------


def plan(install: Install) -> StageReport:
    """Resume who is back, and write a row of the ledger for everyone who is due."""
    with stage(install, "plan") as report:
        now = install.now()
        report.counts["expired"] = ledger.expire(install.engine, now)  # before what replaces it is planned
        with install.engine.begin() as connection:
            report.counts["resumed"] = upkeep.resume_paused(connection, now)
        done = planning.plan(install.engine, now)
        report.counts["planned"], report.counts["skipped"] = done.planned, done.skipped
        report.counts["failed"] = done.failed
    return report


# --- rank -----------------------------------------------------------------------------------------------------------


def rank(install: Install, seconds: float | None = None, tell: ingestion.Tell = tell_nobody) -> StageReport:
    """Freeze an edition for every planned reader, RANK_CHUNK at a time; each chunk is committed before the next."""
    with stage(install, "rank") as report:
        over, candidates = Deadline(install.stop, seconds), None
        while not over.is_set() and not report.is_finished:
            planned = store.claim_planned(install.engine, install.journal.name, RANK_CHUNK, install.now())
            report.is_finished = not planned
            if planned:
                candidates = candidates or _candidates(install)
                _rank_chunk(install, candidates, planned, report)
                tell(report.counts["ranked"], None)
    return report


def _rank_chunk(install: Install, candidates: Candidates, planned: Sequence[Planned], report: StageReport) -> None:
    try:
        drafts = draft(planned, _readers(install, planned, candidates), candidates)
    except Exception as error:
        if len(planned) > 1:  # find the one that spoils it; the others go on
            for one in planned:
                _rank_chunk(install, candidates, [one], report)
            return
        log.exception("rank.failed", delivery=planned[0].id)
        store.forgive(
            install.engine,
            install.journal.name,
            [planned[0].id],
            f"{type(error).__name__}: {error}"[:200],
            install.now(),
        )
        report.counts["failed"] += 1
        return
    report.counts["frozen"] += store.freeze(install.engine, install.journal.name, drafts, install.now())
    report.counts["editions"] += sum(edition is not None for _, edition, _ in drafts)
    report.counts["ranked"] += len(planned)


def _readers(install: Install, planned: Sequence[Planned], candidates: Candidates) -> dict[int, Reader]:
    ids, now = [one.subscriber_id for one in planned], candidates.now
    with reading(install.engine).connect() as connection:
        seen = store.load_seen(connection, ids, (now - SEEN_FOR).date())
    tastes = profiles.profiles_of(install.engine, ids, candidates.space, candidates.shelf, now)
    return {
        one.id: Reader(
            one.subscriber_id, one.preferences, tastes.get(one.subscriber_id), seen.get(one.subscriber_id, {})
        )
        for one in planned
    }


def _candidates(install: Install) -> Candidates:
    with reading(install.engine).connect() as connection:
        candidates = Candidates(connection, signals.voted_papers(connection), install.models.newest(), install.now())
    profiles.keep_vectors(install.engine, candidates.space, candidates.shelf, candidates.recent)
    return candidates


# --- render and deliver ---------------------------------------------------------------------------------------------


def deliver(
    install: Install, *, letters: bool = False, seconds: float | None = None, tell: ingestion.Tell = tell_nobody
) -> StageReport:
    """Send what waits until nothing is left, `seconds` are over or the process is to stop."""
    with stage(install, "letters" if letters else "deliver") as report:
        over = Deadline(install.stop, seconds)
        while not over.is_set() and report.ok and not report.is_finished:
            if reason := _paused(install):  # by any worker, and also since the last leg
                report.reason = reason
                return report
            try:
                _deliver_leg(install, _claims(install, letters, over, report, tell), over, report)
            except BaseException:  # the claims must not wait until this process ends
                install.abandon_journal()
                raise
    return report


def _claims(install: Install, letters: bool, over: Stop, report: StageReport, tell: ingestion.Tell) -> More:
    """Pages of claims until LEG_MAILS are claimed: the journal is emptied then, so it never grows without bound."""
    before, taken, is_last = report.counts.total(), 0, False

    def more() -> list[ledger.Claim]:
        nonlocal taken, is_last
        if is_last or taken >= LEG_MAILS or over.is_set() or _paused(install):
            return []
        cap = None if letters else warm_up_of(install)
        claims = ledger.claim(
            install.engine, install.journal.name, install.now(), DELIVER_CHUNK, letters=letters, cap=cap
        )
        report.is_finished = not claims
        if cap and not claims and not ledger.count_left(install.engine, cap):
            report.reason = f"warming up: today's {cap.most} mails of a new sender are out (WARM_UP_FROM)"
        taken += len(claims)
        tell(before + taken, None)
        is_last = any(claim.crashes for claim in claims)  # nothing else is in hand when one of them ends this process
        return claims

    return more


def warm_up_of(install: Install) -> ledger.Cap | None:
    """What a new sender may submit today (UTC): a name is earned slowly. None without WARM_UP_FROM."""
    if not (first_on := install.settings.warm_up_from):
        return None
    today = install.now().astimezone(UTC).date()
    since = datetime.combine(today, datetime.min.time(), UTC)
    return ledger.Cap(warm_up_cap(date.fromisoformat(first_on), today), since)


@dataclass(frozen=True, slots=True)
class Work:
    """How much waits, by stage."""

    to_rank: int
    digests: int
    letters: int


def work(engine: Engine, now: datetime, most: int | None = None) -> Work:
    """What could be done now; stops counting each kind at `most`."""
    return Work(
        store.count_planned(engine, most),
        ledger.count_claimable(engine, now, most=most),
        ledger.count_claimable(engine, now, letters=True, most=most),
    )


def _deliver_leg(install: Install, more: More, over: Stop, report: StageReport) -> None:
    run = Run(install.engine, install.journal, install.throttle, install.settings.in_doubt, install.now)
    try:
        run.send(install.pool, more, lambda held: outgoing.prepare(install, held), over)
    except Unreachable as error:
        report.ok = False
        report.reason = f"the mail server cannot be used ({error}): mails wait, `digest doctor` says more"
        if error.outcome.against is Against.SITE:  # a login or a certificate does not mend itself by the next tick
            run.report.stopped = report.reason
    _count(report, run.report)
    if ledger.release(install.engine, install.journal.name):
        report.is_finished = False  # it ended before all that was claimed had its turn
    _suppress_dead(install, run.report.dead)
    install.journal.clear()
    if run.report.stopped:
        install.pool.close()  # after the pause the server is asked anew what it takes
        _pause(install, run.report.stopped)
        report.ok, report.reason = False, run.report.stopped


def _count(report: StageReport, sent: SendReport) -> None:
    for name in ("submitted", "refused", "deferred", "waiting", "uncertain", "skipped"):
        report.counts[name] += getattr(sent, name)


def _suppress_dead(install: Install, dead: Sequence[tuple[int, Outcome]]) -> None:
    """An address that our mail server says does not exist gets nothing more. Told twice, it counts once."""
    for delivery_id, outcome in dead:
        report = returns.Report("hard", outcome.status, outcome.text, f"smtp {delivery_id}", delivery_id)
        with install.engine.begin() as connection:
            returns.take_in(connection, report, install.now())


def _paused(install: Install) -> str:
    with reading(install.engine).connect() as connection:
        pause = states.get(connection, PAUSE)
    if pause is None or datetime.fromisoformat(pause[0]["until"]) <= install.now():
        return ""
    return f"sending is paused until {pause[0]['until']}: {pause[0]['reason']}"


def _pause(install: Install, reason: str) -> None:
    """Stop all workers for a while: going on would harm the site's name, and no reader is to blame."""
    until = install.now() + SITE_PAUSE
    with install.engine.begin() as connection:
        states.put(connection, PAUSE, {"until": until.isoformat(timespec="seconds"), "reason": reason}, install.now())
    log.error("sending.paused", reason=reason, until=until.isoformat(timespec="seconds"))


# --- learn and sweep ------------------------------------------------------------------------------------------------


def learn(install: Install) -> StageReport:
    """Fit the text model and the crowd anew on everything stored; ranking takes them up with its next run."""
    with stage(install, "learn") as report:
        with reading(install.engine).connect() as connection:
            papers, likes = all_papers(connection), signals.likes(connection)
        report.counts["papers"], report.counts["likes"] = len(papers), len(likes)
        report.counts["version"] = install.models.fit(papers, likes, install.now()) or 0
    return report


def learn_if_due(install: Install) -> StageReport | None:
    """Fit where there is no model, where there is LEARN_GROWTH more to learn from a day later, and each week.

    Each fit makes every profile anew, and a mature install learns next to nothing from one day more.
    """
    fit, now = install.models.newest_fit(), install.now()
    if fit is None or now - fit.at >= LEARN_AT_LATEST:
        return learn(install)
    if now - fit.at < LEARN_AT_SOONEST:
        return None
    with reading(install.engine).connect() as connection:
        sizes = (count_papers(connection), fit.papers), (signals.count_likes(connection), fit.likes or 0)
    has_grown = any(known > learned * LEARN_GROWTH for known, learned in sizes)
    return learn(install) if has_grown else None


def take_in(install: Install, raw: bytes) -> list[str]:
    """Take in one returned mail; says for each recipient in it what was done."""
    return take_in_by(install.engine, install.links, raw, install.now())


def take_in_by(engine: Engine, links: Links, raw: bytes, now: datetime) -> list[str]:
    """The same for a caller with an engine and links of its own: the web."""
    if leaving := [id for to in sent_to(raw) if (id := links.read_unsubscribe_address(to)) is not None]:
        with engine.begin() as connection:
            left = lifecycle.unsubscribe(connection, leaving[0], now, how="mail")
        return [f"unsubscribed by mail: {left}"]
    said = []
    for number, bounce in enumerate(parse_bounces(raw)):
        paths = [*bounce.to, *filter(None, [bounce.return_path])]
        ids = [id for path in paths if (id := links.read_envelope_sender(path)) is not None]
        name = sha256(raw).hexdigest()[:60] + f"-{number}"
        report = returns.Report(bounce.kind, bounce.status, bounce.reason, name, ids[0] if ids else None)
        with engine.begin() as connection:
            done = returns.take_in(connection, report, now)
        said.append(f"{bounce.kind} {bounce.status or 'without a status'}: {done}")
    return said


def take_in_maildir(install: Install, folder: Path, tell: ingestion.Tell = tell_nobody) -> list[str]:
    """Take in what lies in new/; each is moved to cur/ when it is done, so an interrupted run goes on where it was."""
    said = []
    (folder / "cur").mkdir(exist_ok=True)
    paths = sorted((folder / "new").iterdir())
    for done, path in enumerate(paths, start=1):
        said += [f"{path.name}: {one}" for one in take_in(install, path.read_bytes()) or ["nothing reported"]]
        path.rename(folder / "cur" / f"{path.name}:2,S")
        tell(done, len(paths))
    return said


def heartbeat(install: Install) -> None:
    """Shows doctor and /healthz that beat ticks and a worker answers. By the real clock, whatever is simulated."""
    with install.engine.begin() as connection:
        states.put(connection, "beat", None, real_now())


def sweep(install: Install) -> StageReport:
    """What must be true however work was lost: dead workers' mails are settled, old rows go, pauses end."""
    with stage(install, "sweep") as report:
        now, engine = install.now(), install.engine
        report.counts["recovered"] = recover_dead(
            engine, install.journal_folder, install.settings.in_doubt, now, partial(_suppress_dead, install)
        )
        report.counts["expired"] = ledger.expire(engine, now)
        report.counts["unseen"] = store.drop_old_seen(engine, (now - SEEN_FOR).date())
        if install.settings.keep_days:
            report.counts["dropped"] = drop_old(engine, now - timedelta(days=install.settings.keep_days))
        _stop_if_unwelcome(install)
        with engine.begin() as connection:
            report.counts["closed"] = upkeep.close_forgotten(connection, now)
            report.counts["unconfirmed"] = upkeep.drop_unconfirmed(connection, now)
    return report


def _stop_if_unwelcome(install: Install) -> None:
    """Too many complaints or dead addresses: going on would cost every other reader their mail."""
    with reading(install.engine).connect() as connection:
        found = [rate for rate in rates(connection, install.now()) if rate.is_too_high]
    if found and install.settings.stop_on_complaints and not _paused(install):
        _pause(install, f"{found[0]}; see docs/operating.md, When sending pauses")


RESTORED = "held: restored from a backup, it may have arrived; the papers are in the next digest"


def restored(install: Install) -> StageReport:
    """After a restore nobody knows what went out since the backup: nothing that was due by now is sent for its date."""
    with stage(install, "restored") as report:
        report.counts["planned"] = planning.plan(install.engine, install.now()).planned
        report.counts["held"] = ledger.hold_open(install.engine, RESTORED, install.now())
    return report


def run(install: Install, progress: Progress = no_progress) -> list[StageReport | ingestion.IngestReport]:
    """One whole cycle for everyone due now; the same stages as the workers', one after the other.

    A source that cannot be read is reported and stops nobody's digest. `progress(what)` opens what is told how far it is.
    """
    reports: list[StageReport | ingestion.IngestReport] = [sweep(install)]
    reports += [ingest(install, source) for source in install.settings.sources]
    if learned := learn_if_due(install):
        reports.append(learned)
    reports.append(plan(install))
    with progress("readers ranked") as tell:
        reports.append(rank(install, tell=tell))
    with progress("mails") as tell:
        reports += [deliver(install, letters=True), deliver(install, tell=tell)]
    return reports
