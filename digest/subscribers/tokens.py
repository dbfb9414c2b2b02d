"""What the links and return paths of a mail carry, and who may read it back: each kind of token in one place."""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from digest.subscribers.signer import Purpose, Signer, decoded, letters

CONFIRM_FOR = timedelta(hours=48)
UNDO_FOR = timedelta(days=30)
# The twelfth byte of every token longer than 32 letters. Its sixteenth letter is a 0 then, which no Bitcoin address has:
# spam filters look for 30 letters of one behind a hyphen or slash, and the first letter of a token is none either.
_MARK = 52


@dataclass(frozen=True, slots=True)
class ConfirmLink:
    subscriber_id: int
    generation: int
    issued_at: datetime

    def is_current(self, now: datetime) -> bool:
        return now < self.issued_at + CONFIRM_FOR


@dataclass(frozen=True, slots=True)
class VoteLink:
    """For a paper in a mail; `is_more` is more like this, else less."""

    subscriber_id: int
    delivery_id: int
    paper_id: int
    is_more: bool


@dataclass(frozen=True, slots=True)
class ClickLink:
    subscriber_id: int
    paper_id: int
    delivery_id: int


class MailLinks(NamedTuple):
    """The signed ends of the addresses in one mail, as letters that may stand in any URL (base64url).

    What follows /u/, /p/ and /e/ below PUBLIC_URL; `action` with its page (`c/...`) is where the one button of a letter
    leads. `vote` and the `vote_ending` of a paper follow /v/; "/" and the place of a reason (from 0) after those for less
    is that reason's "less of this". `clicks` follow /k/, one for each paper. `unsubscribe_address` takes any mail as an
    unsubscription, `return_path` takes the mail back.
    """

    unsubscribe: bytes
    preferences: bytes
    unsubscribe_address: bytes = b""
    return_path: str = ""
    edition: bytes = b""
    action: bytes = b""
    vote: bytes = b""
    clicks: Sequence[bytes] = ()


UNSUBSCRIBE, PREFERENCES, UNSUBSCRIBE_ADDRESS = (Purpose("reader", place) for place in range(3))
EDITION, BOUNCE = (Purpose("mail", place) for place in range(2))
CONFIRM, ADDRESS_CHANGE, UNDO = (Purpose(family) for family in ("confirm", "address change", "undo"))
CLICK, VOTE = Purpose("click"), "vote"
_VOTE_MAC = 15  # bytes: what stands before a vote's ending is whole groups of base64 then
VOTE_LETTERS = 36
_VOTE_ENDING, _PAD = 6, "AA"  # bytes; the two letters that they begin with, which the token leaves out


class Links:
    """What each kind of link carries. Tokens only: a page's address is PUBLIC_URL, its path (`/u/`) and the token.

    unsubscribe is 32 characters, the others are at most 43, and none looks like a Bitcoin address. Every `read_...` gives
    None for what was not signed here for that purpose. Ids: subscribers and deliveries below 2**40 in votes and clicks,
    papers below 2**35 in votes and 2**32 in clicks, 2**48 elsewhere.
    """

    def __init__(self, signer: Signer, bounce_domain: str = "") -> None:
        self._signer = signer
        self._bounce_domain = bounce_domain
        self._at_domain = b"@" + bounce_domain.encode()

    def of_mail(self, subscriber_id: int, delivery_id: int, clicked: Sequence[int] = (), action: str = "") -> MailLinks:
        """All links of a mail, from one seal for its reader, one for the mail and one for its votes.

        `clicked` are the ids of its papers where clicks are counted, `action` is the page and token of a letter's button.
        """
        signer = self._signer
        reader, mail = subscriber_id.to_bytes(7, "big"), delivery_id.to_bytes(7, "big")
        own, sent = signer.seal("reader", reader, 48), signer.seal("mail", mail, 32)
        reader, mail = signer.key_id + reader, signer.key_id + mail
        three = letters(reader + own[:16] + reader + own[16:32] + mail + sent[:16])
        return MailLinks(
            three[:32],
            three[32:64],
            b"u-" + hexlify(reader + own[32:]) + self._at_domain,
            f"b-{(mail + sent[16:]).hex()}@{self._bounce_domain}",
            three[64:],
            action.encode("ascii"),
            self._vote(subscriber_id, delivery_id),
            self.clicks(subscriber_id, clicked, delivery_id) if clicked else (),
        )

    def unsubscribe(self, subscriber_id: int) -> str:
        return self._sign_id(UNSUBSCRIBE, subscriber_id)

    def read_unsubscribe(self, token: str) -> int | None:
        return self._read_id(UNSUBSCRIBE, token)

    def preferences(self, subscriber_id: int) -> str:
        return self._sign_id(PREFERENCES, subscriber_id)

    def read_preferences(self, token: str) -> int | None:
        return self._read_id(PREFERENCES, token)

    def edition(self, delivery_id: int) -> str:
        return self._sign_id(EDITION, delivery_id)

    def read_edition(self, token: str) -> int | None:
        return self._read_id(EDITION, token)

    def confirm(self, subscriber_id: int, generation: int, issued_at: datetime) -> str:
        return self._sign_timed(CONFIRM, subscriber_id, generation, issued_at)

    def read_confirm(self, token: str) -> ConfirmLink | None:
        return self._read_timed(CONFIRM, token)

    def address_change(self, subscriber_id: int, generation: int, issued_at: datetime) -> str:
        return self._sign_timed(ADDRESS_CHANGE, subscriber_id, generation, issued_at)

    def read_address_change(self, token: str) -> ConfirmLink | None:
        return self._read_timed(ADDRESS_CHANGE, token)

    def undo(self, subscriber_id: int, issued_at: datetime) -> str:
        """Takes back an unsubscription within 30 days; stands on the page that says goodbye and in the mails of the end."""
        return self._sign_timed(UNDO, subscriber_id, 0, issued_at)

    def read_undo(self, token: str, now: datetime) -> int | None:
        link = self._read_timed(UNDO, token)
        return link.subscriber_id if link and now < link.issued_at + UNDO_FOR else None

    def vote(self, subscriber_id: int, delivery_id: int, paper_id: int, is_more: bool) -> str:
        return self._vote(subscriber_id, delivery_id).decode() + vote_ending(paper_id, is_more)

    def _vote(self, subscriber_id: int, delivery_id: int) -> bytes:
        """Key id, subscriber, mail, mark and their MAC: the right to vote in this mail, on whichever paper."""
        named = _named(subscriber_id, delivery_id)
        return letters(self._signer.key_id + named + self._signer.seal(VOTE, named, _VOTE_MAC))

    def read_vote(self, token: str) -> VoteLink | None:
        """Whether the paper is in the mail is for the caller to see: what names it is not signed."""
        sealed = decoded(token[:VOTE_LETTERS] + _PAD + token[VOTE_LETTERS:])
        if sealed is None or len(sealed) != 12 + _VOTE_MAC + _VOTE_ENDING:
            return None
        named, mac, ending = sealed[1:12], sealed[12:-_VOTE_ENDING], _number(sealed[-_VOTE_ENDING:])
        if not self._signer.is_mine(VOTE, sealed[:1], named, mac, 0):
            return None
        return VoteLink(_number(named[:5]), _number(named[5:10]), ending >> 1, bool(ending & 1))

    def clicks(self, subscriber_id: int, paper_ids: Sequence[int], delivery_id: int) -> list[bytes]:
        named = _named(subscriber_id, delivery_id)
        return [self._signer.sign(CLICK, named + one.to_bytes(4, "big")).encode() for one in paper_ids]

    def read_click(self, token: str) -> ClickLink | None:
        payload = self._signer.read(CLICK, token)
        if payload is None or len(payload) != 15:
            return None
        return ClickLink(_number(payload[:5]), _number(payload[11:]), _number(payload[5:10]))

    def envelope_sender(self, delivery_id: int) -> str:
        """`b-<token>@<bounce domain>`, one signed return path per mail; its local part has 50 characters."""
        return self._address("b", BOUNCE, delivery_id)

    def read_envelope_sender(self, address: str) -> int | None:
        """The delivery id of a return path, its case changed or not; None for any other address."""
        return self._read_address("b", BOUNCE, address)

    def unsubscribe_address(self, subscriber_id: int) -> str:
        """`u-<token>@<bounce domain>`: any mail to it unsubscribes, for mail programs that cannot post (RFC 2369)."""
        return self._address("u", UNSUBSCRIBE_ADDRESS, subscriber_id)

    def read_unsubscribe_address(self, address: str) -> int | None:
        return self._read_address("u", UNSUBSCRIBE_ADDRESS, address)

    def _address(self, mark: str, purpose: Purpose, number: int) -> str:
        return f"{mark}-{self._signer.sign_hex(purpose, number.to_bytes(7, 'big'))}@{self._bounce_domain}"

    def _read_address(self, mark: str, purpose: Purpose, address: str) -> int | None:
        local, _, domain = address.strip("<> ").lower().rpartition("@")
        if not local.startswith(mark + "-") or domain != self._bounce_domain.lower():
            return None
        payload = self._signer.read_hex(purpose, local[2:])
        return None if payload is None else _number(payload)

    def _sign_id(self, purpose: Purpose, number: int) -> str:
        return self._signer.sign(purpose, number.to_bytes(7, "big"))

    def _read_id(self, purpose: Purpose, token: str) -> int | None:
        payload = self._signer.read(purpose, token)
        return None if payload is None or len(payload) != 7 else _number(payload)

    def _sign_timed(self, purpose: Purpose, subscriber_id: int, generation: int, issued_at: datetime) -> str:
        parts = (subscriber_id, 6), (generation, 4), (_MARK, 1), (int(issued_at.timestamp()), 4)
        return self._signer.sign(purpose, b"".join(number.to_bytes(size, "big") for number, size in parts))

    def _read_timed(self, purpose: Purpose, token: str) -> ConfirmLink | None:
        payload = self._signer.read(purpose, token)
        if payload is None or len(payload) != 15:
            return None
        issued_at = datetime.fromtimestamp(_number(payload[11:]), UTC)
        return ConfirmLink(_number(payload[:6]), _number(payload[6:10]), issued_at)


def vote_ending(paper_id: int, is_more: bool) -> str:
    """What turns the votes' token of a mail into that of one paper: six letters, the same in the mails of all readers."""
    ending = letters((paper_id << 1 | is_more).to_bytes(_VOTE_ENDING, "big")).decode()
    if not ending.startswith(_PAD):
        raise OverflowError(f"{paper_id} is too large for the id of a paper")
    return ending.removeprefix(_PAD)


def _named(subscriber_id: int, delivery_id: int) -> bytes:
    """A reader and a mail, five bytes each, and the mark."""
    return (subscriber_id << 48 | delivery_id << 8 | _MARK).to_bytes(11, "big")


def _number(payload: bytes) -> int:
    return int.from_bytes(payload, "big")
