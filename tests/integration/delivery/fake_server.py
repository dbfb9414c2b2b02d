"""A mail server that says what a test wants it to say, and remembers what it heard."""

from __future__ import annotations

import contextlib
import datetime
import socket
import socketserver
import ssl
import struct
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Lock, Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CLOSE = "close"  # instead of a reply, or as its last line: close the connection
RESET = "reset"  # instead of a reply: be gone, as a host that crashes
SILENCE = "silence"  # instead of a reply: none, until the test is over
DRIP = "drip"  # instead of a reply: one that never ends, a byte at a time
DEFAULT = {
    "greeting": "220 here",
    "EHLO": "250-here\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-AUTH PLAIN LOGIN\r\n250-STARTTLS\r\n250 SMTPUTF8",
    "HELO": "250 here",
    "STARTTLS": "220 go on",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "dot": "250 2.0.0 queued",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}
NO_PIPELINING = "250 here"


class FakeServer(socketserver.ThreadingTCPServer):
    """`heard` holds the commands of each connection, `mails` what came behind each DATA, its dots still doubled.

    `replies` changes what is said; a list is used up one by one, its last entry again and again.
    """

    daemon_threads = True
    block_on_close = True

    def __init__(
        self, tls: ssl.SSLContext | None = None, is_tls_from_start: bool = False, **replies: str | list[str]
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Dialogue)
        said = DEFAULT | replies
        self._replies = {verb: [words] if isinstance(words, str) else list(words) for verb, words in said.items()}
        self._lock = Lock()
        self.tls, self.is_tls_from_start = tls, is_tls_from_start
        self.heard: list[list[str]] = []
        self.mails: list[bytes] = []
        self.is_over = Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def reply(self, verb: str) -> str:
        with self._lock:
            waiting = self._replies.get(verb, ["502 what?"])
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what many of these tests are about."""


class _Gone(Exception):
    pass


class _Dialogue(socketserver.BaseRequestHandler):
    server: FakeServer

    def handle(self) -> None:
        self.socket: socket.socket = self.request
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = self.unsaid = b""
        self.lines: list[str] = []
        self.server.heard.append(self.lines)
        with contextlib.suppress(_Gone, OSError):
            if self.server.is_tls_from_start:
                self._encrypt()
            self._say(self.server.reply("greeting"))
            while True:
                self._answer(self._line().decode("utf-8"))
        with contextlib.suppress(OSError):
            self._flush()
        self.socket.close()

    def _answer(self, line: str) -> None:
        self.lines.append(line)
        verb = line.split(" ")[0]
        if verb not in DEFAULT:
            verb = "AUTH"  # the second and third line of AUTH LOGIN
        said = self.server.reply(verb)
        self._say(said)
        if verb == "STARTTLS" and said.startswith("220"):
            self._encrypt()
        elif verb == "DATA" and said.startswith("354"):
            self.server.mails.append(self._mail())
            self._say(self.server.reply("dot"))
        elif verb == "QUIT":
            raise _Gone

    def _encrypt(self) -> None:
        self._flush()
        assert self.server.tls
        self.socket = self.server.tls.wrap_socket(self.socket, server_side=True)

    def _mail(self) -> bytes:
        lines = []
        while (line := self._line()) != b".":
            lines.append(line + b"\r\n")
        return b"".join(lines)

    def _line(self) -> bytes:
        while b"\r\n" not in self.unread:
            self._flush()
            chunk = self.socket.recv(65536)
            if not chunk:
                raise _Gone
            self.unread += chunk
        line, _, self.unread = self.unread.partition(b"\r\n")
        return line

    def _say(self, words: str) -> None:
        """Replies to commands that came together leave together (RFC 2920 3.2)."""
        if words in (RESET, SILENCE, DRIP):
            self._flush()
        if words == RESET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise _Gone
        if words == SILENCE:
            self.server.is_over.wait(30)
            raise _Gone
        while words == DRIP:
            self.socket.sendall(b"2")
            time.sleep(0.02)
        said, close, _ = words.partition(CLOSE)
        self.unsaid += said.encode() + b"\r\n" * (not close)
        if close:
            raise _Gone

    def _flush(self) -> None:
        said, self.unsaid = self.unsaid, b""
        self.socket.sendall(said)


@contextlib.contextmanager
def fake_server(
    tls: ssl.SSLContext | None = None, is_tls_from_start: bool = False, **replies: str | list[str]
) -> Iterator[FakeServer]:
    with FakeServer(tls, is_tls_from_start, **replies) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.is_over.set()
            server.shutdown()
            thread.join()


def certificate(folder: Path, name: str = "localhost") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A certificate for `name`: what the server shows, and a client context that trusts it and nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(name)] + ([x509.IPAddress(ip_address("127.0.0.1"))] if name == "localhost" else [])
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM)
    plain_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(plain_key + pem)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(file)
    return shown, ssl.create_default_context(cadata=pem.decode())
