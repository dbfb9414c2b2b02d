from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from werkzeug.test import TestResponse

from digest.db.tables import Mail, consents, deliveries, subscribers
from digest.feedback import partings
from digest.subscribers.tokens import UNDO_FOR, Links
from digest.web.site import KEY
from tests.builders import NOW, TODAY, add_subscriber, list_paper
from tests.integration.web.conftest import World, site_settings

TOKEN = re.compile(r'name="form" value="([^"]*)"')


def links(world: World) -> Links:
    found: Links = world.app.extensions[KEY].links
    return found


def ask(world: World, email: str = "ann@example.org", *, seconds: float = 10, **fields: str) -> TestResponse:
    """Open the form, take some time, send it."""
    token = TOKEN.search(world.client.get("/subscribe").text)
    assert token
    world.pass_time(seconds=seconds)
    return world.client.post("/subscribe", data={"form": token[1], "email": email} | fields)


def mails(world: World) -> list[str]:
    return [row.mail for row in world.rows(select(deliveries.c.mail).order_by(deliveries.c.id))]


def status(world: World, email: str = "ann@example.org") -> str | None:
    found = world.rows(select(subscribers.c.status).where(subscribers.c.email == email))
    return found[0].status if found else None


def confirm_link(world: World, subscriber_id: int, generation: int = 0) -> str:
    return f"/c/{links(world).confirm(subscriber_id, generation, world.now)}"


def unsubscribe_link(world: World, subscriber_id: int) -> str:
    return f"/u/{links(world).unsubscribe(subscriber_id)}"


def test_it_takes_the_longest_topics_that_the_field_holds(world: World) -> None:
    [allowed] = re.findall(r'name="topics" type="text" value="" maxlength="(\d+)"', world.client.get("/subscribe").text)
    topics = ",".join(["漢" * 79] * 12)[: int(allowed)]
    assert ask(world, topics=topics).status_code == 200
    assert world.client.post("/subscribe", data={"topics": "漢" * 2_000}).status_code == 413


def test_it_takes_a_request_and_writes_one_mail(world: World) -> None:
    answer = ask(world, topics="robots, video diffusion", cadence="daily", hour="6", timezone="Europe/Berlin", size="5")
    assert answer.status_code == 200
    assert "Check your inbox" in answer.text
    assert mails(world) == [Mail.CONFIRM]
    assert world.nudged == ["letters"]
    row = world.rows(select(subscribers))[0]
    assert (row.status, row.topics, row.cadence, row.hour, row.timezone, row.size) == (
        "pending", ["robots", "video diffusion"], "daily", 6, "Europe/Berlin", 5,
    )  # fmt: skip
    consent = world.rows(select(consents))[0]
    assert "as often as you choose" in consent.wording
    assert "127.0.0.1" not in consent.client


def test_it_takes_the_request_of_a_program_without_a_form(world: World) -> None:
    assert world.client.post("/subscribe", data={"email": "ann@example.org"}).status_code == 200
    assert mails(world) == [Mail.CONFIRM]


@pytest.mark.parametrize(
    "email",
    ["", "ann", "ann@", "a b@example.org", '"><script>alert(1)</script>', "a@example.org\r\nBcc: b@example.org"],
)
def test_it_explains_what_is_wrong_with_an_address(world: World, email: str) -> None:
    answer = ask(world, email)
    assert answer.status_code == 400
    assert "Please check" in answer.text
    assert "<script" not in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert mails(world) == []


def test_it_asks_once_more_when_a_form_comes_too_fast(world: World) -> None:
    answer = ask(world, seconds=0.5)
    assert "One more click" in answer.text
    assert mails(world) == []
    again = TOKEN.search(answer.text)
    assert again
    world.pass_time(seconds=2)
    world.client.post("/subscribe", data={"form": again[1], "email": "ann@example.org"})
    assert mails(world) == [Mail.CONFIRM]


def test_it_lets_a_machine_in_the_trap_believe(world: World) -> None:
    trapped = ask(world, "bob@example.org", website="https://spam.example")
    assert mails(world) == []
    assert trapped.text == ask(world).text


def test_it_answers_alike_for_every_state_of_an_address(world: World) -> None:
    for state in ("pending", "active", "paused", "unsubscribed", "suppressed"):
        world.stored(add_subscriber, f"{state}@example.org", status=state)
    answers = []
    for state in ("new", "pending", "active", "paused", "unsubscribed", "suppressed"):
        answer = ask(world, f"{state}@example.org")
        headers = {name: value for name, value in answer.headers if name != "Date"}
        answers.append((answer.status_code, headers, answer.data))
    assert all(answer == answers[0] for answer in answers)


def test_it_mails_one_address_once_however_often_it_is_asked_for(world: World) -> None:
    codes = {ask(world).status_code for _ in range(15)}
    assert codes <= {200, 429}
    assert mails(world) == [Mail.CONFIRM]


def test_it_stops_one_client_after_twenty_addresses(world: World) -> None:
    answers = [ask(world, f"reader{n}@example.org", seconds=3) for n in range(25)]
    assert [answer.status_code for answer in answers].count(200) == 20
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert "That was too often" in answers[-1].text
    assert len(mails(world)) == 20


def test_it_counts_the_peer_whatever_it_claims_to_forward(world: World) -> None:
    for n in range(30):
        world.client.post(
            "/subscribe", data={"email": f"r{n}@example.org"}, headers={"X-Forwarded-For": f"203.0.113.{n}"}
        )
    assert len(mails(world)) == 10


def test_it_counts_clients_apart_behind_a_trusted_proxy(engine: Engine) -> None:
    world = World(engine, site_settings(trusted_proxies=("127.0.0.0/8",)))
    for n in range(30):
        world.client.post(
            "/subscribe", data={"email": f"r{n}@example.org"}, headers={"X-Forwarded-For": f"203.0.113.{n}"}
        )
    assert len(mails(world)) == 30


def test_it_works_on_without_redis(engine: Engine) -> None:
    world = World(engine, site_settings(broker_url="redis://127.0.0.1:1/0"))
    assert [ask(world, f"r{n}@example.org").status_code for n in range(21)].count(200) == 20


def test_it_refuses_a_form_from_another_site(world: World) -> None:
    evil = {"Origin": "https://evil.example"}
    assert world.client.post("/subscribe", data={"email": "ann@example.org"}, headers=evil).status_code == 403
    assert (
        world.client.post(
            "/subscribe", data={"email": "ann@example.org"}, headers={"Sec-Fetch-Site": "cross-site"}
        ).status_code
        == 403
    )
    assert mails(world) == []


def test_it_confirms_by_post_only_and_any_number_of_times(world: World) -> None:
    reader = world.stored(add_subscriber, status="pending", confirmed_at=None)
    link = confirm_link(world, reader)
    for answer in (world.client.get(link), world.client.head(link)):
        assert answer.status_code == 200
        assert status(world) == "pending"
    assert "<button>Yes, send me papers</button>" in world.client.get(link).text
    first = world.client.post(link)
    assert "You are in" in first.text
    assert status(world) == "active"
    assert world.nudged == ["plan"]
    assert world.client.post(link).text == first.text
    assert mails(world) == [Mail.WELCOME]


def test_it_drops_a_request_that_was_not_the_persons(world: World) -> None:
    reader = world.stored(add_subscriber, status="pending", confirmed_at=None)
    link = confirm_link(world, reader)
    assert "dropped" in world.client.post(link, data={"do": "reject"}).text
    assert world.client.post(link).status_code == 404
    assert status(world) != "active"


def test_it_says_when_a_confirmation_comes_too_late(world: World) -> None:
    reader = world.stored(add_subscriber, status="pending", confirmed_at=None)
    link = confirm_link(world, reader)
    world.pass_time(hours=49)
    answer = world.client.post(link)
    assert answer.status_code == 410
    assert 'href="/subscribe"' in answer.text


@pytest.mark.parametrize("page", ["c", "u", "a"])
def test_it_knows_no_token_that_it_did_not_make(world: World, page: str) -> None:
    reader = world.stored(add_subscriber, status="pending", confirmed_at=None)
    good = links(world).confirm(reader, 0, NOW)
    for token in (
        "x",
        good[:-1],
        good[:-2] + "AA",
        good + "A",
        "%00",
        "a" * 3000,
        "..%2f..",
        "<script>",
        links(world).preferences(reader),
    ):
        for answer in (world.client.get(f"/{page}/{token}"), world.client.post(f"/{page}/{token}")):
            assert answer.status_code in (400, 404, 414)
            assert "<script" not in answer.text
    assert world.client.post(f"/{page}/").status_code == 404
    assert status(world) == "pending"


def test_it_unsubscribes_by_post_only(world: World) -> None:
    reader = world.stored(add_subscriber)
    link = unsubscribe_link(world, reader)
    assert len(link) == 3 + 32
    for answer in (world.client.get(link), world.client.head(link)):
        assert (answer.status_code, status(world)) == (200, "active")
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer.headers["Cache-Control"]
    answer = world.client.post(link)
    assert "You are unsubscribed" in answer.text
    assert status(world) == "unsubscribed"
    assert mails(world) == [Mail.GOODBYE]


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"List-Unsubscribe": "One-Click"}},
        {"data": b"List-Unsubscribe=One-Click", "content_type": "text/plain"},
        {"data": {"List-Unsubscribe": "One-Click"}, "content_type": "multipart/form-data"},
        {
            "data": {"List-Unsubscribe": "One-Click"},
            "headers": {"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site"},
        },
    ],
)
def test_it_takes_one_click_from_mail_programs(world: World, body: dict[str, Any]) -> None:
    reader = world.stored(add_subscriber)
    for _ in range(3):
        answer = world.client.post(unsubscribe_link(world, reader), **body)
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
        assert "Location" not in answer.headers
        assert status(world) == "unsubscribed"
    assert mails(world) == []
    assert world.rows(select(func.count()).select_from(consents).where(consents.c.event == "unsubscribed"))[0][0] == 1
    unknown = world.client.post("/u/" + "A" * 32, **body)
    assert (unknown.status_code, unknown.data) == (200, answer.data)


def test_it_answers_503_to_one_click_only_when_we_failed(world: World) -> None:
    away = World(world.engine, site_settings())
    broken = site_settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none")
    from digest.web import create_app  # the same links, no database

    client = create_app(broken, clock=lambda: NOW).test_client()
    assert client.post(unsubscribe_link(away, 1), data={"List-Unsubscribe": "One-Click"}).status_code == 503


@pytest.mark.parametrize(
    ("choice", "then"), [("", ("active", "daily")), ("weekly", ("active", "weekly")), ("pause", ("paused", "daily"))]
)
def test_it_undoes_and_offers_less_mail_instead(world: World, choice: str, then: tuple[str, str]) -> None:
    reader = world.stored(add_subscriber)
    page = world.client.post(unsubscribe_link(world, reader)).text
    action = re.search(r'action="(/u/[^"]+)"', page)
    assert action
    assert "Undo" in world.client.get(action[1]).text
    assert status(world) == "unsubscribed"
    assert "Welcome back" in world.client.post(action[1], data={"do": choice}).text
    row = world.rows(select(subscribers))[0]
    assert (row.status, row.cadence) == then


def test_it_lets_an_undo_lapse(world: World) -> None:
    reader = world.stored(add_subscriber)
    page = world.client.post(unsubscribe_link(world, reader)).text
    action = re.search(r'action="(/u/[^"]+)"', page)
    assert action
    world.now += UNDO_FOR
    assert world.client.post(action[1]).status_code == 404
    assert status(world) == "unsubscribed"


def test_it_moves_a_subscription_to_a_confirmed_address(world: World) -> None:
    reader = world.stored(add_subscriber, pending_email="bob@example.org", generation=3)
    link = f"/a/{links(world).address_change(reader, 3, NOW)}"
    assert world.client.get(link).status_code == 200
    assert status(world) == "active"
    assert "Your address is changed" in world.client.post(link).text
    assert status(world, "bob@example.org") == "active"
    assert status(world) is None


def test_it_keeps_links_working_over_a_change_of_the_secret_key(engine: Engine) -> None:
    old = World(engine, site_settings())
    reader = old.stored(add_subscriber)
    link = unsubscribe_link(old, reader)
    new = World(
        engine,
        site_settings().model_copy(
            update={
                "secret_key": type(old.settings.secret_key)("n" * 40),
                "secret_keys_old": (old.settings.secret_key,),
            }
        ),
    )
    new.now += timedelta(days=900)
    assert "Unsubscribe" in new.client.get(link).text
    new.client.post(link, data={"List-Unsubscribe": "One-Click"})
    assert status(new) == "unsubscribed"


def test_it_writes_no_token_and_no_address_into_the_log(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.stored(list_paper, "2606.00001", on=TODAY)
    reader = world.stored(add_subscriber, "cleo@example.org")
    link = unsubscribe_link(world, reader)
    ask(world, "ann@example.org")
    world.client.get(link)
    world.client.post(link)
    world.client.get(link + "/x")
    said = capsys.readouterr().out
    assert "/u/<token>" in said
    assert link[3:] not in said
    assert "example.org" not in said


def test_it_counts_why_somebody_left_and_nothing_else(world: World) -> None:
    reader = world.stored(add_subscriber)
    page = world.client.post(unsubscribe_link(world, reader)).text
    assert "Why, if you care to say?" in page
    undo = f"/u/{links(world).undo(reader, world.now)}"
    for reason in ("too_many", "too_many", "other"):
        assert "Thank you" in world.client.post(undo, data={"do": "why", "reason": reason}).text
    assert "Thank you" in world.client.post(undo, data={"do": "why", "reason": "<script>"}).text
    assert status(world) == "unsubscribed"
    with world.engine.connect() as connection:
        assert partings.counts(connection) == {"too_many": 1, "not_relevant": 0, "never_asked": 0, "other": 0}
