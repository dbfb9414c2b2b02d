"""Several connections to one server, fed from one iterator; what to do when one of them is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from types import TracebackType

from digest.delivery.halt import Halt, Stop
from digest.delivery.outcomes import Against, Outcome, Phase, Verdict
from digest.delivery.smtp.connection import Connection, always, nothing
from digest.delivery.smtp.envelope import Envelope
from digest.delivery.smtp.server import Server, Unreachable

Mail = Envelope | Callable[[], Envelope | None]


class Pool:
    """Up to `connections` kept connections, one thread each while `send` runs; make it after a fork, not before."""

    def __init__(
        self, server: Server, connections: int = 4, reopen_pauses_s: tuple[float, ...] = (1.0, 4.0, 15.0)
    ) -> None:
        self._server, self._size, self._pauses_s = server, connections, reopen_pauses_s
        self._kept: list[Connection] = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """QUIT on every kept connection."""
        while self._kept:
            self._kept.pop().close()

    def send(
        self,
        mails: Iterable[Mail],
        on_reply: Callable[[int, Outcome], None],
        still_wanted: Callable[[int], bool] = always,
        before_dot: Callable[[int], None] = nothing,
        stop: Stop | None = None,
    ) -> None:
        """Send each mail once; `on_reply(id, outcome)` runs in the connection's thread before its next mail starts.

        `mails` is drawn lazily, by one thread at a time, and may wait (throttle) as long as it heeds `stop`. A mail may be
        a function that makes its envelope, or None where there is nothing to send after all: it is called once, in the
        thread of a connection that is ready for it, so that making mails takes no turns. `still_wanted` and `before_dot` are
        those of `Connection.send`, asked by several threads.
        What got no `on_reply` was not tried: after `stop`, which lets each connection finish the mail in hand, and
        after `Unreachable`, raised when no connection could be had and mail is left. Any other exception, from
        `mails` or from the callables, stops all connections in the same way and is raised; `stop` is never set here.
        """
        run = _Run(iter(mails), on_reply, still_wanted, before_dot, Halt(stop))
        with ThreadPoolExecutor(self._size, thread_name_prefix="smtp") as threads:
            lines = [threads.submit(self._line, run) for _ in range(self._size)]
        for line in lines:
            line.result()
        while run.unreachable and run.is_mail_left() and self._kept:
            self._line(run)  # a line had ended, its connection good, before another gave its mail back
        if run.unreachable and run.is_mail_left():
            raise run.unreachable

    def _line(self, run: _Run) -> None:
        line = _Line(self._server, self._pauses_s, run, self._kept.pop() if self._kept else None)
        try:
            line.work()
        except BaseException:
            run.stop.set()
            raise
        finally:
            if line.connection:
                self._kept.append(line.connection)


class _Run:
    """What the connections of one `Pool.send` share."""

    def __init__(
        self,
        mails: Iterator[Mail],
        on_reply: Callable[[int, Outcome], None],
        still_wanted: Callable[[int], bool],
        before_dot: Callable[[int], None],
        stop: Halt,
    ) -> None:
        self.on_reply, self.still_wanted, self.before_dot, self.stop = on_reply, still_wanted, before_dot, stop
        self.unreachable: Unreachable | None = None
        self._mails, self._given_back = mails, deque[Mail]()
        self._is_exhausted = False
        self._lock = Lock()

    def take(self) -> Mail | None:
        """The next mail; None when there is none or the run is to stop."""
        with self._lock:
            if self.stop.is_set():
                return None
            if self._given_back:
                return self._given_back.popleft()
            mail = next(self._mails, None)
            self._is_exhausted = mail is None
            return mail

    def give_back(self, mail: Mail) -> None:
        """It was not tried, or the server hung up before it could have it: any connection may take it."""
        with self._lock:
            self._given_back.append(mail)

    def is_mail_left(self) -> bool:
        return not self.stop.is_set() and (bool(self._given_back) or not self._is_exhausted)


class _Line:
    """One thread's work: one connection at a time, opened when there is mail for it, opened again when it is lost."""

    def __init__(self, server: Server, pauses_s: tuple[float, ...], run: _Run, connection: Connection | None) -> None:
        self._server, self._pauses_s, self._run, self.connection = server, pauses_s, run, connection

    def work(self) -> None:
        failures = 0
        while (mail := self._run.take()) is not None:
            try:
                connection = self._ready()
            except Unreachable as error:
                self._run.give_back(mail)
                if not self._is_worth_waiting(error, failures):
                    self._run.unreachable = error
                    return
                failures += 1
            else:
                failures = 0
                envelope = mail if isinstance(mail, Envelope) else mail()
                if envelope is not None:
                    self._send(connection, envelope)

    def _ready(self) -> Connection:
        if self.connection and self.connection.carried >= self._server.messages_per_connection:
            self.connection.close()
        if self.connection is None or not self.connection.is_open:
            self.connection = None
            self.connection = Connection(self._server)
        return self.connection

    def _send(self, connection: Connection, envelope: Envelope) -> None:
        was_kept = connection.carried > 0
        outcome = connection.send(envelope, self._run.still_wanted, self._run.before_dot)
        if was_kept and not connection.is_open and _is_about_connection(outcome):
            self._run.give_back(envelope)
        else:
            self._run.on_reply(envelope.id, outcome)

    def _is_worth_waiting(self, error: Unreachable, failures: int) -> bool:
        """A busy or absent server may be back in a moment; a wrong password or certificate will not mend itself."""
        if error.outcome.against is not Against.MOMENT or failures >= len(self._pauses_s):
            return False
        self._run.stop.wait(self._pauses_s[failures])
        return True


def _is_about_connection(outcome: Outcome) -> bool:
    """The server ended a kept connection before it had the mail, as any server may; the mail had no part in it."""
    is_before_dot = outcome.phase in (Phase.MAIL, Phase.RCPT, Phase.DATA)
    return is_before_dot and outcome.verdict is Verdict.DEFERRED and outcome.code in (None, 421)
