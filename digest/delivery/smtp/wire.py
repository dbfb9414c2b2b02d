"""A socket to an SMTP server: bytes out, whole replies in, limits on time and size of both."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time


class Lost(Exception):
    """The connection cannot be had or used any more: closed, silent for too long, or talking without end."""


class Wire:
    """A connected socket and what was read from it and not yet used."""

    _LONGEST_LINE = 4096  # RFC 5321 4.5.3.1.5 allows 512; servers write more
    _MOST_LINES = 200

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._unread = b""
        self._is_encrypted = False

    @property
    def has_unread(self) -> bool:
        return bool(self._unread)

    @property
    def is_private(self) -> bool:
        """Encrypted, or never leaves this machine."""
        return self._is_encrypted or ipaddress.ip_address(self._socket.getpeername()[0]).is_loopback

    def start_tls(self, context: ssl.SSLContext, host: str, timeout_s: float) -> None:
        """Encrypt, and make sure that it is `host`; `Lost` when it is not."""
        try:
            self._socket.settimeout(timeout_s)
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except (OSError, ValueError) as error:
            raise Lost(_in_words(error)) from None
        self._is_encrypted = True

    def write(self, data: bytes, timeout_s: float) -> None:
        """All of `data`, or `Lost`."""
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(data)
        except OSError as error:
            raise Lost(_in_words(error)) from None

    def read_reply(self, timeout_s: float) -> list[bytes]:
        """The lines of one reply, all of them within `timeout_s`; `Lost` when it is cut, late or has no end."""
        deadline = time.monotonic() + timeout_s
        lines: list[bytes] = []
        while len(lines) < self._MOST_LINES:
            line = self._read_line(deadline)
            lines.append(line)
            if line[3:4] != b"-":
                return lines
        raise Lost(f"the reply has more than {self._MOST_LINES} lines")

    def _read_line(self, deadline: float) -> bytes:
        while True:
            line, newline, rest = self._unread.partition(b"\n")
            if len(line) > self._LONGEST_LINE:
                raise Lost(f"the reply has a line of more than {self._LONGEST_LINE} bytes")
            if newline:
                self._unread = rest
                return line
            self._fill(deadline)

    def _fill(self, deadline: float) -> None:
        left_s = deadline - time.monotonic()
        if left_s <= 0:  # also where a byte comes now and then
            raise Lost("no whole reply in time")
        try:
            self._socket.settimeout(left_s)
            chunk = self._socket.recv(8192)
        except OSError as error:
            raise Lost(_in_words(error)) from None
        if not chunk:
            raise Lost("the server closed the connection")
        self._unread += chunk

    def close(self) -> None:
        self._socket.close()


Addresses = list[tuple[int, int, int, tuple[object, ...]]]


def look_up(host: str, port: int) -> Addresses:
    """Family, kind, protocol and address of all places where `host` may listen; `Lost` when the name is unknown."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # ValueError: it cannot be a name
        raise Lost(_in_words(error)) from None
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


def connect(addresses: Addresses, timeout_s: float) -> Wire:
    """The first address that answers, all of them within `timeout_s`; `Lost` with the last error when none does."""
    deadline, last = time.monotonic() + timeout_s, "the name has no address"
    for family, kind, protocol, address in addresses:
        candidate = socket.socket(family, kind, protocol)
        try:
            candidate.settimeout(max(deadline - time.monotonic(), 0.1))
            candidate.connect(address)
            # The envelope and the dot are small writes behind others: never wait for an acknowledgement to send them.
            candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            candidate.close()
            last = _in_words(error)
        else:
            return Wire(candidate)
    raise Lost(last)


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__
