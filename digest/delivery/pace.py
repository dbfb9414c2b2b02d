"""How fast mail may go: one place's own pace, moments shared evenly, a new sender's days. Pure: time comes as an argument."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import date
from math import ceil

WARM_UP_START = 50  # mails on the first day of a new sender
WARM_UP_DOUBLES_DAYS = 2

_BACK = 0.9  # of the most that was taken in a second, after being asked to slow down
_LOOKED_BACK_SECONDS = 5.0
_STEADY_SECONDS = 5.0  # without such a request, before trying a little more
_GROWTH = 1.02  # a second
_LEAST_RATE = 0.1
_LONGEST_PAUSE_SECONDS = 300.0
_ROUND_SECONDS = 900.0  # by the end of it the place may take far more
_ONE_EPISODE_SECONDS = 1.0  # refusals so close together answer mails that were under way already
_BLOCKS_A_SECOND = 20


def warm_up_cap(first_on: date, today: date) -> int:
    """Mails that a new sender may submit today: WARM_UP_START, doubled every two days; 0 before the first day."""
    days = (today - first_on).days
    return WARM_UP_START << min(days // WARM_UP_DOUBLES_DAYS, 40) if days >= 0 else 0


class Pace:
    """One place that takes mail: as fast as it goes, until it asks to slow down; then what it took, and slowly more.

    All times are seconds of one clock. `rate` is mails a second, None while nothing is known.
    """

    def __init__(self) -> None:
        self.rate: float | None = None
        self._taken: deque[float] = deque(maxlen=2000)
        self._next_at = 0.0
        self._slowed_at = self._grown_at = -1e9
        self._refusals = 0  # episodes in which nothing was taken
        self._queued_until = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next mail may begin."""
        if self.rate is not None:
            self._grow(now)
        return max(0.0, self._next_at - now)

    def begin(self, now: float) -> None:
        """A mail begins."""
        if self.rate is not None:
            self._next_at = max(self._next_at, now - 1 / self.rate) + 1 / self.rate

    def queue(self, now: float) -> float:
        """Seconds after which a mail should come back that cannot wait here: each one behind the one before.

        When a round is full the next one starts, between those of the last: who comes back too early is spread anew, and
        where the rate has grown meanwhile there is mail for it.
        """
        if self._queued_until > now + _ROUND_SECONDS:
            self._queued_until = now
        self._queued_until = max(self._queued_until, now + self.wait(now)) + 1 / (self.rate or 1.0)
        return self._queued_until - now

    def took(self, now: float) -> None:
        """It took a mail."""
        self._taken.append(now)

    def slowed(self, now: float) -> None:
        """It asked to slow down."""
        if now - self._slowed_at < _ONE_EPISODE_SECONDS:
            return
        taken = self._best_second(now - _LOOKED_BACK_SECONDS)
        was_idle = not (self._taken and self._taken[-1] > max(self._slowed_at, now - _LOOKED_BACK_SECONDS))
        self._refusals = self._refusals + 1 if was_idle else 0
        known = self.rate if self.rate is not None else max(taken, 1.0)
        self.rate = max(_LEAST_RATE, min(known, taken or known / 2) * _BACK)
        pause = min(2.0**self._refusals, _LONGEST_PAUSE_SECONDS) if self._refusals else 1 / self.rate
        self._next_at = now + pause
        self._slowed_at = self._grown_at = now

    def _best_second(self, since: float) -> float:
        """The most that was taken within a second: how many just now says more of us than of the place."""
        times = [at for at in self._taken if at > since]
        best = first = 0
        for count, at in enumerate(times, 1):
            while times[first] <= at - 1.0:
                first += 1
            best = max(best, count - first)
        return float(best)

    def _grow(self, now: float) -> None:
        assert self.rate is not None
        if now - self._slowed_at > _STEADY_SECONDS and now - self._grown_at > 1.0:
            self.rate *= _GROWTH
            self._grown_at = now


def _whole(number: float) -> int:
    return int(number + 1e-6)  # 2.3 * 10 is a little less than 23


class Timeline:
    """The moments at which a mail may begin, `rate` a second, spread evenly and shared by all who take from the same rows.

    `take(row, count)` gives out `count` places of a row, a second or more of time, and returns how many were taken before. It
    is asked for a block at a time, so that a high rate costs as little as none.
    """

    def __init__(self, rate: float, take: Callable[[int, int], int]) -> None:
        self._rate, self._take = rate, take
        least = 1 if rate >= 1 else ceil(1 / rate)
        # Of a row only whole places are given out: as long as loses least of a rate that is no whole number.
        self._span = max(range(least, least + 10), key=lambda span: _whole(rate * span) / span)
        self._places = _whole(rate * self._span)
        self._block = max(1, int(rate / _BLOCKS_A_SECOND))
        self._row = 0
        self._moments: deque[float] = deque()

    def next(self, now: float) -> float:
        """When the next mail may begin, in the seconds of `now` (Unix time, so that machines agree)."""
        while not self._moments:
            self._reserve(now)
        return self._moments.popleft()

    def _reserve(self, now: float) -> None:
        self._row = max(self._row, int(now // self._span))
        if self._row * self._span > now + 10 * self._span:
            self._row = int(now // self._span)  # the clock was set back
        first = self._take(self._row, self._block)
        start = self._row * self._span
        moments = [start + place / self._rate for place in range(first, min(first + self._block, self._places))]
        self._moments.extend(moment for moment in moments if moment > now - self._span / 4)
        if first + self._block >= self._places:
            self._row += 1
