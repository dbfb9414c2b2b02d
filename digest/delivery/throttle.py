"""Whether a mail may begin now: the site's own rate, each receiving domain's connections and pace, asked for every mail.

What may not begin soon goes back to the ledger untried; nobody is blamed for it.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from digest.delivery.board import Board
from digest.delivery.outcomes import Outcome, Phase, Verdict
from digest.delivery.pace import Pace, Timeline

PATIENCE_SECONDS = 30.0  # a mail that would wait longer goes back to the ledger, which is looked at about as often
_MOST_WAITING = 5_000
_NEWS_SECONDS = 1.0
_KEEP_SEAT_SECONDS = 5.0
_IDLE_SEAT_SECONDS = 2.0
_SEVERAL_SECONDS = 5.0  # two domains that ask to slow down within this: it is the server between us and them that asks
_EVERYWHERE = ""
_OF_DOMAIN = (Phase.RCPT, Phase.DATA, Phase.EOD)


@dataclass(slots=True)
class Domain:
    """A receiving domain: mails under way to it, seats held for them, its pace. `heard_at` is Unix time."""

    pace: Pace = field(default_factory=Pace)
    under_way: int = 0
    seats: deque[str] = field(default_factory=deque)
    kept_at: float = 0.0
    used_at: float = 0.0
    heard_at: float = 0.0


class Throttle:
    """Of one process; what other processes must know stands on the board.

    `rate` and `connections` as the settings SEND_RATE and DOMAIN_CONNECTIONS, 0 for no cap.
    """

    def __init__(
        self,
        rate: float,
        connections: int,
        board: Board,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._connections, self._board = connections, board
        self._clock, self._wall_clock = clock, wall_clock
        self._timeline = Timeline(rate, board.take) if rate else None
        self._domains: defaultdict[str, Domain] = defaultdict(Domain)
        self._news_at = 0.0
        self._slowed: tuple[str, float] = ("", -1e9)

    def pause(self) -> float:
        """Seconds until the next mail may begin wherever it goes: the site's rate, and the pace of our mail server.

        Each call takes one place of the site's rate.
        """
        wait = 0.0
        if self._timeline is not None:
            now = self._wall_clock()
            wait = max(0.0, self._timeline.next(now) - now)
        now = self._clock()
        server = self._domains[_EVERYWHERE].pace
        wait = max(wait, server.wait(now))
        server.begin(now + wait)
        return wait

    def admit(self, domain: str) -> float:
        """0.0: a mail to this domain begins, and `done` must follow; else the seconds after which to ask again."""
        now = self._clock()
        self._hear(now)
        there = self._domains[domain]
        wait = there.pace.wait(now)
        if wait > 0:
            return wait
        if self._connections and not self._has_seat(domain, there, now):
            return 0.05
        there.pace.begin(now)
        there.under_way += 1
        return 0.0

    def come_back(self, domain: str) -> float:
        """Seconds after which a mail that cannot wait here should be tried."""
        return max(1.0, self._domains[domain].pace.queue(self._clock()))

    def done(self, domain: str, outcome: Outcome | None) -> None:
        """The mail ended, in that outcome; None when it was not tried after all."""
        now = self._clock()
        there = self._domains[domain]
        there.under_way -= 1
        there.used_at = now
        self._give_up_idle_seats(now)
        if outcome is None:
            return
        server = self._domains[_EVERYWHERE].pace
        if outcome.verdict is Verdict.SUBMITTED:
            there.pace.took(now)
            server.took(now)
        elif outcome.asks_to_slow_down:
            self._slow_down(domain, there, outcome.phase, now)

    def _slow_down(self, domain: str, there: Domain, phase: Phase, now: float) -> None:
        before, at = self._slowed
        self._slowed = domain, now
        if phase in _OF_DOMAIN and (before in ("", domain) or now - at > _SEVERAL_SECONDS):
            there.pace.slowed(now)
            there.heard_at = self._wall_clock()
            self._board.tell(domain, there.heard_at)
        else:
            self._domains[_EVERYWHERE].pace.slowed(now)

    def _hear(self, now: float) -> None:
        """What other processes were asked, at most once a second."""
        if now < self._news_at:
            return
        self._news_at = now + _NEWS_SECONDS
        for domain, at in self._board.news().items():
            there = self._domains[domain]
            if at > there.heard_at and at > self._wall_clock() - _SEVERAL_SECONDS:
                there.pace.slowed(now)
            there.heard_at = max(at, there.heard_at)

    def _has_seat(self, domain: str, there: Domain, now: float) -> bool:
        if there.seats and now - there.kept_at > _KEEP_SEAT_SECONDS:
            there.seats = deque(seat for seat in there.seats if self._board.keep(seat))
            there.kept_at = now
        if there.under_way < len(there.seats):
            return True
        if len(there.seats) >= self._connections:
            return False
        seat = self._board.sit(domain, self._connections)
        if seat is None:
            return False
        if not there.seats:
            there.kept_at = now
        there.seats.append(seat)
        return True

    def _give_up_idle_seats(self, now: float) -> None:
        """So that another process can have them."""
        if not self._connections:
            return
        for there in self._domains.values():
            while len(there.seats) > there.under_way and now - there.used_at > _IDLE_SEAT_SECONDS:
                self._board.leave(there.seats.pop())

    def room(self, domain: str) -> int:
        """How many mails to the domain may wait here for their turn."""
        rate = self._domains[domain].pace.rate
        return _MOST_WAITING if rate is None else min(_MOST_WAITING, int(rate * PATIENCE_SECONDS))

    def rest(self) -> None:
        """Nothing is under way for now: give up all seats, and forget who never asked for anything."""
        for there in self._domains.values():
            there.under_way = 0
            while there.seats:
                self._board.leave(there.seats.pop())
        for domain in [name for name, there in self._domains.items() if there.pace.rate is None and not there.heard_at]:
            del self._domains[domain]
