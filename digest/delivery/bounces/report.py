"""Puts a returned mail into one of its forms and says what it means for each recipient."""

from dataclasses import dataclass, replace

from digest.delivery.bounces import complaint, origin, prose
from digest.delivery.bounces.bounce import Bounce, Kind
from digest.delivery.bounces.mail import Mail, first, read_fields, read_mail
from digest.delivery.bounces.status_report import Row, has_status_part, status_rows
from digest.delivery.bounces.verdict import call_recipient, is_host_without_mail, judge, quoted_reply, status_of

REASON_CHARS = 200
_GRAVITY = (Kind.HARD, Kind.SOFT)


@dataclass(frozen=True, slots=True)
class _Returned:
    """A mail with the two things every form needs: the server's words, and the header of the mail that came back."""

    mail: Mail
    words: str
    head: str

    def bounce(self, kind: Kind, recipient: str | None, status: str | None, reason: str) -> Bounce:
        fields = read_fields(self.head)
        return Bounce(
            kind=kind,
            recipient=recipient,
            status=status,
            reason=" ".join(reason.split()).lstrip(" :;,.-<>()[]|*")[:REASON_CHARS],
            to=origin.sent_to(self.mail),
            return_path=next(iter(prose.addresses_in(first(fields, "return-path"))), None),
            original_message_id=origin.original_id(self.mail, fields),
        )


def parse(raw: bytes) -> list[Bounce]:
    """One Bounce per recipient that a mail reports on; an empty list for every mail that is no bounce.

    Never raises for any bytes. Reports of success, read receipts, authentication reports, "not spam" and bounces that
    a person forwards give an empty list.
    """
    mail = read_mail(raw)
    return _parse_wrapped(mail) or _parse(mail)


def sent_to(raw: bytes) -> tuple[str, ...]:
    """The addresses that any mail was sent to, most reliable first."""
    return origin.sent_to(read_mail(raw))


def _parse_wrapped(mail: Mail) -> list[Bounce]:
    """The bounce inside a bounce: scanning gateways pack the report of the server behind them into their own."""
    inner = origin.returned_mail(mail)
    if inner is None or has_status_part(mail.parts) or origin.is_forwarded(mail) or not origin.is_report(inner):
        return []
    tells_nobody = not prose.find(origin.server_words(mail), origin.own_addresses(mail))
    if not (origin.is_report(mail) or (origin.is_from_server(mail) and tells_nobody)):
        return []
    return [replace(bounce, to=(*origin.sent_to(mail), *bounce.to)) for bounce in _parse(inner)]


def _parse(mail: Mail) -> list[Bounce]:
    returned = _Returned(mail, origin.server_words(mail), origin.returned_head(mail))
    kind = complaint.feedback_type(mail)
    if kind is not None:
        return _complaints(returned, kind)
    if origin.is_receipt(mail) or origin.is_forwarded(mail):
        return []
    if origin.is_from_server(mail) or has_status_part(mail.parts):
        bounces = _reported(returned) if (rows := status_rows(mail.parts)) else []
        if bounces or any(row.is_done for row in rows):
            return bounces
    if origin.is_from_server(mail) and origin.tells_failure(mail, returned.words):
        return _told(returned)
    if origin.is_automatic_reply(mail):
        sender = next(iter(prose.addresses_in(mail.first("from"))), None)
        return [returned.bounce(Kind.AUTO_REPLY, sender, None, returned.words)]
    return []


def _complaints(returned: _Returned, kind: str) -> list[Bounce]:
    if not complaint.is_complaint(kind):
        return []
    who: list[str | None] = [*complaint.complainers(returned.mail, returned.head)]
    return [returned.bounce(Kind.COMPLAINT, address, None, kind) for address in who or [None]]


def _reported(returned: _Returned) -> list[Bounce]:
    """The recipients of a delivery status part that did not get the mail, the gravest word about each."""
    rows = [row for row in status_rows(returned.mail.parts) if not row.is_done]
    told = prose.find(returned.words, origin.own_addresses(returned.mail))
    by_address: dict[str | None, Bounce] = {}
    for row in rows:
        bounce = _of_row(returned, row, told, is_only=len(rows) == 1)
        key = bounce.recipient and bounce.recipient.lower()
        known = by_address.get(key)
        if known is None or _GRAVITY.index(bounce.kind) < _GRAVITY.index(known.kind):
            by_address[key] = bounce
    return list(by_address.values())


def _of_row(returned: _Returned, row: Row, told: list[prose.Finding], is_only: bool) -> Bounce:
    own = {address.lower() for address in row.addresses}
    words = next((one.words for one in told if one.address.lower() in own), "")
    recipient = row.addresses[0] if row.addresses else _only_recipient(returned, told) if is_only else None
    said = row.words or words or (returned.words if is_only else "")
    status = status_of(row.status, row.words or words)
    return returned.bounce(_kind_of_row(row, status, words, said), recipient, status, said)


def _kind_of_row(row: Row, status: str | None, words: str, said: str) -> Kind:
    """Without words of the other server the report's own code goes first, as it was chosen by who knew the words."""
    if row.is_delayed:
        return Kind.HARD if is_host_without_mail(said) else Kind.SOFT
    if row.is_program:
        return Kind.SOFT
    of_code = None if row.words else judge(status_of(row.status, ""), "")
    recipient = row.addresses[0] if row.addresses else None
    return of_code or _first_verdict(status, [row.words, quoted_reply(words), words, said], words, recipient)


def _first_verdict(status: str | None, sayings: list[str], around: str, recipient: str | None) -> Kind:
    """The verdict on the first words that tell anything; soft where none do and the code says nothing."""
    told = (judge(status, call_recipient(said, recipient), around) for said in sayings if said.strip())
    return next((kind for kind in told if kind is not None), None) or judge(status, "") or Kind.SOFT


def _only_recipient(returned: _Returned, told: list[prose.Finding]) -> str | None:
    """Whom a report is about that does not say so in its fields."""
    named = prose.addresses_in(returned.mail.first("x-failed-recipients"))
    named = named or [one.address for one in told] or prose.addresses_in(first(read_fields(returned.head), "to")[:2000])
    foreign = [address for address in named if address.lower() not in origin.own_addresses(returned.mail)]
    return foreign[0] if len(foreign) == 1 else None


def _told(returned: _Returned) -> list[Bounce]:
    """The recipients that a server names in its own words."""
    mail, words = returned.mail, returned.words
    told = prose.find(words, origin.own_addresses(mail))
    failed = prose.addresses_in(mail.first("x-failed-recipients") or mail.first("x-bounced-address"))
    if failed:
        wanted = list(dict.fromkeys(failed))[: prose.MOST_ADDRESSES]
        by_address = {one.address.lower(): one for one in told}
        told = [by_address.get(one.lower(), prose.Finding(one, words, True)) for one in wanted]
    told = told or prose.find_names(words, origin.sender_domain(mail))
    if not told:
        only = _only_recipient(returned, [])
        return [_of_words(returned, only, words, words)] if only else []
    around = words if len(told) == 1 else prose.heading(words, told[0].address)
    return [_of_words(returned, one.address, one.words, around) for one in told]


def _of_words(returned: _Returned, recipient: str, about: str, around: str) -> Bounce:
    status = status_of("", about) or status_of("", around)
    if origin.is_warning(returned.mail, returned.words):
        return returned.bounce(Kind.SOFT, recipient, status, about)
    whole = prose.before_returned_mail(around)
    sayings = [quoted_reply(about), quoted_reply(whole), about, whole]
    kind = _first_verdict(status, sayings, f"{about}\n{whole}", recipient)
    return returned.bounce(kind, recipient, status, about.replace(recipient, " ", 1))
