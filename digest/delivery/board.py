"""What all workers know of each other's sending: places taken, seats held, who asked to slow down. In Redis where it is used.

Without Redis, or while it does not answer, each process keeps a board of its own: mail goes on, held to the same numbers for
each process alone.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol, TypeVar

import structlog
from redis import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

_PREFIX = "digest:throttle:"
_TIMEOUT_SECONDS = 0.5
_AWAY_SECONDS = 5.0  # between two tries to reach a Redis that does not answer
_SEAT_SECONDS = 15
_NEWS_SECONDS = 600


class Board(Protocol):
    def take(self, row: int, count: int) -> int:
        """Take `count` places of that row; how many were taken before."""

    def sit(self, domain: str, most: int) -> str | None:
        """One of the domain's `most` seats, held for some seconds; None when all are held."""

    def keep(self, seat: str) -> bool:
        """Hold a seat for longer; False when it was lost."""

    def leave(self, seat: str) -> None:
        """Give a seat up."""

    def tell(self, domain: str, at: float) -> None:
        """The domain asked to slow down, at that Unix time."""

    def news(self) -> dict[str, float]:
        """domain -> when it last asked to slow down."""


class OwnBoard:
    """For one process."""

    def __init__(self) -> None:
        self._row, self._taken = 0, 0
        self._seats: Counter[str] = Counter()

    def take(self, row: int, count: int) -> int:
        if row != self._row:
            self._row, self._taken = row, 0
        self._taken += count
        return self._taken - count

    def sit(self, domain: str, most: int) -> str | None:
        if self._seats[domain] >= most:
            return None
        self._seats[domain] += 1
        return domain

    def keep(self, _seat: str) -> bool:
        return True

    def leave(self, seat: str) -> None:
        if self._seats[seat] > 0:  # not one of a Redis that went away: that ends by itself
            self._seats[seat] -= 1

    def tell(self, domain: str, at: float) -> None:
        """Nobody else is there to hear."""

    def news(self) -> dict[str, float]:
        return {}


class RedisBoard:
    """For all processes that use one Redis. RedisError when it does not answer."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, decode_responses=True
        )
        self._owner = secrets.token_hex(8)

    def take(self, row: int, count: int) -> int:
        key = f"{_PREFIX}row:{row}"
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.incrby(key, count)
            pipe.expire(key, 120)
            after = pipe.execute()[0]
        return int(after) - count

    def sit(self, domain: str, most: int) -> str | None:
        for number in range(most):
            seat = f"{_PREFIX}seat:{domain}:{number}"
            if self._redis.set(seat, self._owner, nx=True, ex=_SEAT_SECONDS):
                return seat
        return None

    def keep(self, seat: str) -> bool:
        return self._redis.get(seat) == self._owner and bool(self._redis.expire(seat, _SEAT_SECONDS))

    def leave(self, seat: str) -> None:
        if self._redis.get(seat) == self._owner:
            self._redis.delete(seat)

    def tell(self, domain: str, at: float) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hset(_PREFIX + "slow", domain, str(at))
            pipe.expire(_PREFIX + "slow", _NEWS_SECONDS)
            pipe.execute()

    def news(self) -> dict[str, float]:
        found = self._redis.hgetall(_PREFIX + "slow")
        return {str(domain): float(at) for domain, at in found.items()}


class SharedBoard:
    """Redis while it answers, else a board of this process; looks again every few seconds."""

    def __init__(self, shared: Board) -> None:
        self._shared, self._own = shared, OwnBoard()
        self._away_until = 0.0

    def take(self, row: int, count: int) -> int:
        return self._ask(lambda board: board.take(row, count))

    def sit(self, domain: str, most: int) -> str | None:
        return self._ask(lambda board: board.sit(domain, most))

    def keep(self, seat: str) -> bool:
        return self._ask(lambda board: board.keep(seat))

    def leave(self, seat: str) -> None:
        self._ask(lambda board: board.leave(seat))

    def tell(self, domain: str, at: float) -> None:
        self._ask(lambda board: board.tell(domain, at))

    def news(self) -> dict[str, float]:
        return self._ask(lambda board: board.news())

    def _ask(self, question: Callable[[Board], Answer]) -> Answer:
        if time.monotonic() >= self._away_until:
            try:
                answer = question(self._shared)
            except RedisError as error:
                if not self._away_until:  # nobody told it when the seats of the last time were given up
                    self._own = OwnBoard()
                self._away_until = time.monotonic() + _AWAY_SECONDS
                log.warning("throttle.alone", error=str(error), meaning="limits hold for each process alone for now")
            else:
                self._away_until = 0.0
                return answer
        return question(self._own)
