from __future__ import annotations

import pytest

from digest.db.tables import deliveries
from digest.delivery import ledger
from digest.subscribers.signer import Signer
from digest.subscribers.tokens import Links
from digest.web import subscriptions
from tests.builders import NOW, TODAY, add_subscriber
from tests.integration.web.conftest import World, site_settings


def signed_links() -> Links:
    return Links(Signer([site_settings().secret_key.get_secret_value().encode()]))


@pytest.mark.parametrize(("is_claimed", "waits"), [(True, 1), (False, 0)])
def test_it_answers_an_unsubscription_only_when_no_mail_can_begin(
    world: World, monkeypatch: pytest.MonkeyPatch, is_claimed: bool, waits: int
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(subscriptions.time, "sleep", slept.append)
    engine, links = world.engine, signed_links()
    with engine.begin() as connection:
        reader = add_subscriber(connection)
        row = {"subscriber_id": reader, "mail": "digest", "dated_on": TODAY, "status": "waiting", "planned_at": NOW}
        connection.execute(deliveries.insert().values(row | {"next_try_at": NOW, "mailed_at": NOW}))
    if is_claimed:
        assert len(ledger.claim(engine, "w", NOW, 10)) == 1
    answer = world.client.post(f"/u/{links.unsubscribe(reader)}", data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert len(slept) == waits
    assert all(seconds >= subscriptions.FRESH_SECONDS for seconds in slept)
    with engine.connect() as connection:
        assert ledger.willing(connection, [reader]) == set()
