"""The one signer: short tokens that nobody can forge, and that are still read after the secret key was changed."""

from __future__ import annotations

import binascii
import hmac
import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import shake_256
from typing import Any, NamedTuple

from digest.settings import Settings, SettingsError

MAC_BYTES = 16
_RATE = 136  # bytes that SHAKE256 takes in at a time
_TO_URL = bytes.maketrans(b"+/", b"-_")
_TO_PLAIN = bytes.maketrans(b"-_", b"+/")


def signer_of(settings: Settings) -> Signer:
    """What signs and reads all links of an install. Raises SettingsError without a secret key."""
    keys = [key.get_secret_value() for key in (settings.secret_key, *settings.secret_keys_old)]
    if not keys[0]:
        raise SettingsError(
            "DIGEST_SECRET_KEY is empty: links and forms cannot be signed. "
            "Set it to the output of: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return Signer([key.encode() for key in keys])


class Purpose(NamedTuple):
    """What a token is good for. Those of one family are for payloads of one kind and have their places in one seal."""

    family: str
    place: int = 0

    @property
    def mac(self) -> slice:
        return slice(MAC_BYTES * self.place, MAC_BYTES * (self.place + 1))


class Signer:
    """Signs and reads short payloads for a purpose.

    A token is base64url of key id (1 byte), payload and a MAC of 16 bytes (15 in votes). MACs are cut from a seal: the output of
    SHAKE256 (FIPS 202, 6.2), as long as it is wanted, for a key that fills the first block of its sponge and the payload.
    So keyed, every byte of the output is unpredictable without the key, whatever the others are (Bertoni, Daemen,
    Peeters, Van Assche, On the security of the keyed sponge construction, 2011; it is how KMAC works, NIST SP 800-185, 4).
    The key is derived from secret and family, and a purpose is a place in the seal: a token of one purpose means nothing
    for another. `keys` is newest first; the newest signs, all of them read. `key_id` is the first byte of what it signs:
    it tells which key to read with, and nothing about the key.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or not all(keys):
            raise ValueError("SECRET_KEY is empty: links cannot be signed")
        self._keys = tuple(keys)
        # Below 128, so that every token starts with a letter that is neither 1 nor 3, as Bitcoin addresses do.
        self._ids = tuple(bytes([shake_256(b"key id" + key).digest(1)[0] & 0x7F]) for key in keys)
        self._states = lru_cache(maxsize=256)(self._state)
        self.key_id = self._ids[0]

    def seal(self, family: str, payload: bytes, size: int, key: int = 0) -> bytes:
        """`size` bytes that nobody can tell who has no key: MACs for as many tokens with this payload."""
        state = self._states(key, family).copy()
        state.update(payload)
        made: bytes = state.digest(size)
        return made

    def sign(self, purpose: Purpose, payload: bytes) -> str:
        """The token, 4/3 of (payload + 17) characters."""
        return letters(self._sealed(purpose, payload)).rstrip(b"=").decode("ascii")

    def read(self, purpose: Purpose, token: str) -> bytes | None:
        """The payload, or None for anything that this signer did not make for this purpose."""
        sealed = decoded(token)
        return None if sealed is None else self._open(purpose, sealed)

    def sign_hex(self, purpose: Purpose, payload: bytes) -> str:
        """A token that survives a change of case, as happens to the local part of a mail address on its way."""
        return self._sealed(purpose, payload).hex()

    def read_hex(self, purpose: Purpose, token: str) -> bytes | None:
        """The payload of a token in hexadecimal, in any case; None as for `read`."""
        if not re.fullmatch(r"(?:[0-9a-f]{2}){18,64}", token, re.ASCII | re.IGNORECASE):
            return None
        return self._open(purpose, bytes.fromhex(token))

    def fingerprint(self, purpose: str, text: str) -> str:
        """32 hex digits that stand for a text (a network, an address) in logs, limits and consent records."""
        return self.seal("fingerprint " + purpose, text.encode("utf-8", "surrogatepass"), 16).hex()

    def is_mine(self, family: str, key_id: bytes, payload: bytes, mac: bytes, at: int) -> bool:
        """Whether `mac` stands at `at` in the seal of `payload` by a key with this id. Takes the same time for every MAC."""
        return any(
            hmac.compare_digest(self.seal(family, payload, at + len(mac), index)[at:], mac)
            for index, known in enumerate(self._ids)
            if known == key_id
        )

    def _sealed(self, purpose: Purpose, payload: bytes) -> bytes:
        return self._ids[0] + payload + self.seal(purpose.family, payload, purpose.mac.stop)[purpose.mac]

    def _open(self, purpose: Purpose, sealed: bytes) -> bytes | None:
        key_id, payload, mac = sealed[:1], sealed[1:-MAC_BYTES], sealed[-MAC_BYTES:]
        return payload if self.is_mine(purpose.family, key_id, payload, mac, purpose.mac.start) else None

    def _state(self, index: int, family: str) -> Any:
        key, name = self._keys[index], family.encode()
        return shake_256(shake_256(b"%d %b %b" % (len(name), name, key)).digest(_RATE))


def letters(sealed: bytes) -> bytes:
    """base64url (RFC 4648, 5), padded."""
    return binascii.b2a_base64(sealed, newline=False).translate(_TO_URL)


def decoded(token: str) -> bytes | None:
    """The bytes of a token; None for what is no base64url, and for a second spelling of the same bytes."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{24,171}", token, re.ASCII) or len(token) % 4 == 1:
        return None
    sealed = binascii.a2b_base64(token.encode("ascii").translate(_TO_PLAIN) + b"=" * (-len(token) % 4))
    return sealed if letters(sealed).rstrip(b"=") == token.encode("ascii") else None
