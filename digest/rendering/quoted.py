"""Quoted-printable pieces that can be joined in any order: each begins and ends at the first column of a wire line."""

from __future__ import annotations

import re

# A second blank in a row and a blank at the end of a line are encoded too, so that the wire form is already what
# DKIM's relaxed body canonicalisation (RFC 6376 3.4.4) would make of it.
_UNSAFE = re.compile(rb"[^ !-<>-~\n]|(?<= ) | (?=\n|\Z)")
SOFT_BREAK = b"=\r\n"
_WIDTH = 75  # RFC 2045 6.7 (5): at most 76 with the soft break's "="


def encode(text: str) -> bytes:
    """Quoted-printable wire bytes (CRLF, lines of at most 76) of `text` (line ends LF).

    Two results can be joined and decode to the two texts joined: a result that does not end in a line break of its own
    ends in a soft one. No line starts with a dot (nothing is left to stuff, RFC 5321 4.5.2) or with "From ".
    """
    if not text:
        return b""
    escaped = _UNSAFE.sub(_hex, text.encode("utf-8"))
    lines = [_softly_broken(line) for line in escaped.split(b"\n")]
    ends_softly = bool(lines[-1])
    return b"\r\n".join(lines) + (SOFT_BREAK if ends_softly else b"")


def _hex(match: re.Match[bytes]) -> bytes:
    return b"".join(b"=%02X" % octet for octet in match[0])


def _softly_broken(line: bytes) -> bytes:
    pieces = []
    while True:
        line = _guarded(line)
        if len(line) <= _WIDTH:
            pieces.append(line)
            return SOFT_BREAK.join(pieces)
        cut = _cut(line)
        pieces.append(line[:cut])
        line = line[cut:]


def _guarded(line: bytes) -> bytes:
    """The line with a first character that mail programs leave alone."""
    if line.startswith(b"."):
        return b"=2E" + line[1:]
    return b"=46" + line[1:] if line.startswith(b"From ") else line


def _cut(line: bytes) -> int:
    """Where to break: never inside `=XX`."""
    escape = line.rfind(b"=", _WIDTH - 2, _WIDTH)
    return _WIDTH if escape < 0 else escape
