from __future__ import annotations

import io
import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select

from digest.db.tables import Mail, bounces, clicks, consents, deliveries, editions, metadata, subscribers, votes
from digest.subscribers.preferences import MAX_LETTERS, MOST
from tests.builders import NOW, add_digest, add_edition, add_subscriber, list_paper
from tests.integration.web.conftest import World
from tests.integration.web.test_subscriptions import links, mails


def page_of(world: World, reader: int) -> str:
    return f"/p/{links(world).preferences(reader)}"


@pytest.fixture
def reader(world: World) -> int:
    return int(world.stored(add_subscriber, topics=["robots"], due_at=NOW + timedelta(days=1)))


def test_it_shows_what_a_reader_gets_and_when(world: World, reader: int) -> None:
    world.stored(list_paper, "2606.00001", title="Robots that walk")
    page = world.client.get(page_of(world, reader)).text
    assert "The next one comes Wednesday, June 10, 07:00 (UTC)." in page
    assert ">robots</textarea>" in page
    assert "Robots that walk" in page


def test_it_stores_a_change_and_nothing_else(world: World, reader: int) -> None:
    answer = world.client.post(
        page_of(world, reader), data={"topics": "video, agents", "hour": "18", "cadence": "weekly", "size": "20"}
    )
    assert (answer.status_code, answer.location) == (303, page_of(world, reader) + "?did=saved")
    assert "Saved." in world.client.get(answer.location).text
    row = world.rows(select(subscribers))[0]
    assert (row.topics, row.hour, row.cadence, row.size, row.timezone) == (["video", "agents"], 18, "weekly", 20, "UTC")


def test_it_takes_a_form_that_is_full_in_any_script(world: World, reader: int) -> None:
    """What a field lets a person type can be posted; a Chinese letter takes nine bytes of a form."""
    full = {name: "\n".join(f"{n:03}" + "漢" * (MAX_LETTERS - 3) for n in range(most)) for name, most in MOST.items()}
    page = world.client.get(page_of(world, reader)).text
    for name, text in full.items():
        [allowed] = re.findall(rf'name="{name}" rows="\d" maxlength="(\d+)"', page)
        assert len(text) <= int(allowed)
    assert world.client.post(page_of(world, reader), data=full).location.endswith("?did=saved")
    assert [len(one) for one in world.rows(select(*(subscribers.c[name] for name in MOST)))[0]] == [*MOST.values()]


def test_it_keeps_what_was_typed_when_something_is_wrong(world: World, reader: int) -> None:
    answer = world.client.post(page_of(world, reader), data={"topics": "kept <b>", "hour": "25", "timezone": "Mars"})
    assert answer.status_code == 400
    assert "kept &lt;b&gt;" in answer.text
    assert answer.text.count('aria-invalid="true"') == 2
    assert world.rows(select(subscribers.c.topics))[0][0] == ["robots"]


def test_it_pauses_and_resumes(world: World, reader: int) -> None:
    world.client.post(page_of(world, reader), data={"paused_until": "2026-07-01"})
    assert world.rows(select(subscribers.c.status))[0][0] == "paused"
    assert "Paused until July 1, 2026." in world.client.get(page_of(world, reader)).text
    world.client.post(page_of(world, reader), data={"paused_until": ""})
    assert world.rows(select(subscribers.c.status))[0][0] == "active"


def test_it_refuses_a_change_sent_from_another_site(world: World, reader: int) -> None:
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert world.client.post(page_of(world, reader), data={"hour": "3"}, headers=headers).status_code == 403
    for headers in (
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Origin": "http://localhost", "Host": "localhost"},
    ):
        assert world.client.post(page_of(world, reader), data={"hour": "3"}, headers=headers).status_code == 303


def test_it_asks_at_the_new_address(world: World, reader: int) -> None:
    answer = world.client.post(page_of(world, reader), data={"do": "address", "email": "bob@example.org"})
    assert answer.location.endswith("?did=asked")
    assert mails(world) == [Mail.ADDRESS_CHANGE]
    assert world.rows(select(subscribers.c.email))[0][0] == "ann@example.org"
    assert world.client.post(page_of(world, reader), data={"do": "address", "email": "bob@"}).status_code == 400


def vote_links(world: World, reader: int, delivery: int, paper: int) -> tuple[str, str]:
    """More, less."""
    more, less = (links(world).vote(reader, delivery, paper, is_more) for is_more in (True, False))
    return f"/v/{more}", f"/v/{less}"


def test_it_takes_no_vote_on_a_paper_that_is_not_in_the_mail(world: World, reader: int) -> None:
    mailed, other = (world.stored(list_paper, f"2606.0000{number}") for number in (1, 2))
    delivery = world.stored(add_edition, reader, [mailed])
    more, less = vote_links(world, reader, delivery, other)
    for path in (more, less, f"{less}/0"):
        assert world.client.get(path).status_code == 404
        assert world.client.post(path).status_code == 404
    assert world.rows(select(votes)) == []


def test_it_votes_by_post_only_and_takes_it_back(world: World, reader: int) -> None:
    paper = world.stored(list_paper, "2606.00001", title="Robots that walk")
    delivery = world.stored(add_edition, reader, [paper])
    more, less = vote_links(world, reader, delivery, paper)
    assert "Robots that walk" in world.client.get(more).text
    world.client.head(more)
    assert world.rows(select(votes)) == []
    assert "Thank you" in world.client.post(more).text
    world.client.post(more)
    assert [row.direction for row in world.rows(select(votes))] == [1]
    world.client.post(less)
    assert [row.direction for row in world.rows(select(votes))] == [-1]
    assert "Less like this:" in world.client.get(page_of(world, reader)).text
    world.client.post(page_of(world, reader), data={"do": "undo_vote", "paper": str(paper)})
    assert world.rows(select(votes)) == []


def test_it_says_in_plain_words_that_the_vote_of_a_mail_no_longer_stored_is_dead(world: World, reader: int) -> None:
    paper = world.stored(list_paper, "2606.00001")
    delivery = world.stored(add_edition, reader, [paper])
    more, less = vote_links(world, reader, delivery, paper)
    world.stored(lambda connection: connection.execute(delete(deliveries)))
    for answer in (
        world.client.get(more),
        world.client.post(more),
        world.client.get(f"{less}/0"),
        world.client.post(f"{less}/0"),
    ):
        assert answer.status_code == 404
        assert "It may have expired" in answer.text
    assert world.rows(select(votes)) == []


def test_it_brings_and_takes_along_a_taste(world: World, reader: int) -> None:
    world.stored(list_paper, "2606.00001")
    bib = b"@misc{x, title={X}, eprint={2606.00001}}\n@misc{y, eprint={2606.09999}}" + b" " * 40_000
    answer = world.client.post(page_of(world, reader) + "/passport", data={"file": (io.BytesIO(bib), "my.bib")})
    assert "1 paper was added" in answer.text
    assert "1 is not stored here" in answer.text
    taste = world.client.get(page_of(world, reader) + "/passport")
    assert taste.json["more"] == ["2606.00001"]
    assert "attachment" in taste.headers["Content-Disposition"]
    again = world.client.post(page_of(world, reader) + "/passport", data={"taste": json.dumps(taste.json)})
    assert again.status_code == 200
    assert world.client.post(page_of(world, reader) + "/passport", data={"taste": "nothing"}).status_code == 400


def test_it_gives_out_all_that_is_stored(world: World, reader: int) -> None:
    paper = world.stored(list_paper, "2606.00001")
    delivery = world.stored(add_edition, reader, [paper])
    world.client.post(vote_links(world, reader, delivery, paper)[0])
    world.client.post(page_of(world, reader), data={"hour": "9"})
    given = world.client.get(page_of(world, reader) + "/export").json
    assert given["email"] == "ann@example.org"
    assert given["preferences"]["topics"] == ["robots"]
    assert [vote["key"] for vote in given["votes"]] == ["2606.00001"]
    assert [consent["event"] for consent in given["consents"]] == ["changed"]


def test_it_forgets_by_post_only_and_leaves_nothing(world: World, reader: int) -> None:
    paper = world.stored(list_paper, "2606.00001")
    delivery = world.stored(add_edition, reader, [paper])
    world.client.post(vote_links(world, reader, delivery, paper)[0])
    link = page_of(world, reader) + "/forget"
    assert world.client.get(link).status_code == 200
    assert len(world.rows(select(subscribers))) == 1
    assert "You are forgotten" in world.client.post(link).text
    for table in (subscribers, votes, clicks, consents, editions, bounces):
        assert world.rows(select(func.count()).select_from(table))[0][0] == 0
    for table in metadata.sorted_tables:
        assert "ann@example.org" not in str(world.rows(select(table)))
    assert world.client.get(page_of(world, reader)).status_code == 404
    assert world.client.post(link).status_code == 404


@pytest.mark.parametrize("state", ["pending", "unsubscribed", "suppressed"])
def test_it_says_how_things_stand_without_a_subscription(world: World, state: str) -> None:
    reader = world.stored(add_subscriber, status=state)
    page = world.client.get(page_of(world, reader))
    assert page.status_code == 200
    assert "<textarea" not in page.text
    world.client.post(page_of(world, reader), data={"hour": "3"})
    assert world.rows(select(subscribers.c.hour))[0][0] == 7


def test_it_speaks_the_language_that_the_reader_chose(world: World) -> None:
    reader = world.stored(add_subscriber, language="de")
    assert '<html lang="de"' in world.client.get(page_of(world, reader)).text


def test_it_shows_an_edition_with_its_reasons_and_votes(world: World, reader: int) -> None:
    paper = world.stored(list_paper, "2606.00001", title="Robots that walk")
    delivery = world.stored(add_edition, reader, [paper])
    answer = world.client.get(f"/e/{links(world).edition(delivery)}")
    assert "Robots that walk" in answer.text
    assert "Because you follow “robots”" in answer.text
    assert "9 new papers were weighed" in answer.text
    more, less = vote_links(world, reader, delivery, paper)
    assert f'href="{more}"' in answer.text
    assert f'href="{less}/0"' in answer.text  # less of the first reason
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert f"/e/{links(world).edition(delivery)}" in world.client.get(page_of(world, reader)).text
    assert world.client.get(f"/e/{links(world).edition(999)}").status_code == 404


def test_it_says_why_a_day_was_quiet(world: World, reader: int) -> None:
    world.stored(add_digest, reader, status="skipped", reason="weekend")
    assert "It is the weekend" in world.client.get(page_of(world, reader)).text


def test_it_follows_clicks_only_where_they_are_counted_and_only_to_the_paper(world: World, reader: int) -> None:
    paper = world.stored(list_paper, "2606.00001")
    link = f"/k/{links(world).clicks(reader, [paper], 0)[0].decode()}"
    assert world.client.get(link).status_code == 404
    counting = World(world.engine, world.settings.model_copy(update={"click_tracking": True}))
    assert counting.client.get(link + "?u=https://evil.example").location == "https://arxiv.org/abs/2606.00001"
    assert counting.client.get("/k?u=https://evil.example/").status_code == 404
    assert counting.client.get("/k/x").status_code == 404
