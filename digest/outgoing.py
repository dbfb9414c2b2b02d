"""A page of claimed mails becomes envelopes: what they share is made once, each mail by joining bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from digest.delivery import ledger
from digest.delivery.links import message_id
from digest.delivery.send import Make
from digest.delivery.smtp import Envelope
from digest.editions import store
from digest.editions.edition import Edition, Kind
from digest.install import Install
from digest.rendering.sheet import Sheet


def prepare(install: Install, claims: Sequence[ledger.Claim]) -> Make:
    """What the mails of a page share, made once: their editions, and every paper rendered, inlined and encoded."""
    install.stock.refresh()
    ids = [claim.id for claim in claims if claim.dated_on is not None]
    frozen = store.load_editions(install.engine, ids, install.stock.papers)
    editions, sheet = _sheet(install, frozen, {claim.language for claim in claims})
    domain, signer = install.settings.from_domain, install.dkim

    def make(claim: ledger.Claim) -> Envelope:
        id, edition = message_id(claim, domain), editions.get(claim.id)
        if edition is None:
            links = install.addresses.of_letter(claim)
            data = install.renderer.letter(
                claim.mail, claim.email, claim.context, claim.language, links, id, claim.mailed_at
            )
        elif edition.kind is Kind.QUIET or sheet is None:
            data = install.renderer.quiet(
                edition, claim.email, claim.language, install.addresses.of_digest(edition), id, claim.mailed_at
            )
        else:
            links = install.addresses.of_digest(edition, install.settings.click_tracking)
            data = sheet.fill(edition, claim.email, claim.language, links, id, claim.mailed_at)
        if signer is not None:
            data = signer.sign(data, claim.mailed_at, is_canonical=True)
        # Every mail of the renderer is quoted-printable without a dot at the start of a line.
        return Envelope(claim.id, install.links.envelope_sender(claim.id), claim.email, data, is_stuffed=True)

    return make


def _sheet(
    install: Install, editions: Mapping[int, Edition], languages: set[str]
) -> tuple[Mapping[int, Edition], Sheet | None]:
    """The papers of these editions, rendered; a paper that cannot be is left out of the editions that have it."""
    papers = {pick.paper.id: pick.paper for edition in editions.values() for pick in edition.picks}
    if not papers:
        return editions, None
    sheet, spoilt = install.stock.sheet(papers.values(), languages)
    if spoilt.isdisjoint(papers):
        return editions, sheet
    return {id: _without(edition, spoilt) for id, edition in editions.items()}, sheet


def _without(edition: Edition, paper_ids: set[int]) -> Edition:
    return replace(edition, picks=tuple(pick for pick in edition.picks if pick.paper.id not in paper_ids))
