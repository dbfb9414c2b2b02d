from __future__ import annotations

from digest.rendering.desk import HOLE, Desk
from digest.rendering.pages import Pages
from digest.settings import data_root
from digest.subscribers.tokens import VOTE_LETTERS
from tests.unit.rendering.samples import SENDER, a_paper, an_edition


def test_it_counts_the_tokens_in_what_a_reason_takes() -> None:
    desk, edition = Desk(SENDER, Pages(data_root() / "templates" / "email"), "en"), an_edition(a_paper(1))
    (tile,) = desk.tiles(edition.picks, edition.dated_on)
    rows = b"".join(desk.rows(tile.fragment, tile.pick, 1, edition.dated_on)[0])
    assert HOLE in rows
    taken = desk.sizes(tile, edition.dated_on).full - tile.fragment.sizes.full
    assert taken == len(rows.replace(HOLE, b"v" * VOTE_LETTERS))
