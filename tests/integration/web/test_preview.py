from __future__ import annotations

from datetime import timedelta

from tests.builders import NOW, list_paper
from tests.integration.web.conftest import World


def add_some(world: World) -> None:
    for number in range(6):
        world.stored(
            list_paper,
            f"2606.0000{number}",
            title=f"Protein folding, part {number}",
            abstract="We fold proteins.",
            votes=30,
        )
    world.stored(list_paper, "2606.00010", title="Robots that walk on ice", abstract="A robot walks.", votes=0)


def test_it_puts_the_papers_of_the_topics_first_and_says_why(world: World) -> None:
    add_some(world)
    page = world.client.get("/preview?topics=walking+robots").text
    assert page.index("Robots that walk on ice") < page.index("Protein folding")
    assert "Because you follow “walking robots”" in page
    assert 'value="walking robots"' in page


def test_it_says_when_nothing_fits_the_topics(world: World) -> None:
    add_some(world)
    said = "Nothing new fits these topics today"
    assert said in world.client.get("/preview?topics=zzyzx").text
    assert said not in world.client.get("/preview?topics=walking+robots").text
    assert said not in world.client.get("/preview").text


def test_it_shows_what_everybody_reads_without_topics(world: World) -> None:
    add_some(world)
    page = world.client.get("/preview").text
    assert page.index("Protein folding") < page.index("Robots that walk on ice")


def test_it_takes_up_new_papers(world: World) -> None:
    add_some(world)
    world.client.get("/preview")
    world.stored(list_paper, "2606.00011", title="Robots that swim", first_seen_at=NOW)
    assert "Robots that swim" in world.client.get("/preview?topics=robots").text
    world.now += timedelta(days=200)
    assert "Robots that swim" in world.client.get("/preview?topics=robots").text


def test_it_answers_any_topics(world: World) -> None:
    assert world.client.get("/preview?topics=robots").status_code == 200
    add_some(world)
    for topics in ("%00", "a" * 3000, ",,,;", "<script>", "%ED%A0%80", ",".join(map(str, range(99)))):
        answer = world.client.get(f"/preview?topics={topics}")
        assert answer.status_code == 200
        assert "<script" not in answer.text


def test_it_shows_papers_like_a_paper(world: World) -> None:
    add_some(world)
    page = world.client.get("/paper/2606.00000").text
    assert "Similar papers" in page
    assert "Protein folding, part 3" in page
