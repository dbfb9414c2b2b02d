"""DKIM signatures (RFC 6376) by RSA-2048 and Ed25519 (RFC 8463), made for many mails that differ a little."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

# RFC 6376 5.4.1, and what RFC 8058 4 asks for. From is signed once more than it is there, so that nobody adds another.
_WANTED = (
    b"from to subject date message-id reply-to list-id list-unsubscribe list-unsubscribe-post feedback-id "
    b"mime-version content-type content-transfer-encoding auto-submitted precedence"
).split()
_RANKS = {name: rank for rank, name in enumerate(_WANTED)}
_FROM, _OVERSIGNED = _RANKS[b"from"], [b"from"]
_LEAST_RSA_BITS = 2048  # RFC 8301 3.2: 1024 must be refused by nobody, 2048 should be used
_WIDTH = 76
_BLANKS = re.compile(rb"[ \t]+")
_MOST_LAYOUTS = 8  # the digest, the note of a quiet day and the letters have one each


@dataclass(frozen=True, slots=True)
class Key:
    """One selector of one domain and its private key."""

    domain: str
    selector: str
    private: PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    def dns_name(self) -> str:
        """Where the public half belongs (RFC 6376 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    def dns_record(self) -> str:
        """The text record that belongs there (RFC 6376 3.6.1, RFC 8463 4)."""
        if isinstance(self.private, RSAPrivateKey):
            public = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return f"v=DKIM1; k=rsa; p={b64encode(public).decode()}"
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={b64encode(raw).decode()}"

    def is_published_in(self, record: str) -> bool:
        """Whether a text record found at `dns_name` holds the public half; blanks in it mean nothing (RFC 6376 3.2)."""
        return _public(record) == _public(self.dns_record())

    def sign(self, digest: bytes) -> bytes:
        """Sign a SHA-256 digest; the same digest always gives the same signature."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(digest, PKCS1v15(), Prehashed(SHA256()))
        return self.private.sign(digest)


def _public(record: str) -> str:
    """The tag p= of a record; none and an empty one, which takes a key back, are the same here."""
    tags = dict(tag.partition("=")[::2] for tag in "".join(record.split()).split(";"))
    return tags.get("p", "")


def load_keys(domain: str, selectors: Sequence[str], pem: str) -> tuple[Key, ...]:
    """The private keys in `pem`, one behind the other, in the order of `selectors`; ValueError says what is wrong."""
    blocks = re.findall(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", pem, re.S)
    if len(blocks) != len(selectors):
        raise ValueError(f"{len(selectors)} DKIM selectors need as many private keys in PEM, found {len(blocks)}")
    return tuple(Key(domain, name, _load(name, block)) for name, block in zip(selectors, blocks, strict=True))


def throwaway_signer(domain: str) -> Signer:
    """Signs samples where no key is set, so that they are whole mails; nobody can verify them."""
    return Signer([Key(domain, "sample", Ed25519PrivateKey.generate())])


def _load(selector: str, block: str) -> PrivateKey:
    try:
        key = load_pem_private_key(block.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"the DKIM key of {selector} cannot be read; it must be PEM without a password") from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, RSAPrivateKey) and key.key_size >= _LEAST_RSA_BITS:
        return key
    raise ValueError(f"the DKIM key of {selector} must be RSA of at least {_LEAST_RSA_BITS} bits, or Ed25519")


class Signer:
    """Signs with all its keys at once; safe to share between threads.

    c=relaxed/relaxed, no l=. The body is hashed once for all keys, and as it stands where it is canonical already: with
    no run of blanks, no blank at a line's end and one line end at the end.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        self.keys = tuple(keys)
        self._layouts: tuple[Layout, ...] = ()

    def sign(self, message: bytes, at: datetime, is_canonical: bool = False) -> bytes:
        """`message` (CRLF line ends, a head, an empty line, a body) with one DKIM-Signature per key in front.

        ValueError when it has no From, or a head of other things than fields.

        `at` is the mail's own Date, so that signing again gives the same bytes. `is_canonical` promises what the class
        says of the body, and saves making sure.
        """
        head, body = _parts(message)
        ranks, canonical = self._signed_fields(_unfolded(head))
        body_hash = b64encode(hashlib.sha256(body if is_canonical else canonical_body(bytes(body))).digest())
        at_seconds, fields = b"%d" % int(at.timestamp()), hashlib.sha256(canonical)
        signatures = [_field(key, ranks, at_seconds, body_hash, fields.copy()) for key in self.keys]
        return b"".join((*signatures, message))

    def _signed_fields(self, head: bytes) -> tuple[tuple[int, ...], bytes]:
        """The fields to sign of an unfolded head: their ranks in _WANTED, and all in relaxed form (RFC 6376 3.4.2)."""
        for layout in self._layouts:
            if found := layout.pattern.fullmatch(head):
                break
        else:
            layout = _layout(head)
            found = layout.pattern.fullmatch(head)
            if found is None:
                raise ValueError("a head that has a bare line feed, or a line without a colon, cannot be signed")
            self._layouts = (layout, *self._layouts[: _MOST_LAYOUTS - 1])
        return layout.ranks, layout.canonical % found.group(*layout.order)


def canonical_body(body: bytes) -> bytes:
    """The body in relaxed form (RFC 6376 3.4.4)."""
    if _is_canonical(body):
        return body
    body = _BLANKS.sub(b" ", body).replace(b" \r\n", b"\r\n")
    body = body.removesuffix(b" ")  # a last line without a line end
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return body + b"\r\n" if body else b""


def _is_canonical(body: bytes) -> bool:
    """A tenth of the cost of making it so. Never true by mistake, but false for some that are."""
    has_blanks = b"  " in body or b"\t" in body or b" \r\n" in body
    return not has_blanks and body.endswith(b"\r\n") and not body.endswith(b"\r\n\r\n") and body != b"\r\n"


def _parts(message: bytes) -> tuple[bytes, memoryview]:
    """The head without its end, and the body, which is not copied."""
    end = message.find(b"\r\n\r\n")
    return (message, memoryview(b"")) if end < 0 else (message[:end], memoryview(message)[end + 4 :])


class Layout(NamedTuple):
    """Which fields a head has, in which order; nearly all mails share one, so theirs are told apart in one step.

    `pattern` matches an unfolded head and has a group for the value of each field that is signed; `order` is that of the
    signature, of which `canonical` is the fields without their values.
    """

    pattern: re.Pattern[bytes]
    order: tuple[int, ...]
    ranks: tuple[int, ...]
    canonical: bytes


def _layout(head: bytes) -> Layout:
    names = [line.partition(b":")[0] for line in head.split(b"\r\n")]
    ranks = [_RANKS.get(name.rstrip(b" ").lower()) for name in names]
    if _FROM not in ranks:
        raise ValueError("a mail without From cannot be signed (RFC 6376 5.4)")
    pattern = b"\r\n".join([
        re.escape(name) + (b".*" if rank is None else b": ?(.*[^ \n]|) ?")
        for name, rank in zip(names, ranks, strict=True)
    ])  # fmt: skip
    # Of several fields of one name the lowest comes first (5.4.2).
    found = sorted((rank, -place) for place, rank in enumerate([rank for rank in ranks if rank is not None], start=1))
    return Layout(
        re.compile(pattern),
        tuple([-place for _, place in found]),
        tuple([rank for rank, _ in found]),
        b"".join([b"%b:%%b\r\n" % _WANTED[rank] for rank, _ in found]),
    )


def _unfolded(head: bytes) -> bytes:
    head = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    return _BLANKS.sub(b" ", head) if b"  " in head or b"\t" in head else head


def _field(key: Key, ranks: tuple[int, ...], at: bytes, body_hash: bytes, fields: hashlib._Hash) -> bytes:
    """The whole DKIM-Signature field; it signs itself with b= empty and without its line end (RFC 6376 3.7)."""
    wire, canonical = _frame(key, ranks)
    fields.update(canonical % (at, body_hash))
    signature = b64encode(key.sign(fields.digest()))
    return wire % (at, body_hash) + _wrapped(signature, 2) + b"\r\n"


@lru_cache(maxsize=32)  # mails of one kind have the same fields
def _frame(key: Key, ranks: tuple[int, ...]) -> tuple[bytes, bytes]:
    """The field up to its signature, and that in relaxed form; both with places for t= and bh=."""
    names = b":".join([_WANTED[rank] for rank in ranks] + _OVERSIGNED)
    start = b"\r\n\t".join((
        b"v=1; a=%b; c=relaxed/relaxed; t=%%b;" % key.algorithm.encode(),
        b"d=%b;" % key.domain.encode(),
        b"s=%b;" % key.selector.encode(),
        b"h=%b;" % _folded(names, b":", 2),
        b"bh=%b;",
        b"b=",
    ))  # fmt: skip
    return b"DKIM-Signature: " + start, b"dkim-signature:" + _unfolded(start)


def _folded(text: bytes, separator: bytes, used: int) -> bytes:
    """Break between words; a line holds `_WIDTH` characters, the first has `used` and all have a tab."""
    lines, line = [], b""
    for word in text.split(separator):
        if line and used + len(line) + len(word) + 2 * len(separator) >= _WIDTH:
            lines.append(line)
            line, used = word, 1
        else:
            line = line + separator + word if line else word
    return (separator + b"\r\n\t").join([*lines, line])


def _wrapped(text: bytes, used: int) -> bytes:
    first = _WIDTH - 1 - used
    rest = [text[n : n + _WIDTH - 1] for n in range(first, len(text), _WIDTH - 1)]
    return b"\r\n\t".join([text[:first], *rest])
