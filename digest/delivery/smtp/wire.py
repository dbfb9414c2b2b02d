"""A socket to an SMTP server: bytes out, whole replies in, limits on time and size of both."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic

from digest.delivery.smtp.loop import Result, apart, readable, writable

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_LATE = "no answer in time"


class Lost(Exception):
    """The connection cannot be had or used any more: closed, silent for too long, or talking without end."""


class Wire:
    """A connected socket and what was read from it and not yet used."""

    _LONGEST_LINE = 4096  # RFC 5321 4.5.3.1.5 allows 512; servers write more
    _MOST_LINES = 200

    def __init__(self, connected: socket.socket) -> None:
        self._socket, self._descriptor = connected, connected.fileno()  # it never blocks
        self._unread = b""
        self._lines: list[bytes] = []  # of a reply that has begun
        self._is_encrypted = False

    @property
    def has_unread(self) -> bool:
        return bool(self._unread or self._lines)

    @property
    def is_private(self) -> bool:
        """Encrypted, or never leaves this machine."""
        return self._is_encrypted or ipaddress.ip_address(self._socket.getpeername()[0]).is_loopback

    async def start_tls(self, context: ssl.SSLContext, host: str, timeout_s: float) -> None:
        """Encrypt, and make sure that it is `host`; `Lost` when it is not."""
        try:
            encrypted = context.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
        except (OSError, ValueError) as error:
            raise Lost(_in_words(error)) from None
        self._socket = encrypted
        await self._done(encrypted.do_handshake, monotonic() + timeout_s)
        self._is_encrypted = True

    async def write(self, *pieces: bytes, timeout_s: float) -> None:
        """All of them as one, or `Lost`: then the last byte has not left."""
        try:
            sent = self._send(pieces)  # nearly always there is room for all of it
        except _NOT_NOW:
            sent = 0
        except OSError as error:
            raise Lost(_in_words(error)) from None
        if sent == sum(map(len, pieces)):
            return
        rest, until = memoryview(b"".join(pieces))[sent:], monotonic() + timeout_s
        while rest:
            rest = rest[await self._done(partial(self._socket.send, rest), until, writable) :]

    def _send(self, pieces: Sequence[bytes]) -> int:
        return self._socket.send(b"".join(pieces)) if self._is_encrypted else self._socket.sendmsg(pieces)

    def _reply(self) -> list[bytes] | None:
        """The lines of the next reply, where all of it has come already; `Lost` when it has no end."""
        while self._unread:
            line, newline, rest = self._unread.partition(b"\n")
            if len(line) > self._LONGEST_LINE:
                raise Lost(f"the reply has a line of more than {self._LONGEST_LINE} bytes")
            if not newline:
                break
            self._unread = rest
            self._lines.append(line)
            if line[3:4] != b"-":
                lines, self._lines = self._lines, []
                return lines
            if len(self._lines) >= self._MOST_LINES:
                raise Lost(f"the reply has more than {self._MOST_LINES} lines")
        return None

    async def reads(self, usual: re.Pattern[bytes], timeout_s: float) -> bool:
        """Whether what comes next is all that, and nothing else; anything else stays for `read_reply`.

        `Lost` when nothing comes in time. One step for what nearly always comes, where its wording is of no interest.
        """
        if not self._unread:
            self._unread = await self._more(monotonic() + timeout_s)
        if not usual.fullmatch(self._unread):
            return False
        self._unread = b""
        return True

    async def read_reply(self, timeout_s: float) -> list[bytes]:
        """The lines of the next reply, all of them within `timeout_s`; `Lost` when it is cut, late or has no end."""
        until = monotonic() + timeout_s
        while (lines := self._reply()) is None:
            self._unread += await self._more(until)
        return lines

    async def _more(self, until: float) -> bytes:
        if monotonic() >= until:  # also where a byte comes now and then
            raise Lost("no whole reply in time")
        if not self._is_encrypted and not await readable(self._descriptor, until):  # rarely there already
            raise Lost("no whole reply in time")
        try:
            more = self._socket.recv(8192)
        except _NOT_NOW:
            more = await self._done(partial(self._socket.recv, 8192), until)
        except OSError as error:
            raise Lost(_in_words(error)) from None
        if not more:
            raise Lost("the server closed the connection")
        return more

    async def _done(
        self, step: Callable[[], Result], until: float, ready: Callable[[int, float], Awaitable[bool]] = readable
    ) -> Result:
        """Take the step as soon as the socket lets us; `Lost` when it fails, or cannot be taken by `until`."""
        while True:
            try:
                return step()
            except BlockingIOError:
                pass
            except ssl.SSLWantReadError:
                ready = readable  # TLS reads to write and writes to read, as it likes
            except ssl.SSLWantWriteError:
                ready = writable
            except OSError as error:
                raise Lost(_in_words(error)) from None
            if not await ready(self._descriptor, until):
                raise Lost(_LATE)

    def close(self) -> None:
        self._socket.close()


Addresses = list[tuple[int, int, int, tuple[object, ...]]]


async def look_up(host: str, port: int) -> Addresses:
    """Family, kind, protocol and address of all places where `host` may listen; `Lost` when the name is unknown."""
    try:
        found = await apart(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    except (OSError, ValueError) as error:  # ValueError: it cannot be a name
        raise Lost(_in_words(error)) from None
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


async def connect(addresses: Addresses, timeout_s: float) -> Wire:
    """The first address that answers, all of them within `timeout_s`; `Lost` with the last error when none does.

    One that is silent takes its share of the time and leaves the rest to those behind it.
    """
    until, last = monotonic() + timeout_s, "the name has no address"
    for left, (family, kind, protocol, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        candidate = socket.socket(family, kind, protocol)
        try:
            candidate.setblocking(False)
            now = monotonic()
            await _reach(candidate, address, now + max((until - now) / left, 0.1))
            # The envelope and the dot are small writes behind others: never wait for an acknowledgement to send them.
            candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            candidate.close()
            last = _in_words(error)
        except BaseException:
            candidate.close()
            raise
        else:
            return Wire(candidate)
    raise Lost(last)


async def _reach(candidate: socket.socket, address: tuple[object, ...], until: float) -> None:
    while (code := candidate.connect_ex(address)) not in (0, errno.EISCONN):
        if code not in (errno.EINPROGRESS, errno.EALREADY):
            raise OSError(code, os.strerror(code))
        if not await writable(candidate.fileno(), until):
            raise TimeoutError


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return _LATE
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__
