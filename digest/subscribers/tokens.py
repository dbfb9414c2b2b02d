"""The one signer: short links and return paths that nobody can forge, also after the secret key was changed."""

from __future__ import annotations

import binascii
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from digest.settings import Settings, SettingsError

MAC_BYTES = 16
CONFIRM_FOR = timedelta(hours=48)
UNDO_FOR = timedelta(days=30)
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


class Signer:
    """Signs and reads short payloads for a purpose.

    A token is base64url of key id (1 byte), payload and a keyed BLAKE2b of 16 bytes (RFC 7693, section 2.9), whose key
    is derived from secret and purpose: a token of one purpose means nothing for another. `keys` is newest first; the
    newest signs, all of them read.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or not all(keys):
            raise ValueError("SECRET_KEY is empty: links cannot be signed")
        self._keys = tuple(keys)
        # Below 128, so that every token starts with a letter: one that starts with 1 or 3 can look like a Bitcoin
        # address to a spam filter.
        self._ids = tuple(bytes([blake2b(key, digest_size=1, person=b"key id").digest()[0] & 0x7F]) for key in keys)
        self._states = lru_cache(maxsize=256)(self._state)

    @property
    def key_id(self) -> bytes:
        """The first byte of what it signs: tells which key to read with, and nothing about the key."""
        return self._ids[0]

    def sign(self, purpose: str, payload: bytes) -> str:
        """The token, 4/3 of (payload + 17) characters."""
        return _encode(self._seal(purpose, payload))

    def sign_many(self, purpose: str, payloads: Sequence[bytes]) -> list[str]:
        """As `sign`, for a mail's worth of links at once."""
        key_id, state = self._ids[0], self._states(0, purpose)
        sealed = []
        for payload in payloads:
            mac = state.copy()
            mac.update(payload)
            sealed.append(key_id + payload + mac.digest())
        return _encode_many(sealed)

    def read(self, purpose: str, token: str) -> bytes | None:
        """The payload, or None for anything that this signer did not make for this purpose."""
        sealed = _decode(token)
        return None if sealed is None else self._open(purpose, sealed)

    def sign_hex(self, purpose: str, payload: bytes) -> str:
        """A token that survives a change of case, as happens to the local part of a mail address on its way."""
        return self._seal(purpose, payload).hex()

    def read_hex(self, purpose: str, token: str) -> bytes | None:
        """The payload of a token in hexadecimal, in any case; None as for `read`."""
        if not re.fullmatch(r"(?:[0-9a-f]{2}){18,64}", token, re.ASCII | re.IGNORECASE):
            return None
        return self._open(purpose, bytes.fromhex(token))

    def fingerprint(self, purpose: str, text: str) -> str:
        """32 hex digits that stand for a text (a network, an address) in logs, limits and consent records."""
        state = self._states(0, "fingerprint " + purpose).copy()
        state.update(text.encode("utf-8", "surrogatepass"))
        return str(state.hexdigest())

    def _seal(self, purpose: str, payload: bytes) -> bytes:
        mac = self._states(0, purpose).copy()
        mac.update(payload)
        return self._ids[0] + payload + bytes(mac.digest())

    def _open(self, purpose: str, sealed: bytes) -> bytes | None:
        key_id, payload, mac = sealed[:1], sealed[1:-MAC_BYTES], sealed[-MAC_BYTES:]
        for index, known in enumerate(self._ids):
            if known == key_id:
                state = self._states(index, purpose).copy()
                state.update(payload)
                if hmac.compare_digest(state.digest(), mac):
                    return payload
        return None

    def _state(self, index: int, purpose: str) -> Any:
        # Copying a prepared state costs a third of a new HMAC: a mail carries some forty links.
        person = blake2b(purpose.encode(), digest_size=16).digest()
        derived = blake2b(self._keys[index], digest_size=32, person=person).digest()
        return blake2b(key=derived, digest_size=MAC_BYTES)


def _encode(sealed: bytes) -> str:
    return binascii.b2a_base64(sealed, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def _encode_many(sealed: Sequence[bytes]) -> list[str]:
    """As `_encode` for each, those of one length encoded in one go."""
    if len({len(one) for one in sealed}) != 1:
        return [_encode(one) for one in sealed]
    bare = len(sealed[0])
    padding = bytes(-bare % 3)  # each begins at a whole group of four letters, and the last letters are padding
    letters = _encode(padding.join([*sealed, b""]))
    size, step = -(-bare * 4 // 3), (bare + len(padding)) // 3 * 4
    return [letters[at : at + size] for at in range(0, len(letters), step)]


def _decode(token: str) -> bytes | None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{24,171}", token, re.ASCII) or len(token) % 4 == 1:
        return None
    sealed = binascii.a2b_base64(token.encode("ascii").translate(_TO_PLAIN) + b"=" * (-len(token) % 4))
    return sealed if _encode(sealed) == token else None  # spare bits of the last letter must be zero


@dataclass(frozen=True, slots=True)
class ConfirmLink:
    subscriber_id: int
    generation: int
    issued_at: datetime

    def is_current(self, now: datetime) -> bool:
        return now < self.issued_at + CONFIRM_FOR


@dataclass(frozen=True, slots=True)
class VoteLink:
    """`is_more` is more like this, else less. `delivery_id` is the mail that carried the link, where known."""

    subscriber_id: int
    paper_id: int
    is_more: bool
    delivery_id: int | None = None


@dataclass(frozen=True, slots=True)
class ClickLink:
    subscriber_id: int
    paper_id: int
    delivery_id: int | None = None


class Links:
    """What each kind of link carries. Tokens only: a page's address is PUBLIC_URL, its path (`/u/`) and the token.

    unsubscribe is 32 characters, the others are at most 43. Every `read_...` gives None for what was not signed here
    for that purpose. Ids: subscribers, papers and deliveries below 2**39 in votes and clicks, 2**56 elsewhere.
    """

    def __init__(self, signer: Signer, bounce_domain: str = "") -> None:
        self._signer = signer
        self._bounce_domain = bounce_domain

    def unsubscribe(self, subscriber_id: int) -> str:
        return self._sign_id("unsubscribe", subscriber_id)

    def read_unsubscribe(self, token: str) -> int | None:
        return self._read_id("unsubscribe", token)

    def preferences(self, subscriber_id: int) -> str:
        return self._sign_id("preferences", subscriber_id)

    def read_preferences(self, token: str) -> int | None:
        return self._read_id("preferences", token)

    def edition(self, delivery_id: int) -> str:
        return self._sign_id("edition", delivery_id)

    def read_edition(self, token: str) -> int | None:
        return self._read_id("edition", token)

    def confirm(self, subscriber_id: int, generation: int, issued_at: datetime) -> str:
        return self._sign_timed("confirm", subscriber_id, generation, issued_at)

    def read_confirm(self, token: str) -> ConfirmLink | None:
        return self._read_timed("confirm", token)

    def address_change(self, subscriber_id: int, generation: int, issued_at: datetime) -> str:
        return self._sign_timed("address change", subscriber_id, generation, issued_at)

    def read_address_change(self, token: str) -> ConfirmLink | None:
        return self._read_timed("address change", token)

    def undo(self, subscriber_id: int, issued_at: datetime) -> str:
        """Takes back an unsubscription within 30 days; stands on the page that says goodbye and in the mails of the end."""
        return self._sign_timed("undo", subscriber_id, 0, issued_at)

    def read_undo(self, token: str, now: datetime) -> int | None:
        link = self._read_timed("undo", token)
        return link.subscriber_id if link and now < link.issued_at + UNDO_FOR else None

    def vote(self, subscriber_id: int, paper_id: int, is_more: bool, delivery_id: int | None = None) -> str:
        return self._signer.sign("vote", _vote_payload(subscriber_id, paper_id, is_more, delivery_id))

    def votes(
        self, subscriber_id: int, paper_ids: Sequence[int], delivery_id: int | None = None
    ) -> list[tuple[str, str]]:
        """(more, less) for each paper of a mail."""
        payloads = [
            _vote_payload(subscriber_id, one, is_more, delivery_id) for one in paper_ids for is_more in (True, False)
        ]
        tokens = self._signer.sign_many("vote", payloads)
        return list(zip(tokens[::2], tokens[1::2], strict=True))

    def read_vote(self, token: str) -> VoteLink | None:
        payload = self._signer.read("vote", token)
        if payload is None or len(payload) != 15:
            return None
        subscriber_id, paper, delivery_id = _fives(payload)
        return VoteLink(subscriber_id, paper >> 1, bool(paper & 1), delivery_id or None)

    def click(self, subscriber_id: int, paper_id: int, delivery_id: int | None = None) -> str:
        return self._signer.sign("click", _click_payload(subscriber_id, paper_id, delivery_id))

    def clicks(self, subscriber_id: int, paper_ids: Sequence[int], delivery_id: int | None = None) -> list[str]:
        return self._signer.sign_many("click", [_click_payload(subscriber_id, one, delivery_id) for one in paper_ids])

    def read_click(self, token: str) -> ClickLink | None:
        payload = self._signer.read("click", token)
        if payload is None or len(payload) != 15:
            return None
        subscriber_id, paper_id, delivery_id = _fives(payload)
        return ClickLink(subscriber_id, paper_id, delivery_id or None)

    def envelope_sender(self, delivery_id: int) -> str:
        """`b-<token>@<bounce domain>`, one signed return path per mail; its local part has 50 characters."""
        return f"b-{self._signer.sign_hex('bounce', delivery_id.to_bytes(7, 'big'))}@{self._bounce_domain}"

    def read_envelope_sender(self, address: str) -> int | None:
        """The delivery id of a return path, its case changed or not; None for any other address."""
        return self._read_address("b", "bounce", address)

    def unsubscribe_address(self, subscriber_id: int) -> str:
        """`u-<token>@<bounce domain>`: any mail to it unsubscribes, for mail programs that cannot post (RFC 2369)."""
        return (
            f"u-{self._signer.sign_hex('unsubscribe address', subscriber_id.to_bytes(7, 'big'))}@{self._bounce_domain}"
        )

    def read_unsubscribe_address(self, address: str) -> int | None:
        return self._read_address("u", "unsubscribe address", address)

    def _read_address(self, mark: str, purpose: str, address: str) -> int | None:
        local, _, domain = address.strip("<> ").lower().rpartition("@")
        if not local.startswith(mark + "-") or domain != self._bounce_domain.lower():
            return None
        payload = self._signer.read_hex(purpose, local[2:])
        return None if payload is None else int.from_bytes(payload, "big")

    def _sign_id(self, purpose: str, number: int) -> str:
        return self._signer.sign(purpose, number.to_bytes(7, "big"))

    def _read_id(self, purpose: str, token: str) -> int | None:
        payload = self._signer.read(purpose, token)
        return None if payload is None or len(payload) != 7 else int.from_bytes(payload, "big")

    def _sign_timed(self, purpose: str, subscriber_id: int, generation: int, issued_at: datetime) -> str:
        parts = (subscriber_id, 7), (generation, 4), (int(issued_at.timestamp()), 4)
        return self._signer.sign(purpose, b"".join(number.to_bytes(size, "big") for number, size in parts))

    def _read_timed(self, purpose: str, token: str) -> ConfirmLink | None:
        payload = self._signer.read(purpose, token)
        if payload is None or len(payload) != 15:
            return None
        subscriber_id, generation, issued = (
            int.from_bytes(part, "big") for part in (payload[:7], payload[7:11], payload[11:])
        )
        return ConfirmLink(subscriber_id, generation, datetime.fromtimestamp(issued, UTC))


def _vote_payload(subscriber_id: int, paper_id: int, is_more: bool, delivery_id: int | None) -> bytes:
    return _click_payload(subscriber_id, paper_id << 1 | is_more, delivery_id)


def _click_payload(subscriber_id: int, paper: int, delivery_id: int | None) -> bytes:
    return ((subscriber_id << 80) | (paper << 40) | (delivery_id or 0)).to_bytes(15, "big")


def _fives(payload: bytes) -> tuple[int, int, int]:
    number = int.from_bytes(payload, "big")
    return number >> 80, number >> 40 & 0xFFFFFFFFFF, number & 0xFFFFFFFFFF
