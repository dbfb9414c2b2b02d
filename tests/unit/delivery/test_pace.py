from __future__ import annotations

from collections import Counter, deque
from datetime import date
from itertools import pairwise

import pytest

from digest.delivery.pace import Pace, Timeline, warm_up_cap


class Rows:
    """The places of every row, for all who share it."""

    def __init__(self) -> None:
        self.taken: Counter[int] = Counter()
        self.calls = 0

    def take(self, row: int, count: int) -> int:
        self.calls += 1
        self.taken[row] += count
        return self.taken[row] - count


@pytest.mark.parametrize("rate", [0.3, 0.7, 1.0, 1.5, 1.9, 2.3, 7.5, 40.0, 3000.0])
def test_it_spreads_mails_evenly_at_the_rate_and_never_above_it(rate: float) -> None:
    rows, now = Rows(), 1000.0
    workers = [Timeline(rate, rows.take) for _ in range(3)]
    moments: list[float] = []
    for n in range(int(rate * 60) + 3):
        moments.append(workers[n % 3].next(now))
        now = max(now, moments[-1])
    moments.sort()
    assert min(after - before for before, after in pairwise(moments)) >= 1 / rate - 1e-6
    assert (len(moments) - 1) / (moments[-1] - 1000.0) == pytest.approx(rate, rel=0.1)


def test_it_asks_for_blocks_at_a_high_rate() -> None:
    rows = Rows()
    line = Timeline(2000.0, rows.take)
    for _ in range(2000):
        line.next(1000.0)
    assert rows.calls <= 20


def test_it_goes_on_when_a_clock_was_set_back() -> None:
    line = Timeline(10.0, Rows().take)
    line.next(10_000.0)
    assert [line.next(1000.0) for _ in range(20)][-1] < 1010


def test_it_feeds_a_place_that_says_nothing_as_fast_as_it_goes() -> None:
    pace = Pace()
    for _ in range(1000):
        assert pace.wait(5.0) == 0
        pace.begin(5.0)
        pace.took(5.0)


@pytest.mark.parametrize("allowed", [2, 20, 300])
def test_it_finds_the_rate_that_a_place_allows(allowed: int) -> None:
    """A server that refuses what goes beyond `allowed` in a second, fed by one sender for five minutes."""
    pace, now, taken, refused = Pace(), 0.0, 0, 0
    window: deque[float] = deque()
    while now < 300:
        if (wait := pace.wait(now)) > 0:
            now += wait
            continue
        pace.begin(now)
        now += 0.002
        while window and now - window[0] > 1:
            window.popleft()
        if len(window) < allowed:
            window.append(now)
            taken += 1
            pace.took(now)
        else:
            refused += 1
            pace.slowed(now)
    assert taken >= 0.8 * allowed * 300
    assert refused < 0.1 * taken + 600


def test_it_takes_no_slow_second_of_our_own_for_a_limit() -> None:
    pace = Pace()
    for n in range(100):
        pace.took(100 + n / 100)
    pace.took(102.5)
    pace.slowed(103.0)
    assert pace.rate == pytest.approx(90.0)


def test_it_leaves_a_place_alone_for_longer_each_time_that_it_takes_nothing() -> None:
    pace, now, waits = Pace(), 100.0, []
    for _ in range(12):
        pace.slowed(now)
        waits.append(pace.wait(now))
        now += waits[-1] + 6.0
    assert waits == sorted(waits)
    assert waits[-1] == 300.0


def test_it_brings_back_what_cannot_wait_one_behind_the_other() -> None:
    pace = Pace()
    for at in range(10):
        pace.took(100.0 + at / 10)
    pace.slowed(101.0)
    back = [pace.queue(101.0) for _ in range(18)]
    assert back == sorted(back)
    assert back[-1] - back[0] == pytest.approx(17 / (pace.rate or 0))


@pytest.mark.parametrize(
    ("day", "cap"), [(date(2026, 6, 8), 0), (date(2026, 6, 9), 50), (date(2026, 6, 10), 50), (date(2026, 6, 11), 100), (date(2026, 6, 29), 51_200)]
)  # fmt: skip
def test_it_doubles_for_a_new_sender_every_two_days(day: date, cap: int) -> None:
    assert warm_up_cap(date(2026, 6, 9), day) == cap
