"""How often something may be asked for: counted in Redis where that is the broker, else in this process.

Limits protect strangers from being flooded through us, so they fail open: without Redis a process counts for itself,
and what one mailbox can get is limited in the database besides (`subscribers/letters.py`).
"""

from __future__ import annotations

import math
import time

import structlog
from flask import request
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import MovingWindowRateLimiter
from werkzeug.exceptions import TooManyRequests

from digest.web.client import client_network
from digest.web.site import site

log = structlog.get_logger("digest.web")
SUBSCRIBE_CLIENT = RateLimitItemPerHour(20)
SUBSCRIBE_ADDRESS = RateLimitItemPerHour(30)
SUBSCRIBE_SITE = RateLimitItemPerHour(3_000)
PARTING = RateLimitItemPerHour(1)
READER_ACT = RateLimitItemPerMinute(60)
LOGIN_CLIENT = RateLimitItemPerMinute(5, multiples=15)
LOGIN_SITE = RateLimitItemPerHour(60)
REPORTS = RateLimitItemPerMinute(600)
_WAIT_SECONDS = 0.5


class Limits:
    """Counters of one process, or of all where there is Redis."""

    def __init__(self, broker_url: str) -> None:
        self._here = MovingWindowRateLimiter(MemoryStorage())
        self._shared = _shared(broker_url)

    def wait_seconds(self, limit: RateLimitItem, *key: str, cost: int = 1) -> int:
        """Count one more; 0 when it is within the limit, else how long until it may be tried again."""
        if self._shared is not None:
            try:
                return _hit(self._shared, limit, key, cost)
            except Exception as error:  # whatever a broken Redis raises: the page must work
                log.warning("limits count in this process only", error=type(error).__name__)
        return _hit(self._here, limit, key, cost)


def _hit(limiter: MovingWindowRateLimiter, limit: RateLimitItem, key: tuple[str, ...], cost: int) -> int:
    if limiter.hit(limit, *key, cost=cost):
        return 0
    return max(1, math.ceil(limiter.get_window_stats(limit, *key).reset_time - time.time()))


def _shared(broker_url: str) -> MovingWindowRateLimiter | None:
    if broker_url == "embedded":
        return None
    address = broker_url.replace("redis+socket://", "redis+unix://", 1)
    storage: Storage = storage_from_string(address, socket_connect_timeout=_WAIT_SECONDS, socket_timeout=_WAIT_SECONDS)  # type: ignore[assignment]
    return MovingWindowRateLimiter(storage)


def client() -> str:
    """A keyed hash of the client's network: what limits and consent records hold instead of an address."""
    here = site()
    return here.fingerprint("client", client_network(request, here.settings.trusted_proxies))


def spend(limit: RateLimitItem, name: str, *key: str, cost: int = 1) -> None:
    """Count one more of `name` for this key. Raises TooManyRequests (429, with Retry-After) beyond the limit."""
    wait = site().limits.wait_seconds(limit, name, *key, cost=cost)
    if wait:
        raise TooManyRequests(retry_after=wait)
