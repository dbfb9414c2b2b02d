"""Claimed mails go out: made, sent and recorded.

Every reply stands in the journal before the next mail starts on its connection; the ledger is written in groups, a
second apart at most, because a commit for each mail would cost more than sending it. Whoever finds the journal of a
dead worker knows exactly which mails may have arrived (`recovery`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, Engine

from digest.db.engine import asking, chunks
from digest.db.tables import DeliveryStatus, Mail
from digest.delivery import ledger
from digest.delivery.feed import Feed, Make, More, Page, Prepare
from digest.delivery.gate import Gate, domain_of
from digest.delivery.halt import Halt, Stop
from digest.delivery.journal import Journal
from digest.delivery.ledger import Claim, Result
from digest.delivery.outcomes import Against, Outcome, Verdict
from digest.delivery.recorder import Recorder, uptime
from digest.delivery.settle import settle
from digest.delivery.smtp import Envelope, Pool
from digest.delivery.throttle import Throttle

log = structlog.get_logger(__name__)

FRESH_SECONDS = 0.05  # how old "still subscribed" may be when a mail starts
ASKED_TOGETHER = 100  # about what leaves in that time
MOST_ASKS = 3  # times in a row, where the database answers more slowly than that
MOST_FAULTS = 20  # mails in a row that failed for reasons that are no reader's: then the run stops


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


class Held(NamedTuple):
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
        self._recorder = Recorder(engine, journal.name, now)
        self._faults = 0
        self._asking: Connection | None = None
        self.report = SendReport()
        self._halt = Halt()

    def send(self, pool: Pool, more: More, prepare: Prepare, stop: Stop) -> SendReport:
        """Send all that `more` claims, or as much as `stop` allows; the ledger has every result when this returns.

        What was claimed and not sent is still claimed then.
        """
        if not (first := more()):
            return self.report
        self._halt = Halt(stop)
        pages = Feed(first, more, partial(self._prepared, prepare))
        try:
            with _as_batch(), self._recorder, asking(self._engine) as self._asking, pages as drawn:
                pool.send(self._mails(drawn), self.on_reply, self.is_wanted, self._journal.before_dot, self._halt)
        finally:
            self._throttle.rest()
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
        if not self._recorder.is_sure:
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
            self._recorder.add_submitted(id)
            self.report.submitted += 1
            self._faults = 0
            return
        self._note(settle(claim, outcome, self._in_doubt, self._now()))
        self._count_faults(outcome)
        if outcome.is_address_dead:
            self.report.dead.append((claim.id, outcome))

    def _note(self, result: Result) -> None:
        self._recorder.add(result)
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


@contextlib.contextmanager
def _as_batch() -> Iterator[None]:
    """This thread, and those that it starts, wake without pushing anybody off a core (sched(7), SCHED_BATCH).

    So the mail server and the database, where they are on this machine, finish what they are at. A policy that somebody
    chose stays.
    """
    is_ours = _change_policy(os.SCHED_OTHER, os.SCHED_BATCH)
    try:
        yield
    finally:
        if is_ours:
            _change_policy(os.SCHED_BATCH, os.SCHED_OTHER)


def _change_policy(policy: int, to: int) -> bool:
    """Where this thread has the first policy, give it the second; whether it has that now."""
    try:
        if os.sched_getscheduler(0) != policy:
            return False
        os.sched_setscheduler(0, to, os.sched_param(0))
    except OSError:  # forbidden (EPERM), unknown to gVisor (EINVAL) or to musl (ENOSYS): mails go out all the same
        return False
    return True


def _is_of_all(outcome: Outcome) -> bool:
    """What is no matter of one mail, when it happens to one after the other.

    It was refused for what we are or for what we write, or the server never says whether it took it.
    """
    is_refused = outcome.against is Against.SITE or (outcome.against is Against.MESSAGE and outcome.code is not None)
    return is_refused or outcome.verdict is Verdict.UNCERTAIN
