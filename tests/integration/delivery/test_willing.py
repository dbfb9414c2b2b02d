from __future__ import annotations

import pytest
from sqlalchemy import Engine, update

from digest.db.tables import subscribers
from digest.delivery import ledger
from tests.builders import add_subscriber


@pytest.mark.parametrize(
    ("status", "digests", "letters"),
    [("active", True, True), ("unsubscribed", False, True), ("paused", False, True), ("suppressed", False, False)],
)
def test_it_knows_who_may_have_mail_now(engine: Engine, status: str, digests: bool, letters: bool) -> None:
    with engine.begin() as connection:
        ann, bob = (add_subscriber(connection, f"{name}@example.org") for name in ("ann", "bob"))
        connection.execute(update(subscribers).where(subscribers.c.id == bob).values(status=status))
        gone = bob + 1
        assert ledger.willing(connection, [ann, bob]) == {ann} | ({bob} if digests else set())
        assert ledger.willing(connection, [ann, bob], letters=True) == {ann} | ({bob} if letters else set())
        assert ledger.willing(connection, [ann, gone]) == {ann}
        assert ledger.willing(connection, [ann, ann]) == {ann}
