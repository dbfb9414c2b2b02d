"""One mail as it goes over the wire: its addresses in commands, its bytes behind DATA."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from typing import NamedTuple

import idna


class Envelope(NamedTuple):
    """One mail for one address. `data` is the message with CRLF line ends, dots not yet stuffed; `id` is the ledger's."""

    id: int
    mail_from: str
    rcpt_to: str
    data: bytes
    is_stuffed: bool = False


_BARE = r'[^\s<>()\[\],;:\\"@\x00-\x20\x7f-\x9f]+'
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f-\x9f]|\\[ -~])*"'
_ADDRESS = re.compile(rf"({_BARE}|{_QUOTED})@({_BARE}|\[[0-9A-Za-z.:]+\])")


def path(address: str) -> bytes:
    """`address` as it stands between < and >, its domain in ASCII (RFC 5891); ValueError when it cannot stand there."""
    if not address:
        return b""  # the null sender of an automatic answer (RFC 5321 4.5.5)
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError("the address cannot be written in an SMTP command")
    if address.isascii():
        return address.encode()
    local, domain = match[1], match[2]
    return local.encode() + b"@" + (domain.encode() if domain.isascii() else idna.encode(domain, uts46=True))


def host_name(name: str) -> bytes:
    """The name we say in EHLO; an IP address becomes a literal (RFC 5321 4.1.3)."""
    with contextlib.suppress(ValueError):
        version = ipaddress.ip_address(name).version
        return f"[{name}]".encode() if version == 4 else f"[IPv6:{name}]".encode()
    return name.encode("ascii") if name.isascii() else idna.encode(name, uts46=True)


_DOT_AFTER_LINE = re.compile(rb"\n\.")
_LEADING_DOT = re.compile(rb"(?m)^\.")


def stuffed(envelope: Envelope) -> bytes:
    """The message with the dot that starts a line doubled (RFC 5321 4.5.2), also after a bare LF, and CRLF at its end."""
    data = envelope.data
    if not envelope.is_stuffed and (data.startswith(b".") or _DOT_AFTER_LINE.search(data)):
        data = _LEADING_DOT.sub(b"..", data)
    return data if data.endswith(b"\r\n") else data + b"\r\n"
