"""Claimed mails go out: made, sent and recorded, and what dead workers left is settled.

Every reply stands in the journal before the next mail starts on its connection; the ledger is written in groups, a
second apart at most, because a commit for each mail would cost more than sending it. Whoever finds the journal of a
dead worker knows exactly which mails may have arrived.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from digest.db.tables import DeliveryStatus
from digest.delivery import ledger
from digest.delivery.gate import Gate, domain_of
from digest.delivery.halt import Halt, Stop
from digest.delivery.journal import Journal, abandoned, is_worker_alive
from digest.delivery.ledger import Claim, Result
from digest.delivery.outcomes import Against, Outcome, Verdict
from digest.delivery.smtp import Envelope, Pool
from digest.delivery.throttle import Throttle

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 1.0
FLUSH_RESULTS = 500
FRESH_SECONDS = 0.05  # how old "still subscribed" may be when a mail starts
MOST_ASKS = 3  # times in a row, where the database answers more slowly than that
SITE_FAULTS = 20  # refusals of our site, or of the mail itself, in a row that stop the run
BACK_OFF = tuple(timedelta(minutes=m) for m in (1, 2, 5, 10, 20, 30))
SITE_PAUSE = timedelta(minutes=15)

Make = Callable[[Claim], Envelope]
More = Callable[[], Sequence[Claim]]  # claims a page of mails; empty when there is nothing more to send
Prepare = Callable[[Sequence[Claim]], Make]  # everything that many mails share, once; then each mail
Page = tuple[Sequence[Claim], Make]


@dataclass
class SendReport:
    """Counts of one run, and the reason when the whole run was stopped."""

    submitted: int = 0
    refused: int = 0
    deferred: int = 0
    waiting: int = 0  # not tried: their domain takes no more for now
    uncertain: int = 0
    skipped: int = 0
    stopped: str = ""
    dead: list[tuple[int, Outcome]] = field(default_factory=list)  # deliveries to addresses that will never work

    @property
    def tried(self) -> int:
        return self.submitted + self.refused + self.deferred + self.uncertain + self.skipped


class Run:
    """Mails on their way, page after page: replies come from the connections' threads, one thread writes the ledger."""

    def __init__(
        self, engine: Engine, journal: Journal, throttle: Throttle, in_doubt: str, now: Callable[[], datetime]
    ) -> None:
        self._engine, self._journal, self._throttle = engine, journal, throttle
        self._in_doubt, self._now = in_doubt, now
        self._claims: dict[int, Claim] = {}
        self._makes: dict[int, Make] = {}
        self._results: list[Result] = []
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._unwanted: frozenset[int] = frozenset()
        self._fresh_until = 0.0
        self._site_faults = 0
        self.report = SendReport()
        self._halt = Halt()

    def send(self, pool: Pool, more: More, prepare: Prepare, stop: Stop) -> SendReport:
        """Send all that `more` claims, or as much as `stop` allows; the ledger has every result when this returns.

        What was claimed and not sent is still claimed then.
        """
        if not (first := more()):
            return self.report
        self._halt = Halt(stop)
        done = threading.Event()
        writer = threading.Thread(target=self._write_until, args=(done,), name="ledger")
        writer.start()
        try:
            with Feed(first, more, partial(self._prepared, prepare)) as pages:
                pool.send(self._mails(pages), self.on_reply, self.is_wanted, self._journal.before_dot, self._halt)
        finally:
            self._throttle.rest()
            done.set()
            writer.join()
            self.flush()
        return self.report

    def _mails(self, pages: Iterable[Page]) -> Iterator[Callable[[], Envelope | None]]:
        for claim in Gate(self._throttle, self._halt, self._send_back).passed(self._drawn(pages)):
            yield partial(self._made, self._makes[claim.id], claim)

    def _drawn(self, pages: Iterable[Page]) -> Iterator[Claim]:
        for claims, make in pages:
            self._claims.update((claim.id, claim) for claim in claims)
            self._makes.update((claim.id, make) for claim in claims)
            yield from claims

    def _send_back(self, claim: Claim, seconds: float) -> None:
        """To the ledger, untried, until its domain takes more."""
        self._forget(claim.id)
        status = DeliveryStatus.DEFERRED if claim.attempts else DeliveryStatus.WAITING
        again_at = self._now() + timedelta(seconds=seconds)
        self._note(Result(claim.id, status, "its domain takes no more for now", next_try_at=again_at, is_attempt=False))

    def _prepared(self, prepare: Prepare, claims: Sequence[Claim]) -> Make:
        self._journal.prepare([claim.id for claim in claims])
        make = prepare(claims)
        self._journal.prepare(())
        return make

    def _made(self, make: Make, claim: Claim) -> Envelope | None:
        """The mail, or None when it cannot be made: it is parked, and the others go on."""
        self._journal.begin(claim.id)
        try:
            return make(claim)
        except Exception as error:
            log.exception("mail.parked", delivery=claim.id)
            self._throttle.done(domain_of(self._forget(claim.id)), None)
            self._note(
                Result(
                    claim.id,
                    DeliveryStatus.SKIPPED,
                    f"parked: the mail could not be made ({type(error).__name__}: {error})"[:300],
                )
            )
            return None

    def is_wanted(self, id: int) -> bool:
        """Whether the reader is still subscribed; asked again when the answer is older than FRESH_SECONDS."""
        with self._asking:  # one asks for all connections, however many there are
            for _ in range(MOST_ASKS):
                if time.monotonic() < self._fresh_until:
                    break
                asked = time.monotonic()
                self._unwanted = frozenset(ledger.unwanted(self._engine, self._journal.name))
                self._fresh_until = asked + FRESH_SECONDS  # of the question: an answer that took long is old by now
            return id not in self._unwanted

    def on_reply(self, id: int, outcome: Outcome) -> None:
        """Journal first, so that nothing that happened is lost; then see what it means."""
        now = self._now()
        self._journal.record(id, outcome, now)
        claim = self._forget(id)
        self._throttle.done(domain_of(claim), outcome)
        self._note(settle(claim, outcome, self._in_doubt, now), outcome)
        if outcome.is_address_dead:
            self.report.dead.append((claim.id, outcome))

    def _forget(self, id: int) -> Claim:
        del self._makes[id]
        return self._claims.pop(id)

    def _note(self, result: Result, outcome: Outcome | None = None) -> None:
        with self._lock:
            self._results.append(result)
            setattr(self.report, result.status, getattr(self.report, result.status) + 1)
            self._count_site_faults(outcome)

    def _count_site_faults(self, outcome: Outcome | None) -> None:
        if outcome is None or outcome.verdict is Verdict.SKIPPED:
            return
        self._site_faults = self._site_faults + 1 if _is_ours(outcome) else 0
        if self._site_faults >= SITE_FAULTS:
            self.report.stopped = f"{self._site_faults} refusals of this site or its mails in a row, the last one: {outcome.code or ''} {outcome.status or ''} {outcome.text}"
            self._halt.set()

    def _write_until(self, done: threading.Event) -> None:
        while not done.wait(FLUSH_SECONDS):
            try:
                self.flush()
                ledger.renew(self._engine, self._journal.name)
            except SQLAlchemyError as error:  # also a pool without a free connection: the next second tries again
                log.warning("ledger.unreachable", error=str(error)[:200], waiting=len(self._results))

    def flush(self) -> None:
        """Write what is known to the ledger; what cannot be written now stays, here and in the journal."""
        with self._lock:
            pending, self._results = self._results, []
        try:
            ledger.record(self._engine, self._journal.name, pending, self._now())
        except SQLAlchemyError:
            with self._lock:
                self._results = pending + self._results
            raise


class Feed:
    """Pages of mails, each claimed and prepared while the one before is on its way; what fails there is raised here."""

    def __init__(self, first: Sequence[Claim], more: More, prepare: Prepare) -> None:
        self._claims, self._more, self._prepare = first, more, prepare
        self._pages: queue.Queue[Page | BaseException | None] = queue.Queue(1)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._fetch, name="feed")

    def __enter__(self) -> Iterator[Page]:
        self._thread.start()
        return self._drawn()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing is claimed any more once this returns."""
        self._is_closed.set()
        self._thread.join()

    def _drawn(self) -> Iterator[Page]:
        while (page := self._pages.get()) is not None:
            if isinstance(page, BaseException):
                raise page
            yield page

    def _fetch(self) -> None:
        last: BaseException | None = None
        try:
            while self._claims and not self._is_closed.is_set():
                self._put((self._claims, self._prepare(self._claims)))
                self._claims = self._more()
        except BaseException as error:
            last = error
        self._put(last)

    def _put(self, page: Page | BaseException | None) -> None:
        while not self._is_closed.is_set():
            with contextlib.suppress(queue.Full):
                return self._pages.put(page, timeout=0.1)
        return None


def _is_ours(outcome: Outcome) -> bool:
    """Refused for what we are, or for what we write: said of one mail after the other, that is no matter of one mail."""
    return outcome.against is Against.SITE or (outcome.against is Against.MESSAGE and outcome.code is not None)


def settle(claim: Claim, outcome: Outcome, in_doubt: str, now: datetime) -> Result:
    """What a reply means for the row of the ledger. Pure."""
    said = f"{outcome.code or ''} {outcome.status or ''} {outcome.text}".strip() or f"no reply ({outcome.phase})"
    match outcome.verdict:
        case Verdict.SUBMITTED:
            return Result(claim.id, DeliveryStatus.SUBMITTED, None, outcome.code, outcome.status)
        case Verdict.SKIPPED:
            return Result(
                claim.id,
                DeliveryStatus.SKIPPED,
                "the reader left before it was sent",
                is_attempt=False,
                frees_papers=True,
            )
        case Verdict.UNCERTAIN:
            return ledger.doubt(claim.id, claim.doubts, in_doubt, now)
    if outcome.against is Against.SITE:
        return Result(claim.id, DeliveryStatus.DEFERRED, said, outcome.code, outcome.status, now + SITE_PAUSE)
    if outcome.verdict is Verdict.REFUSED:
        return Result(claim.id, DeliveryStatus.REFUSED, said, outcome.code, outcome.status)
    if claim.attempts + 1 >= ledger.MAX_ATTEMPTS:
        return Result(
            claim.id,
            DeliveryStatus.REFUSED,
            f"given up after {claim.attempts + 1} tries: {said}",
            outcome.code,
            outcome.status,
        )
    pause = BACK_OFF[min(claim.attempts, len(BACK_OFF) - 1)]
    return Result(claim.id, DeliveryStatus.DEFERRED, said, outcome.code, outcome.status, now + pause)


OnDead = Callable[[Sequence[tuple[int, Outcome]]], None]  # ids of the ledger whose address will never work


def recover_dead(engine: Engine, folder: Path, in_doubt: str, now: datetime, on_dead: OnDead) -> int:
    """Settle what workers of this machine that are gone had in hand, then what lapsed elsewhere; returns how many mails.

    `on_dead` hears of addresses that do not exist: the worker that had the reply may have died before it drew the
    consequence. A lapsed claim of a worker that still holds its journal here is left alone, whatever the clocks say.
    """
    settled = 0
    for journal in abandoned(folder):
        settled += settle_journal(engine, journal, in_doubt, now, on_dead)
        journal.remove()
    for worker in ledger.lapsed_workers(engine):
        if not is_worker_alive(folder, worker):
            settled += ledger.recover(engine, worker, [], (), None, in_doubt, now)
    return settled


def settle_journal(engine: Engine, journal: Journal, in_doubt: str, now: datetime, on_dead: OnDead) -> int:
    """Bring the ledger up to what a journal tells, and give back the rest of its claims."""
    story = journal.story()
    claims = ledger.load_claims(engine, sorted(story.records))
    results = [
        settle(claims[id], record.outcome, in_doubt, now) for id, record in story.records.items() if id in claims
    ]
    begun = story.begun | story.preparing
    settled = ledger.recover(engine, journal.name, results, begun, story.doubtful, in_doubt, now)
    on_dead([(id, record.outcome) for id, record in story.records.items() if record.outcome.is_address_dead])
    return settled
