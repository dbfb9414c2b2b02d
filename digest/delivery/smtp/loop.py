"""Several dialogues in one thread: each goes on when its socket is ready, when it is called, or when its time is over.

A dialogue is a coroutine. It waits by `readable`, `writable`, `asleep`, `apart` and `Places.take`, and with nothing else
for long, since all the others wait meanwhile. All times are those of `time.monotonic`.
"""

from __future__ import annotations

import math
import select
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from types import coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
Event = tuple[Hashable, int, float]  # a socket's number and what it should be, or a name and 0; and until when
Dialogue = Coroutine[Event, Any, Result]

_LOOK_SECONDS = 0.002
_AWHILE_SECONDS = 0.02  # longer than a server near by takes for a mail, and nothing beside one that is far away
_LONGEST_SECONDS = 3600.0  # of one wait; epoll takes no infinite one


@coroutine
def _happens(what: Hashable, kind: int, until: float) -> Generator[Event, bool | None, bool]:
    is_late = yield what, kind, until
    return not is_late


def readable(descriptor: int, until: float) -> Awaitable[bool]:
    """Wait until there may be something to read; false when there was nothing by `until`."""
    return _happens(descriptor, select.EPOLLIN, until)


def writable(descriptor: int, until: float) -> Awaitable[bool]:
    """Wait until there may be room to write; false when there was none by `until`."""
    return _happens(descriptor, select.EPOLLOUT, until)


async def asleep(seconds: float) -> None:
    """Let the others go on for so long."""
    await _happens(object(), 0, monotonic() + seconds)


async def apart(work: Callable[[], Result]) -> Result:
    """Do what can only block in a thread of its own; raises what it raises."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="apart")
    future = thread.submit(work)
    thread.shutdown(wait=False)
    while not future.done():
        await asleep(_LOOK_SECONDS)
    return future.result()


def alone(dialogue: Dialogue[Result]) -> Result:
    """Run one dialogue to its end."""
    results: list[Result] = []

    async def kept() -> None:
        results.append(await dialogue)

    Loop().run([kept()])
    return results[0]


class Loop:
    """Runs dialogues to their end, once."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._waiting: dict[Hashable, tuple[Dialogue[None], float]] = {}
        self._called: deque[Hashable] = deque()
        self._soonest = math.inf  # before this, nobody's time is over

    def run(self, dialogues: Iterable[Dialogue[None]]) -> None:
        """Until all have ended; an error of one of them ends the others at once, and is raised."""
        for dialogue in dialogues:
            start = object()
            self._waiting[start] = dialogue, math.inf
            self.call(start)
        try:
            while self._waiting:
                for descriptor, _ in self._epoll.poll(self._patience()):
                    self._wake(descriptor)
                    self._wake_called()
                self._wake_called()
                if monotonic() >= self._soonest:
                    self._wake_late()
        finally:
            for dialogue, _ in self._waiting.values():
                dialogue.close()
            self._epoll.close()

    def call(self, name: Hashable) -> None:
        """Wake whoever waits for `name`, if anybody does."""
        self._called.append(name)

    def _wake_called(self) -> None:
        while self._called:
            self._wake(self._called.popleft())

    def _patience(self) -> float:
        return 0 if self._called else min(max(0, self._soonest - monotonic()), _LONGEST_SECONDS)

    def _wake_late(self) -> None:
        now = monotonic()
        late = [what for what, (_, until) in self._waiting.items() if until <= now]
        self._soonest = min((until for _, until in self._waiting.values() if until > now), default=math.inf)
        for what in late:
            self._wake(what, is_late=True)

    def _wake(self, what: Hashable, *, is_late: bool | None = None) -> None:
        waiting = self._waiting.pop(what, None)
        if waiting is None:
            return  # its time was over before this happened
        dialogue = waiting[0]
        try:
            awaited, kind, until = dialogue.send(is_late)
        except StopIteration:
            return
        self._waiting[awaited] = dialogue, until
        if kind:
            self._watch(awaited, kind | select.EPOLLONESHOT)
        if until < self._soonest:
            self._soonest = until

    def _watch(self, descriptor: Any, kind: int) -> None:
        try:
            self._epoll.modify(descriptor, kind)
        except FileNotFoundError:  # a new socket
            self._epoll.register(descriptor, kind)


class Places:
    """Only so many at once: who finds no place waits for one, first come first served.

    Who holds a place for longer than `patience_s` loses it to the next.
    """

    def __init__(self, loop: Loop, count: int, patience_s: float) -> None:
        self._loop, self._count, self._patience_s = loop, count, patience_s
        self._held: dict[Hashable, float] = {}  # since when, the oldest first
        self._queue: deque[Hashable] = deque()
        self._ready: set[Hashable] = set()  # those in the queue that do nothing else

    async def take(self, who: Hashable) -> bool:
        """Wait for a place; `give_back` must follow.

        False: no place yet, but soon; make ready for it and take it then. So says the first call of one that must wait,
        when no more are before it than there are places, or after a while.
        """
        has_asked = who in self._queue
        if not has_asked:
            self._queue.append(who)
        self._ready.add(who)
        self._hand_out()
        if has_asked:
            while who not in self._held:
                oldest, since = next(iter(self._held.items()))
                if not await _happens(who, 0, since + self._patience_s):
                    self._take_away(oldest, since)
        elif who not in self._held and len(self._queue) > self._count:
            await _happens(who, 0, monotonic() + _AWHILE_SECONDS)
        self._ready.discard(who)
        return who in self._held

    def give_back(self, who: Hashable) -> None:
        """Also by one that has lost its place, or still waits for one."""
        if self._held.pop(who, None) is None and who in self._queue:
            self._queue.remove(who)
        self._hand_out()

    def _take_away(self, who: Hashable, since: float) -> None:
        if self._held.get(who) != since:
            return  # it gave its place back meanwhile
        del self._held[who]
        if who in self._ready:  # it has not even heard of its place yet
            self._queue.append(who)
        self._hand_out()

    def _hand_out(self) -> None:
        while len(self._held) < self._count:
            who = next(filter(self._ready.__contains__, self._queue), None)
            if who is None:
                return
            self._queue.remove(who)
            self._held[who] = monotonic()
            self._loop.call(who)
            if len(self._queue) >= self._count:
                self._loop.call(self._queue[self._count - 1])  # it is near now

    async def let_pass(self) -> None:
        """Whoever was given a place goes on before us."""
        us = object()
        self._loop.call(us)
        await _happens(us, 0, math.inf)
