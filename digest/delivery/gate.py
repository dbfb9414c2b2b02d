"""Mails pass as the throttle allows; those that must wait are overtaken by mails to other domains."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator

from digest.delivery.halt import Halt
from digest.delivery.ledger import Claim
from digest.delivery.throttle import PATIENCE_SECONDS, Throttle

_LOOK_SECONDS = 0.02


def domain_of(claim: Claim) -> str:
    """Where a mail goes, as the throttle counts it."""
    return claim.email.rpartition("@")[2].lower()


class Gate:
    """`send_back(claim, seconds)` takes what would wait too long; it should be tried again after so many seconds."""

    def __init__(self, throttle: Throttle, halt: Halt, send_back: Callable[[Claim, float], None]) -> None:
        self._throttle, self._halt, self._send_back = throttle, halt, send_back
        self._waiting: defaultdict[str, deque[Claim]] = defaultdict(deque)
        self._looked_at = 0.0

    def passed(self, claims: Iterable[Claim]) -> Iterator[Claim]:
        """Each claim when its mail may begin; whoever draws them must heed `halt` as this does."""
        for claim in claims:
            yield from self._turns()
            if self._is_admitted(claim):
                yield claim
        while self._waiting and not self._halt.is_set():
            yield from self._turns()
            self._halt.wait(_LOOK_SECONDS)

    def _is_admitted(self, claim: Claim) -> bool:
        domain = domain_of(claim)
        line = self._waiting.get(domain, ())
        seconds = (
            _LOOK_SECONDS if line else self._throttle.admit(domain)
        )  # nobody overtakes those who wait for the same
        if seconds == 0:
            self._halt.wait(self._throttle.pause())
            return True
        if seconds > PATIENCE_SECONDS or len(line) >= self._throttle.room(domain):
            self._send_back(claim, self._throttle.come_back(domain))
        else:
            self._waiting[domain].append(claim)
        return False

    def _turns(self) -> Iterator[Claim]:
        """Those that waited and may begin now."""
        if not self._waiting or time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        for domain, line in list(self._waiting.items()):
            while line and self._throttle.admit(domain) == 0:
                self._halt.wait(self._throttle.pause())
                yield line.popleft()
            if not line:
                del self._waiting[domain]
