from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import heappop, heappush

import pytest
from redis.exceptions import ConnectionError as RedisIsGone

from digest.db.tables import Mail
from digest.delivery import board as boards
from digest.delivery import gate as gates
from digest.delivery.board import OwnBoard, SharedBoard
from digest.delivery.gate import Gate
from digest.delivery.ledger import Claim
from digest.delivery.outcomes import Outcome, Phase, Reply, judge
from digest.delivery.throttle import PATIENCE_SECONDS, Throttle

AT = datetime(2026, 6, 9, tzinfo=UTC)
TAKEN = judge(Phase.EOD, Reply(250, None, "ok"))
SLOW = judge(Phase.RCPT, Reply(451, "4.7.28", "rate limit"))
BUSY = judge(Phase.MAIL, Reply(421, "4.7.0", "too busy"))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Board(OwnBoard):
    """One board for several throttles, as Redis is."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, float] = {}

    def tell(self, domain: str, at: float) -> None:
        self.told[domain] = at

    def news(self) -> dict[str, float]:
        return self.told


class Gone(OwnBoard):
    def take(self, row: int, count: int) -> int:
        raise RedisIsGone("connection refused")

    def sit(self, domain: str, most: int) -> str | None:
        raise RedisIsGone("connection refused")


def throttle(rate: float = 0, connections: int = 0, board: Board | OwnBoard | None = None) -> tuple[Throttle, Clock]:
    clock = Clock()
    return Throttle(rate, connections, board or OwnBoard(), clock, clock), clock


def send(one: Throttle, domain: str, outcome: Outcome) -> None:
    assert one.admit(domain) == 0
    one.done(domain, outcome)


def a_claim(id: int, email: str) -> Claim:
    return Claim(id, id, email, Mail.DIGEST, "en", 0, 0, 0, AT, AT.date(), {})


def test_it_waits_for_nothing_without_a_limit() -> None:
    one, _ = throttle()
    for _ in range(1000):
        send(one, "example.org", TAKEN)
        assert one.pause() == 0


def test_it_slows_only_the_domain_that_asks_for_it() -> None:
    one, _ = throttle()
    send(one, "slow.example", TAKEN)
    send(one, "slow.example", SLOW)
    assert one.admit("slow.example") > 0
    assert one.admit("other.example") == 0


def test_it_takes_several_domains_that_ask_for_the_server_asking() -> None:
    one, _ = throttle()
    for domain in ("a.example", "b.example", "c.example"):
        send(one, domain, SLOW)
    assert one.pause() > 0


def test_it_slows_every_mail_when_the_server_is_busy() -> None:
    one, _ = throttle()
    send(one, "a.example", BUSY)
    assert one.pause() > 0


def test_it_keeps_to_the_connections_of_a_domain_over_all_workers() -> None:
    board = Board()
    (one, _), (two, clock) = throttle(connections=2, board=board), throttle(connections=2, board=board)
    assert [one.admit("a.example"), two.admit("a.example")] == [0, 0]
    assert one.admit("a.example") > 0
    one.done("a.example", TAKEN)
    assert two.admit("a.example") > 0  # the other one keeps its seat for the next mail
    one.rest()
    assert two.admit("a.example") == 0
    clock.now += 10
    two.done("a.example", TAKEN)
    assert two.admit("b.example") == 0


def test_it_hears_what_another_worker_was_asked() -> None:
    board = Board()
    (one, _), (two, clock) = throttle(board=board), throttle(board=board)
    assert two.admit("slow.example") == 0
    send(one, "slow.example", SLOW)
    clock.now += 1
    assert two.admit("slow.example") > 0


def test_it_goes_on_when_redis_is_gone() -> None:
    one, _ = throttle(rate=2, connections=1, board=SharedBoard(Gone()))  # type: ignore[arg-type]
    assert one.admit("a.example") == 0
    assert one.admit("a.example") > 0
    assert sum(one.pause() for _ in range(4)) > 1


def test_it_has_all_seats_of_a_domain_whenever_redis_goes_away_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "_AWAY_SECONDS", 0.0)
    redis = Gone()
    board = SharedBoard(redis)
    for _ in range(3):
        seats = [board.sit("a.example", 2) for _ in range(3)]
        assert seats == ["a.example", "a.example", None]
        board.leave("a.example")  # back again, and knows nothing of them


@pytest.mark.parametrize("rate", [0, 1000.0])
def test_it_lets_others_overtake_and_sends_back_who_would_wait_too_long(rate: float) -> None:
    one, clock = throttle(rate=rate)
    while (wait := one.admit("slow.example")) <= PATIENCE_SECONDS:
        clock.now += wait
        if not wait:
            one.done("slow.example", SLOW)
    back: list[tuple[int, float]] = []
    claims = [a_claim(n, f"r{n}@{'slow' if n % 2 else 'fast'}.example") for n in range(6)]
    gate = Gate(one, lambda claim, seconds: back.append((claim.id, seconds)))
    passed = [claim.id for claim in gate.passed(claims) if isinstance(claim, Claim)]
    assert passed == [0, 2, 4]
    assert [id for id, _ in back] == [1, 3, 5]
    assert [seconds for _, seconds in back] == sorted(seconds for _, seconds in back)


@pytest.mark.parametrize(
    ("mails", "refusals", "a_second", "hours"), [(5_000, 3, 1e9, 0.5), (1_000, 0, 2, 0.3), (5_000, 0, 20, 0.12)]
)  # fmt: skip
def test_it_gives_a_domain_what_it_takes_however_it_began(
    monkeypatch: pytest.MonkeyPatch, mails: int, refusals: int, a_second: float, hours: float
) -> None:
    """A domain that refuses so many at first, then what goes beyond its rate. Workers look every half minute."""
    one, clock = throttle()
    monkeypatch.setattr(gates.time, "monotonic", clock)
    started, waiting = clock.now, [(clock.now, n) for n in range(mails)]
    taken = deque[float](maxlen=int(min(a_second, 1000)))
    gate = Gate(one, lambda claim, seconds: heappush(waiting, (clock.now + seconds, claim.id)))

    def due() -> Iterator[Claim]:
        while waiting and waiting[0][0] <= clock.now:
            clock.now += 0.0002
            yield a_claim(heappop(waiting)[1], "r@slow.example")

    while waiting:
        clock.now = started + 30 * (1 + (clock.now - started) // 30)
        for claim in gate.passed(due()):
            if isinstance(claim, float):
                clock.now += max(claim, 0.001)
                continue
            clock.now += 0.002
            is_refused = refusals > 0 or (len(taken) >= a_second and clock.now - taken[0] < 1)
            one.done("slow.example", SLOW if is_refused else TAKEN)
            if is_refused:
                refusals -= 1
                heappush(waiting, (clock.now + 60, claim.id))
            else:
                taken.append(clock.now)
    assert clock.now - started < hours * 3600
