"""Several connections to one server, fed from one iterator; what to do when one of them is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from types import TracebackType

from digest.delivery.halt import Halt, Stop
from digest.delivery.outcomes import Against, Outcome, Phase, Verdict, says_slow_down
from digest.delivery.smtp.connection import Connection, always
from digest.delivery.smtp.envelope import Envelope
from digest.delivery.smtp.loop import Loop, Places, asleep
from digest.delivery.smtp.server import Server, Unreachable

Mail = Envelope | Callable[[], Envelope | None]

_LOOK_SECONDS = 0.1
_SILENCE_SECONDS = 2.0  # a reply to the dot that takes longer holds up its own connection alone


def unnoted(_id: int) -> None:
    """Nobody needs to know."""


class Pool:
    """Up to `connections` kept connections in one thread; make it after a fork, not before.

    Of their mails at most `most_in_doubt` are between their final dot and its reply: so many may arrive twice when the
    process is killed. A server that does not answer for seconds is no reason for the others to wait.
    """

    def __init__(
        self,
        server: Server,
        connections: int = 4,
        most_in_doubt: int = 1,
        reopen_pauses_s: tuple[float, ...] = (1.0, 4.0, 15.0),
    ) -> None:
        self._server, self._size, self._pauses_s = server, connections, reopen_pauses_s
        self._most_in_doubt = most_in_doubt
        self._kept: list[Connection] = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """QUIT on every kept connection, on all at once: a server that hangs is waited for a single time."""
        kept, self._kept = self._kept, []
        Loop().run([connection.close() for connection in kept])

    def send(
        self,
        mails: Iterable[Mail | float],
        on_reply: Callable[[int, Outcome], None],
        still_wanted: Callable[[int], bool] = always,
        before_dot: Callable[[int], None] = unnoted,
        stop: Stop | None = None,
    ) -> None:
        """Send each mail once; `on_reply(id, outcome)` is called before the next mail of that connection starts.

        `mails` is drawn when a connection is ready for one. A number says that the next is not there yet, and after how
        many seconds to ask again. A mail may be a function that makes its envelope, or None where there is nothing to
        send after all: it is called once. `still_wanted` is asked as `Connection.send` does, `before_dot` is told of each
        try just before the dot leaves. While one of these works, nothing else goes on.
        What got no `on_reply` was not tried: after `stop`, which lets each connection finish the mail in hand, and
        after `Unreachable`, raised when no connection could be had and mail is left. Any other exception, from
        `mails` or from the callables, stops all connections in the same way and is raised; `stop` is never set here.
        """
        run = _Run(iter(mails), on_reply, still_wanted, before_dot, Halt(stop))
        self._work(run, self._size)
        while run.unreachable and run.is_mail_left() and self._kept:
            self._work(run, len(self._kept))  # good connections that had ended before another gave its mail back
        if run.unreachable and run.is_mail_left():
            raise run.unreachable

    def _work(self, run: _Run, size: int) -> None:
        loop = Loop()
        dots = Places(loop, self._most_in_doubt, _SILENCE_SECONDS)
        loop.run([self._line(run, dots) for _ in range(size)])
        if run.error:
            raise run.error

    async def _line(self, run: _Run, dots: Places) -> None:
        line = _Line(self._server, self._pauses_s, run, dots, self._kept.pop() if self._kept else None)
        try:
            await line.work()
        except Exception as error:
            run.fail(error)
        finally:
            if line.connection:
                self._kept.append(line.connection)


class _Run:
    """What the connections of one `Pool.send` share."""

    def __init__(
        self,
        mails: Iterator[Mail | float],
        on_reply: Callable[[int, Outcome], None],
        still_wanted: Callable[[int], bool],
        before_dot: Callable[[int], None],
        stop: Halt,
    ) -> None:
        self.on_reply, self.still_wanted, self.before_dot, self.stop = on_reply, still_wanted, before_dot, stop
        self.unreachable: Unreachable | None = None
        self.error: Exception | None = None
        self._mails, self._given_back = mails, deque[Mail]()
        self._is_exhausted = False

    async def take(self) -> Mail | None:
        """The next mail; None when there is none or the run is to stop."""
        while not self.stop.is_set():
            if self._given_back:
                return self._given_back.popleft()
            mail = next(self._mails, None)
            if not isinstance(mail, float):
                self._is_exhausted = mail is None
                return mail
            await asleep(min(mail, _LOOK_SECONDS))
        return None

    def give_back(self, mail: Mail) -> None:
        """It was not tried, or the server hung up before it could have it: any connection may take it."""
        self._given_back.append(mail)

    def is_mail_left(self) -> bool:
        return not self.stop.is_set() and (bool(self._given_back) or not self._is_exhausted)

    def fail(self, error: Exception) -> None:
        """Something of ours is broken: finish what is under way."""
        self.error = self.error or error
        self.stop.set()

    async def pause(self, seconds: float) -> None:
        """Sleep, but not past the end of the run."""
        until = monotonic() + seconds
        while not self.stop.is_set() and (left := until - monotonic()) > 0:
            await asleep(min(left, _LOOK_SECONDS))


class _Line:
    """One connection at a time, opened when there is mail for it, opened again when it is lost."""

    def __init__(
        self, server: Server, pauses_s: tuple[float, ...], run: _Run, dots: Places, connection: Connection | None
    ) -> None:
        self._server, self._pauses_s, self._run, self._dots = server, pauses_s, run, dots
        self.connection = connection

    async def work(self) -> None:
        failures = 0
        while (mail := await self._run.take()) is not None:
            try:
                connection = await self._ready()
            except Unreachable as error:
                self._run.give_back(mail)
                if not await self._is_worth_waiting(error, failures):
                    self._run.unreachable = error
                    return
                failures += 1
            else:
                failures = 0
                envelope = mail if isinstance(mail, Envelope) else mail()
                if envelope is not None:
                    await self._send(connection, envelope)
                    await self._dots.let_pass()  # the next dot is on its way while our next mail is made

    async def _ready(self) -> Connection:
        if self.connection and self.connection.carried >= self._server.messages_per_connection:
            await self.connection.close()
        if self.connection is None or not self.connection.is_open:
            self.connection = None
            self.connection = await Connection.open(self._server)
        return self.connection

    async def _send(self, connection: Connection, envelope: Envelope) -> None:
        was_kept = connection.carried > 0
        try:
            outcome = await connection.send(envelope, self._run.still_wanted, self._before_dot)
            if was_kept and not connection.is_open and _is_about_connection(outcome):
                self._run.give_back(envelope)
            else:
                self._run.on_reply(envelope.id, outcome)
        finally:
            self._dots.give_back(self)

    async def _before_dot(self, id: int) -> bool:
        if not await self._dots.take(self):
            return False
        self._run.before_dot(id)
        return True

    async def _is_worth_waiting(self, error: Unreachable, failures: int) -> bool:
        """A busy or absent server may be back in a moment; a wrong password or certificate will not mend itself."""
        if error.outcome.against is not Against.MOMENT or failures >= len(self._pauses_s):
            return False
        await self._run.pause(self._pauses_s[failures])
        return True


def _is_about_connection(outcome: Outcome) -> bool:
    """The server ended a kept connection before it had the mail, as any server may; the mail had no part in it."""
    is_before_dot = outcome.phase in (Phase.MAIL, Phase.RCPT, Phase.DATA)
    is_end = outcome.verdict is Verdict.DEFERRED and outcome.code in (None, 421)
    return is_before_dot and is_end and not says_slow_down(outcome)
