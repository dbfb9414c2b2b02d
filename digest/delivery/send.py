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
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine

from digest.db.engine import asking, chunks
from digest.db.tables import DeliveryStatus, Mail
from digest.delivery import ledger
from digest.delivery.gate import Gate, domain_of
from digest.delivery.halt import Halt, Stop
from digest.delivery.journal import Journal, abandoned, is_worker_alive
from digest.delivery.ledger import Claim, Result
from digest.delivery.outcomes import Against, Outcome, Verdict
from digest.delivery.smtp import Envelope, Pool
from digest.delivery.throttle import Throttle

log = structlog.get_logger(__name__)

Item = TypeVar("Item")

FLUSH_SECONDS = 1.0
FRESH_SECONDS = 0.05  # how old "still subscribed" may be when a mail starts
ASKED_TOGETHER = 100  # about what leaves in that time
MOST_ASKS = 3  # times in a row, where the database answers more slowly than that
MOST_FAULTS = 20  # mails in a row that failed for reasons that are no reader's: then the run stops
SURE_SECONDS = ledger.LEASE_SECONDS / 2  # every claim lasts for so long after `renew`
_LOOK_SECONDS = 0.005
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


@dataclass(slots=True)
class Company:
    """Readers who are asked about together: may they still have their mail?"""

    subscriber_ids: list[int]
    is_of_letters: bool
    willing: set[int] = field(default_factory=set)
    fresh_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Held:
    """A claimed mail that has no result yet."""

    claim: Claim
    make: Make
    company: Company


class Run:
    """Mails on their way, page after page. Another thread claims and prepares them, a third one writes the ledger."""

    def __init__(
        self, engine: Engine, journal: Journal, throttle: Throttle, in_doubt: str, now: Callable[[], datetime]
    ) -> None:
        self._engine, self._journal, self._throttle = engine, journal, throttle
        self._in_doubt, self._now = in_doubt, now
        self._held: dict[int, Held] = {}
        self._submitted: deque[int] = deque()  # filled by one thread and emptied by another
        self._results: deque[Result] = deque()
        self._faults = 0
        self._leased_until = 0.0
        self._asking: Connection | None = None
        self.report = SendReport()
        self._halt = Halt()

    def send(self, pool: Pool, more: More, prepare: Prepare, stop: Stop) -> SendReport:
        """Send all that `more` claims, or as much as `stop` allows; the ledger has every result when this returns.

        What was claimed and not sent is still claimed then.
        """
        self._leased_until = uptime() + SURE_SECONDS
        if not (first := more()):
            return self.report
        self._halt = Halt(stop)
        done = threading.Event()
        writer = threading.Thread(target=self._write_until, args=(done,), name="ledger")
        writer.start()
        try:
            with asking(self._engine) as self._asking, Feed(first, more, partial(self._prepared, prepare)) as pages:
                pool.send(self._mails(pages), self.on_reply, self.is_wanted, self._journal.before_dot, self._halt)
        finally:
            self._throttle.rest()
            done.set()
            writer.join()
            self.flush()
        return self.report

    def _mails(self, pages: Iterable[Page | float]) -> Iterator[Callable[[], Envelope | None] | float]:
        for claim in Gate(self._throttle, self._send_back).passed(self._drawn(pages)):
            yield claim if isinstance(claim, float) else partial(self._made, claim)

    def _drawn(self, pages: Iterable[Page | float]) -> Iterator[Claim | float]:
        for page in pages:
            if isinstance(page, float):
                yield page
                continue
            claims, make = page
            for some in chunks(claims, ASKED_TOGETHER):
                company = Company([claim.subscriber_id for claim in some], some[0].mail is not Mail.DIGEST)
                self._held.update((claim.id, Held(claim, make, company)) for claim in some)
                yield from some

    def _send_back(self, claim: Claim, seconds: float) -> None:
        """To the ledger, untried, until its domain takes more."""
        del self._held[claim.id]
        status = DeliveryStatus.DEFERRED if claim.attempts else DeliveryStatus.WAITING
        again_at = self._now() + timedelta(seconds=seconds)
        self._note(Result(claim.id, status, "its domain takes no more for now", next_try_at=again_at, is_attempt=False))

    def _prepared(self, prepare: Prepare, claims: Sequence[Claim]) -> Make:
        self._journal.prepare([claim.id for claim in claims])
        make = prepare(claims)
        self._journal.prepare(())
        return make

    def _made(self, claim: Claim) -> Envelope | None:
        """The mail, or None when it cannot be made: it is parked, and the others go on."""
        if uptime() >= self._leased_until:
            log.warning(
                "lease.over", meaning="this process stood still, or the database was away; others may have its mails"
            )
            self._halt.set()
            return None
        self._journal.begin(claim.id)
        try:
            return self._held[claim.id].make(claim)
        except Exception as error:
            log.exception("mail.parked", delivery=claim.id)
            del self._held[claim.id]
            self._throttle.done(domain_of(claim), None)
            why = f"parked: the mail could not be made ({type(error).__name__}: {error})"[:300]
            self._note(Result(claim.id, DeliveryStatus.SKIPPED, why))
            return None

    def is_wanted(self, id: int) -> bool:
        """Whether the reader may still have it, by an answer that is never older than FRESH_SECONDS."""
        held = self._held[id]
        for _ in range(MOST_ASKS):
            asked = uptime()
            if asked < held.company.fresh_until:
                break
            self._ask(held.company)
            held.company.fresh_until = asked + FRESH_SECONDS  # of the question: an answer that took long is old by now
        return held.claim.subscriber_id in held.company.willing

    def _ask(self, company: Company) -> None:
        assert self._asking is not None
        with self._asking.begin():
            company.willing = ledger.willing(self._asking, company.subscriber_ids, letters=company.is_of_letters)

    def on_reply(self, id: int, outcome: Outcome) -> None:
        """Journal first, so that nothing that happened is lost; then see what it means."""
        self._journal.record(id, outcome)
        claim = self._held.pop(id).claim
        self._throttle.done(domain_of(claim), outcome)
        if outcome.verdict is Verdict.SUBMITTED:
            self._submitted.append(id)
            self.report.submitted += 1
            self._faults = 0
            return
        self._note(settle(claim, outcome, self._in_doubt, self._now()))
        self._count_faults(outcome)
        if outcome.is_address_dead:
            self.report.dead.append((claim.id, outcome))

    def _note(self, result: Result) -> None:
        self._results.append(result)
        setattr(self.report, result.status, getattr(self.report, result.status) + 1)

    def _count_faults(self, outcome: Outcome) -> None:
        if outcome.verdict is Verdict.SKIPPED:
            return
        self._faults = self._faults + 1 if _is_of_all(outcome) else 0
        if self._faults >= MOST_FAULTS:
            said = f"{outcome.code or ''} {outcome.status or ''} {outcome.text}"
            self.report.stopped = (
                f"{self._faults} mails in a row failed for reasons that are no reader's, the last one: {said}"
            )
            self._halt.set()

    def _write_until(self, done: threading.Event) -> None:
        while not done.wait(FLUSH_SECONDS):
            try:
                self.flush()
                asked = uptime()
                ledger.renew(self._engine, self._journal.name)
                if asked < self._leased_until:  # else some are somebody else's by now, and only the rest was renewed
                    self._leased_until = asked + SURE_SECONDS
            except Exception as error:  # whatever it is: the next second tries again, and the last time it is raised
                log.warning("ledger.unreachable", error=str(error)[:200], waiting=len(self._results))

    def flush(self) -> None:
        """Write what is known to the ledger; what cannot be written now stays, here and in the journal."""
        submitted, results = _taken_from(self._submitted), _taken_from(self._results)
        try:
            ledger.record(self._engine, self._journal.name, submitted, results, self._now())
        except Exception:  # what was forgotten here would be given back, and sent again
            self._submitted.extend(submitted)
            self._results.extend(results)
            raise


class Feed:
    """Pages of mails, each claimed and prepared while the one before is on its way; what fails there is raised here.

    Between them, while the next is not ready, seconds after which to ask again.
    """

    def __init__(self, first: Sequence[Claim], more: More, prepare: Prepare) -> None:
        self._claims, self._more, self._prepare = first, more, prepare
        self._pages: queue.Queue[Page | BaseException | None] = queue.Queue(1)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._fetch, name="feed")

    def __enter__(self) -> Iterator[Page | float]:
        self._thread.start()
        return self._drawn()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing is claimed any more once this returns."""
        self._is_closed.set()
        self._thread.join()

    def _drawn(self) -> Iterator[Page | float]:
        while True:
            try:
                page = self._pages.get_nowait()
            except queue.Empty:
                yield _LOOK_SECONDS
                continue
            if page is None:
                return
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


def uptime() -> float:
    """Seconds that passed on this machine, those that it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _taken_from(waiting: deque[Item]) -> list[Item]:
    return [waiting.popleft() for _ in range(len(waiting))]


def _is_of_all(outcome: Outcome) -> bool:
    """What is no matter of one mail, when it happens to one after the other.

    It was refused for what we are or for what we write, or the server never says whether it took it.
    """
    is_refused = outcome.against is Against.SITE or (outcome.against is Against.MESSAGE and outcome.code is not None)
    return is_refused or outcome.verdict is Verdict.UNCERTAIN


def settle(claim: Claim, outcome: Outcome, in_doubt: str, now: datetime) -> Result:
    """What anything but a plain yes means for the row of the ledger. Pure."""
    said = f"{outcome.code or ''} {outcome.status or ''} {outcome.text}".strip() or f"no reply ({outcome.phase})"
    match outcome.verdict:
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
            settled += ledger.recover(engine, worker, (), None, in_doubt, now)
    return settled


def settle_journal(engine: Engine, journal: Journal, in_doubt: str, now: datetime, on_dead: OnDead) -> int:
    """Bring the ledger up to what a journal tells, and give back the rest of its claims."""
    story = journal.story()
    outcomes = {id: outcome for id, outcome in story.outcomes.items() if outcome.verdict is not Verdict.SUBMITTED}
    claims = ledger.load_claims(engine, sorted(outcomes))
    results = [settle(claims[id], outcome, in_doubt, now) for id, outcome in outcomes.items() if id in claims]
    ledger.record(engine, journal.name, sorted(story.outcomes.keys() - outcomes.keys()), results, now)
    begun = story.begun | story.preparing
    settled = ledger.recover(engine, journal.name, begun, story.doubtful, in_doubt, now)
    on_dead([(id, outcome) for id, outcome in outcomes.items() if outcome.is_address_dead])
    return settled
