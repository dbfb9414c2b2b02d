"""A page of claimed mails becomes envelopes: what they share is made once, each mail by joining bytes."""

from __future__ import annotations

from collections.abc import Sequence

from digest.delivery import ledger
from digest.delivery.feed import Make
from digest.delivery.links import message_id, of_letter
from digest.delivery.smtp import Envelope
from digest.editions import store
from digest.editions.edition import Edition
from digest.install import Install


def prepare(install: Install, claims: Sequence[ledger.Claim]) -> Make:
    """What the mails of a page share, made once: their editions, and every paper rendered, inlined and encoded."""
    install.stock.refresh()
    ids = [claim.id for claim in claims if claim.dated_on is not None]
    editions = store.load_editions(install.engine, ids, install.stock.papers, install.stock.picks)
    sheet, unfit = install.stock.sheet({claim.language for claim in claims})
    links, domain, signer = install.links, install.settings.from_domain, install.dkim
    is_tracking = install.settings.click_tracking

    def make(claim: ledger.Claim) -> Envelope:
        id, edition = message_id(claim, domain), editions.get(claim.id)
        to, language, at = claim.email, claim.language, claim.mailed_at
        if edition is None:
            own = of_letter(links, claim)
            data = install.renderer.letter(claim.mail, to, claim.context, language, own, id, at)
        elif not edition.picks:
            own = links.of_mail(claim.subscriber_id, claim.id)
            data = install.renderer.quiet(edition, to, language, own, id, at)
        else:
            if unfit:
                edition = _without(unfit, edition)
            clicked = [pick.paper.id for pick in edition.picks] if is_tracking else ()
            own = links.of_mail(claim.subscriber_id, claim.id, clicked)
            data = sheet.fill(edition, to, language, own, id, at)
        if signer is not None:
            data = signer.sign(data, at, is_canonical=True)
        # Every mail of the renderer is quoted-printable without a dot at the start of a line.
        return Envelope(claim.id, own.return_path, to, data, is_stuffed=True)

    return make


def _without(paper_ids: set[int], edition: Edition) -> Edition:
    """Without the papers that cannot be rendered."""
    return edition._replace(picks=tuple(pick for pick in edition.picks if pick.paper.id not in paper_ids))
