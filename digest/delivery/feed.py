"""The supply of a run: who claims and prepares its mails."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

from digest.delivery.ledger import Claim
from digest.delivery.smtp import Envelope

Make = Callable[[Claim], Envelope]
More = Callable[[], Sequence[Claim]]  # claims a page of mails; empty when there is nothing more to send
Prepare = Callable[[Sequence[Claim]], Make]  # everything that many mails share, once; then each mail
Page = tuple[Sequence[Claim], Make]

_LOOK_SECONDS = 0.005


class Feed:
    """Pages of mails, each claimed and prepared in a thread of its own while the one before is on its way.

    Between them, while the next is not ready, seconds after which to ask again. What fails in the thread is raised here.
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
