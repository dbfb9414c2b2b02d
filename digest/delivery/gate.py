"""Mails pass as the throttle allows; those that must wait are overtaken by mails to other domains."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator

from digest.delivery.ledger import Claim
from digest.delivery.throttle import PATIENCE_SECONDS, Throttle

_LOOK_SECONDS = 0.02


def domain_of(claim: Claim) -> str:
    """Where a mail goes, as the throttle counts it."""
    return claim.email.rpartition("@")[2].lower()


class Gate:
    """`send_back(claim, seconds)` takes what would wait too long; it should be tried again after so many seconds."""

    def __init__(self, throttle: Throttle, send_back: Callable[[Claim, float], None]) -> None:
        self._throttle, self._send_back = throttle, send_back
        self._waiting: defaultdict[str, deque[Claim]] = defaultdict(deque)
        self._looked_at = 0.0

    def passed(self, claims: Iterable[Claim | float]) -> Iterator[Claim | float]:
        """Each claim when its mail may begin; between them, seconds after which to ask again.

        So may `claims`: a number in it says that the next one is not there yet.
        """
        for claim in claims:
            yield from self._turns()
            if isinstance(claim, float):
                yield claim
            elif self._is_admitted(claim):
                yield from self._begun(claim)
        while self._waiting:
            yield from self._turns()
            yield _LOOK_SECONDS

    def _begun(self, claim: Claim) -> Iterator[Claim | float]:
        """The claim, after the pause that all mail makes."""
        if pause := self._throttle.pause():
            until = time.monotonic() + pause
            while (left := until - time.monotonic()) > 0:
                yield left
        yield claim

    def _is_admitted(self, claim: Claim) -> bool:
        domain = domain_of(claim)
        line = self._waiting.get(domain, ())
        # nobody overtakes those who wait for the same
        seconds = _LOOK_SECONDS if line else self._throttle.admit(domain)
        if seconds == 0:
            return True
        if seconds > PATIENCE_SECONDS or len(line) >= self._throttle.room(domain):
            self._send_back(claim, self._throttle.come_back(domain))
        else:
            self._waiting[domain].append(claim)
        return False

    def _turns(self) -> Iterator[Claim | float]:
        """Those that waited and may begin now."""
        if not self._waiting or time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        for domain, line in list(self._waiting.items()):
            while line and self._throttle.admit(domain) == 0:
                yield from self._begun(line.popleft())
            if not line:
                del self._waiting[domain]
