"""The addresses that stand in one reader's mail, signed."""

from __future__ import annotations

from datetime import datetime

from digest.db.tables import Mail
from digest.delivery.ledger import Claim
from digest.editions.edition import Edition
from digest.rendering.view import Links
from digest.subscribers import tokens


class Addresses:
    """Makes addresses below `public_url` from signed tokens."""

    def __init__(self, public_url: str, signed: tokens.Links) -> None:
        self._url, self._signed = public_url, signed

    def of_digest(self, edition: Edition, is_tracking: bool = False) -> Links:
        """For one edition: votes and clicks carry the reader, the paper and the mail."""
        reader, signed = edition.subscriber_id, self._signed
        return Links(
            preferences=self._at("p", signed.preferences(reader)),
            unsubscribe=self._at("u", signed.unsubscribe(reader)),
            unsubscribe_address=signed.unsubscribe_address(reader),
            edition=self._at("e", signed.edition(edition.id)),
            votes=lambda paper_ids: signed.votes(reader, paper_ids, edition.id),
            clicks=(lambda paper_ids: signed.clicks(reader, paper_ids, edition.id)) if is_tracking else None,
        )

    def of_letter(self, claim: Claim) -> Links:
        """For a mail that answers something a person did; its one button leads where that mail is about."""
        return Links(
            preferences=self._at("p", self._signed.preferences(claim.subscriber_id)),
            unsubscribe=self._at("u", self._signed.unsubscribe(claim.subscriber_id)),
            action=self._action(claim),
        )

    def _action(self, claim: Claim) -> str:
        reader, at = claim.subscriber_id, claim.mailed_at
        match claim.mail:
            case Mail.CONFIRM:
                return self._at("c", self._signed.confirm(reader, self._generation(claim), at))
            case Mail.ADDRESS_CHANGE:
                return self._at("a", self._signed.address_change(reader, self._generation(claim), at))
            case Mail.GOODBYE | Mail.STOPPED:
                return self._at("u", self._signed.undo(reader, at))
        return self._at("p", self._signed.preferences(reader))

    def _generation(self, claim: Claim) -> int:
        return int(claim.context.get("generation", 0))

    def _at(self, page: str, token: str) -> str:
        return f"{self._url}/{page}/{token}"


def message_id(claim: Claim, domain: str) -> str:
    """The same for every try, and after a restore from a backup: from what the mail is, not from its row's number."""
    return f"<{_name(claim, claim.mailed_at)}@{domain}>"


def _name(claim: Claim, at: datetime) -> str:
    if claim.dated_on is not None:
        return f"{claim.dated_on:%Y%m%d}.{claim.subscriber_id}"
    return f"{claim.mail}.{claim.subscriber_id}.{at:%Y%m%d%H%M%S%f}"
