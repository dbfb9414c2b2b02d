"""The links of a mail and its name: what one delivery has to itself."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache

from digest.db.tables import Mail
from digest.delivery.ledger import Claim
from digest.subscribers.tokens import Links, MailLinks


def of_letter(links: Links, claim: Claim) -> MailLinks:
    """For a mail that answers something a person did; its one button leads where that mail is about."""
    return links.of_mail(claim.subscriber_id, claim.id, action=_action(links, claim))


def _action(links: Links, claim: Claim) -> str:
    """Page and token."""
    reader, at = claim.subscriber_id, claim.mailed_at
    match claim.mail:
        case Mail.CONFIRM:
            return "c/" + links.confirm(reader, _generation(claim), at)
        case Mail.ADDRESS_CHANGE:
            return "a/" + links.address_change(reader, _generation(claim), at)
        case Mail.GOODBYE | Mail.STOPPED:
            return "u/" + links.undo(reader, at)
    return "p/" + links.preferences(reader)


def _generation(claim: Claim) -> int:
    return int(claim.context.get("generation", 0))


def message_id(claim: Claim, domain: str) -> str:
    """The same for every try, and after a restore from a backup: from what the mail is, not from its row's number."""
    return f"<{_name(claim, claim.mailed_at)}@{domain}>"


@lru_cache(maxsize=64)  # the same few days in all mails
def _day(on: date) -> str:
    return f"{on:%Y%m%d}"


def _name(claim: Claim, at: datetime) -> str:
    if claim.dated_on is not None:
        return f"{_day(claim.dated_on)}.{claim.subscriber_id}"
    return f"{claim.mail}.{claim.subscriber_id}.{at:%Y%m%d%H%M%S%f}"
