from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree

import pytest
from sqlalchemy import update

from digest.db.tables import listings, papers
from digest.web import kept
from tests.builders import NOW, TODAY, add_listing, add_source_run, list_paper
from tests.integration.web.conftest import World
from tests.integration.web.test_subscriptions import TOKEN

MONDAY = date(2026, 6, 8)
ATOM = "{http://www.w3.org/2005/Atom}"


def test_it_shows_todays_list_most_voted_first(world: World) -> None:
    world.stored(list_paper, "2606.00001", title="Few votes", votes=1)
    world.stored(list_paper, "2606.00002", title="Many votes", votes=90)
    page = world.client.get("/").text
    assert page.index("Many votes") < page.index("Few votes")
    assert "June 9, 2026" in page


def test_it_says_why_there_is_no_list_and_shows_the_last_one(world: World) -> None:
    world.stored(list_paper, "2606.00001", on=MONDAY, title="Of Monday")
    world.stored(add_source_run, TODAY, "failed", "timed out")
    page = world.client.get("/").text
    assert "We could not read Hugging Face" in page
    assert "Of Monday" in page


@pytest.mark.parametrize("path", ["/", "/papers/2026-06-09", "/papers/2026-06-07"])
def test_it_offers_a_subscription_on_every_daily_list(world: World, path: str) -> None:
    world.stored(list_paper, "2606.00001")
    assert 'action="/subscribe"' in world.client.get(path).text


def test_it_leads_on_from_a_dead_link(world: World) -> None:
    page = world.client.get("/u/nobody").text
    assert all(f'href="{path}"' in page.partition("<main")[2] for path in ("/", "/search", "/subscribe"))


def test_it_lets_a_title_run_its_own_way(world: World) -> None:
    world.stored(list_paper, "2606.00001", title="שלום")
    for path in ("/", "/paper/2606.00001"):
        assert (
            'dir="auto"' in world.client.get(path).text.partition("<main")[2].partition("שלום")[0].rpartition("<h")[2]
        )


def test_it_explains_an_empty_weekend(world: World) -> None:
    assert "It is the weekend" in world.client.get("/papers/2026-06-07").text


def test_it_knows_no_day_that_has_not_come(world: World) -> None:
    assert world.client.get("/papers/2026-06-10").status_code == 404
    assert world.client.get("/papers/2026-W25").status_code == 404
    assert world.client.get("/papers/2026-02-30").status_code == 404


def test_it_links_days_that_have_papers(world: World) -> None:
    world.stored(list_paper, "2606.00001", on=date(2026, 6, 5))
    world.stored(list_paper, "2606.00002", on=MONDAY)
    page = world.client.get("/papers/2026-06-08").text
    assert 'href="/papers/2026-06-05"' in page
    assert 'rel="next"' not in page


def test_it_gathers_a_week_without_doubles(world: World) -> None:
    paper_id = world.stored(list_paper, "2606.00001", on=MONDAY, title="Only once")
    world.stored(add_listing, paper_id, TODAY)
    page = world.client.get("/papers/2026-W24").text
    assert page.count(">Only once</a>") == 1


def test_it_shows_markup_in_a_title_as_text(world: World) -> None:
    world.stored(
        list_paper, "2606.00001", title='<script>alert(1)</script> & "x"', abstract="{{ 7*7 }} <img src=x onerror=y>"
    )
    for path in ("/", "/paper/2606.00001", "/search?q=script", "/feed.xml", "/papers/2026-W24"):
        page = world.client.get(path).text
        assert "<script>" not in page
        assert "<img" not in page
        assert "49" not in page.replace("&#49", "")


def test_it_shows_no_link_to_an_unsound_address(world: World) -> None:
    world.stored(list_paper, "2606.00001", code_url="javascript:alert(1)", project_url="http://10.0.0.1/")
    page = world.client.get("/paper/2606.00001").text
    assert "javascript:" not in page
    assert "10.0.0.1" not in page


def test_it_finds_a_paper_by_any_spelling_of_its_id(world: World) -> None:
    paper_id = world.stored(list_paper, "hep-th/9901001")
    assert world.client.get("/paper/hep-th/9901001").status_code == 200
    for name in ("hep-th/9901001v2", str(paper_id)):
        answer = world.client.get(f"/paper/{name}")
        assert (answer.status_code, answer.location) == (301, "/paper/hep-th/9901001")
    assert world.client.get("/paper/2606.99999").status_code == 404
    assert world.client.get("/paper/../../etc/passwd").status_code == 404


def test_it_leads_a_typed_id_to_its_paper(world: World) -> None:
    world.stored(list_paper, "2606.00001")
    assert world.client.get("/search?q=arXiv:2606.00001v3").location == "/paper/2606.00001"


def test_it_marks_hits_and_keeps_filters_in_page_links(world: World) -> None:
    for number in range(25):
        world.stored(
            list_paper, f"2606.{number:05}", title=f"Sparse attention {number}", code_url="https://example.org/x"
        )
    page = world.client.get("/search?q=attention&code=1").text
    assert "<mark>attention</mark>" in page
    assert 'href="/search?page=2&amp;q=attention&amp;code=1"' in page
    assert world.client.get("/api/search?q=attention&page=2").json["total"] == 25
    assert len(world.client.get("/api/search?q=attention&page=2").json["papers"]) == 5


def test_it_answers_any_search(world: World) -> None:
    for typed in ("%00", "%ff%fe", '"', "a" * 5000, "%27%3B--", "%F0%9F%98%80", "%ED%A0%80", "*", "(((", "-", "since"):
        assert world.client.get(f"/search?q={typed}&since={typed}&organisation={typed}&page={typed}").status_code == 200


def test_it_gives_a_day_as_json(world: World) -> None:
    world.stored(list_paper, "2606.00001", title="One")
    given = world.client.get("/api/papers?date=2026-06-09").json
    assert (given["date"], given["total"], given["papers"][0]["title"]) == ("2026-06-09", 1, "One")
    assert world.client.get("/api/papers").json["date"] == "2026-06-09"
    wrong = world.client.get("/api/papers?date=tomorrow")
    assert wrong.status_code == 400
    assert set(wrong.json["error"]) == {"what", "why", "next"}


def test_it_feeds_atom_that_parses(world: World) -> None:
    world.stored(list_paper, "2606.00001", title="A & B <i>", on=MONDAY)
    feed = ElementTree.fromstring(world.client.get("/feed.xml").data)
    entries = feed.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}id") for entry in entries] == ["http://127.0.0.1:8000/papers/2026-06-08"]
    assert "A &amp; B &lt;i&gt;" in str(entries[0].findtext(f"{ATOM}content"))
    assert datetime.fromisoformat(str(feed.findtext(f"{ATOM}updated"))) == datetime(2026, 6, 8, 6, tzinfo=UTC)


def test_it_feeds_what_atom_demands(world: World) -> None:
    """RFC 4287: 4.1.1 (feed), 4.1.2 (entry), 3.3 (dates), 4.2.6 (ids), 4.2.7 (links), 4.1.3.3 (content)."""
    for days in range(3):
        on = MONDAY - timedelta(days=days)
        world.stored(list_paper, f"2606.1000{days}", on=on, title="<b>Robots</b> & “proofs” of א")
    late = {"source": "arxiv", "listed_on": MONDAY - timedelta(days=2), "first_seen_at": NOW}
    world.stored(lambda connection: connection.execute(listings.insert().values(paper_id=1, **late)))
    answer = world.client.get("/feed.xml?lang=de")
    assert answer.content_type == "application/atom+xml; charset=utf-8"
    feed = ElementTree.fromstring(answer.data)
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == 3
    for element in (feed, *entries):
        for name in ("id", "title", "updated"):
            assert len(element.findall(ATOM + name)) == 1, name
            assert str(element.findtext(ATOM + name)).strip()
        assert datetime.fromisoformat(str(element.findtext(f"{ATOM}updated"))).tzinfo is not None
        relations = [link.get("rel") for link in element.findall(f"{ATOM}link")]
        assert sorted(relations) == (["alternate", "self"] if element is feed else ["alternate"])
        for address in [
            *(str(link.get("href")) for link in element.findall(f"{ATOM}link")),
            str(element.findtext(f"{ATOM}id")),
        ]:
            assert address.startswith("http://127.0.0.1:8000/")
    assert feed.find(f"{ATOM}author/{ATOM}name") is not None
    assert feed.get("{http://www.w3.org/XML/1998/namespace}lang") == "de"
    assert len({entry.findtext(f"{ATOM}id") for entry in entries} | {feed.findtext(f"{ATOM}id")}) == 4
    assert (
        max(entry.findtext(f"{ATOM}updated") for entry in entries) == feed.findtext(f"{ATOM}updated") == NOW.isoformat()
    )
    for entry in entries:
        content = entry.find(f"{ATOM}content")
        assert content is not None
        assert content.get("type") == "html"
        assert "&lt;b&gt;Robots&lt;/b&gt; &amp; “proofs”" in str(content.text)


def test_it_answers_304_until_the_page_changes(world: World) -> None:
    world.stored(list_paper, "2606.00001")
    first = world.client.get("/")
    world.pass_time(seconds=30)
    assert world.client.get("/", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    world.stored(list_paper, "2606.00002")
    world.stored(add_source_run, TODAY, "ok", "")
    assert world.client.get("/", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_it_keeps_a_page_until_papers_come_in_or_a_minute_is_over(world: World) -> None:
    paper_id = world.stored(list_paper, "2606.00001", title="Robots that walk")

    def retitled(title: str) -> str:
        world.stored(
            lambda connection: connection.execute(update(papers).where(papers.c.id == paper_id).values(title=title))
        )
        return world.client.get("/").text

    assert "Robots that walk" in world.client.get("/").text
    assert "Robots that walk" in retitled("Robots that run")
    assert "Robots that run" in world.client.get("/", headers={"Accept-Language": "de"}).text
    world.stored(add_source_run, TODAY, "ok", "")
    assert "Robots that run" in world.client.get("/").text
    assert "Robots that run" in retitled("Robots that swim")
    world.pass_time(seconds=61)
    assert "Robots that swim" in world.client.get("/").text


def test_it_gives_every_form_of_a_kept_page_a_time_of_its_own(world: World) -> None:
    world.stored(list_paper, "2606.00001")
    pages = []
    for _ in range(2):
        pages.append(world.client.get("/"))
        world.pass_time(seconds=30)
    tokens = [TOKEN.findall(page.text) for page in pages]
    assert tokens[0] != tokens[1]
    assert len(tokens[1]) == 1
    assert pages[0].headers["ETag"] == pages[1].headers["ETag"]
    assert world.client.post("/subscribe", data={"form": tokens[1][0], "email": "ann@example.org"}).status_code == 200


def test_it_keeps_no_more_pages_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 25)
    pages = kept.Pages()
    for name in ("a", "b", "a", "c"):
        pages.put((name, "en"), kept.Page((1, TODAY), NOW, (b"x" * 5, b"y" * 5), "tag", "text/html"))
    assert [bool(pages.get((name, "en"))) for name in "abc"] == [True, False, True]


def test_it_lists_the_archive_by_month(world: World) -> None:
    for days in (0, 20, 40):
        world.stored(list_paper, f"2606.{days:05}", on=TODAY - timedelta(days=days))
    page = world.client.get("/papers").text
    assert "June 2026" in page
    assert "April 2026" in page
