"""A stored profile ranks as one built from the votes at that moment would, whatever happens beside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, event, select, update

from digest.db.engine import insert, reading
from digest.db.tables import profiles, subscribers, votes
from digest.feedback import profiles as stored
from digest.feedback import record, signals
from digest.papers.paper import Paper
from digest.ranking import profile
from digest.ranking.features import TextModel
from digest.ranking.profile import Profile
from digest.ranking.rank import Day, Reader, prepare, rank
from digest.ranking.space import Space
from digest.ranking.votes import SAID
from digest.subscribers import lifecycle
from digest.subscribers.subscriber import Preferences
from tests.builders import NOW, add_paper, add_subscriber
from tests.unit.ranking.papers import themed

DAY = timedelta(days=1)
OLD, NEW = themed(60), themed(20, 500)
TOPICS = Preferences(topics=("video diffusion", "graph"))
SPACE, NEXT = Space.of(TextModel.fit(OLD, "1")), Space.of(TextModel.fit(OLD[::-2], "2"))
SHELF = SPACE.shelf(NEW)


@pytest.fixture
def ann(engine: Engine) -> int:
    with engine.begin() as connection:
        for paper in (*OLD, *NEW):
            add_paper(connection, paper.key, id=paper.id, title=paper.title)
        ann = add_subscriber(connection)
    stored.keep_vectors(engine, SPACE, SHELF, [*OLD, *NEW])
    return ann


def vote(engine: Engine, reader: int, paper: Paper, is_more: bool = True, days: float = 0) -> None:
    with engine.begin() as connection:
        assert record.vote(connection, reader, paper.id, is_more, NOW + days * DAY)


def read(engine: Engine, reader: int, space: Space = SPACE, days: float = 10) -> Profile | None:
    return stored.profiles_of(engine, [reader], space, space.shelf(NEW), NOW + days * DAY).get(reader)


def anew(engine: Engine, reader: int, space: Space = SPACE, days: float = 10) -> Profile:
    with reading(engine).connect() as connection:
        told = signals.told_by(connection, [reader])
    return profile.profiles([told.get(reader, np.zeros(0, SAID))], space, space.shelf(NEW), NOW + days * DAY)[0]


def ranked(space: Space, own: Profile | None, days: float = 10) -> list[tuple[int, float]]:
    day: Day = prepare(NEW, space, NOW, shelf=space.shelf(NEW, {p.id: p.title for p in (*OLD, *NEW)}))
    [choices] = rank(day, [Reader(1, TOPICS, own)], NOW + days * DAY)
    return [(choice.paper_id, pytest.approx(choice.score, abs=1e-3)) for choice in choices]


def assert_as_built_anew(engine: Engine, reader: int, space: Space = SPACE, days: float = 10) -> None:
    own, new = read(engine, reader, space, days), anew(engine, reader, space, days)
    assert own is not None
    assert own.told.tolist() == new.told.tolist()
    assert own.version == space.version
    assert ranked(space, own, days) == ranked(space, new, days)


def made(engine: Engine, work: Callable[[], object]) -> list[str]:
    """The statements on votes that `work` sends."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "FROM votes" in statement:
            asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return asked


def test_it_knows_nothing_of_who_never_said_anything(engine: Engine, ann: int) -> None:
    assert read(engine, ann) is None


def test_it_ranks_as_one_built_anew_and_asks_for_no_votes_again(engine: Engine, ann: int) -> None:
    for n, paper in enumerate((*OLD[:12], NEW[3])):
        vote(engine, ann, paper, n % 4 > 0, days=-20 + n)
    assert_as_built_anew(engine, ann)
    assert ranked(SPACE, read(engine, ann)) != ranked(SPACE, None)
    assert made(engine, lambda: read(engine, ann)) == []


def test_it_adds_a_vote_to_a_profile_without_the_others(engine: Engine, ann: int) -> None:
    vote(engine, ann, OLD[1], days=-300)
    read(engine, ann, days=-2)
    before = read(engine, ann, days=-2)
    vote(engine, ann, NEW[4], is_more=False)
    with engine.begin() as connection:
        assert record.click(connection, ann, OLD[8].id, None, NOW + DAY / 2)
    after = []
    assert made(engine, lambda: after.append(read(engine, ann))) == []
    assert [len(before.told), len(after[0].told)] == [1, 3]  # type: ignore[union-attr]
    assert_as_built_anew(engine, ann)


@pytest.mark.parametrize("days", [0, -400], ids=["now", "before the others"])
def test_it_follows_a_change_of_mind(engine: Engine, ann: int, days: float) -> None:
    vote(engine, ann, OLD[1], days=-3)
    vote(engine, ann, OLD[2], days=-3)
    read(engine, ann)
    vote(engine, ann, OLD[1], is_more=False, days=days)
    assert_as_built_anew(engine, ann)
    with engine.begin() as connection:
        assert record.undo_vote(connection, ann, OLD[1].id, NOW + days * DAY)
    assert_as_built_anew(engine, ann)
    with engine.begin() as connection:
        assert record.undo_vote(connection, ann, OLD[2].id, NOW + days * DAY)
    assert_as_built_anew(engine, ann)


def test_it_adds_no_vote_to_a_profile_that_has_missed_one(engine: Engine, ann: int) -> None:
    vote(engine, ann, OLD[1], days=-3)
    read(engine, ann)
    with engine.begin() as connection:
        assert record.undo_vote(connection, ann, OLD[1].id, NOW)
    vote(engine, ann, OLD[2])
    assert_as_built_anew(engine, ann)


def test_it_forgets_the_clicks_of_a_machine(engine: Engine, ann: int) -> None:
    vote(engine, ann, OLD[1], days=-3)
    for n in range(3):
        read(engine, ann)
        with engine.begin() as connection:
            record.click(connection, ann, OLD[20 + n].id, None, NOW + timedelta(seconds=n / 2))
    assert_as_built_anew(engine, ann)
    assert len(anew(engine, ann).told) == 1


def test_it_is_never_used_with_another_model(engine: Engine, ann: int) -> None:
    vote(engine, ann, OLD[1])
    vote(engine, ann, OLD[7])
    assert_as_built_anew(engine, ann, SPACE)
    assert made(engine, lambda: read(engine, ann, NEXT)) == []  # what was said is still known
    assert_as_built_anew(engine, ann, NEXT)
    vote(engine, ann, OLD[12])  # its row is known in the older space only
    assert_as_built_anew(engine, ann, NEXT)
    with pytest.raises(ValueError, match="do not fit model 1"):
        ranked(SPACE, read(engine, ann, NEXT))


def test_it_keeps_the_profile_of_the_newer_model_when_an_older_worker_ranks(engine: Engine, ann: int) -> None:
    vote(engine, ann, OLD[1])
    assert_as_built_anew(engine, ann, NEXT)
    assert_as_built_anew(engine, ann, SPACE)
    with engine.connect() as connection:
        assert connection.execute(select(profiles.c.version)).scalar_one() == 2


def test_it_stores_nothing_of_a_model_that_is_not_stored(engine: Engine, ann: int) -> None:
    vote(engine, ann, OLD[1])
    unfitted = Space.unfitted(OLD)
    assert_as_built_anew(engine, ann, unfitted)
    stored.keep_vectors(engine, unfitted, unfitted.shelf(), OLD)
    with engine.connect() as connection:
        assert connection.execute(select(profiles)).all() == []


def test_it_notices_votes_of_workers_that_know_no_profiles(engine: Engine, ann: int) -> None:
    vote(engine, ann, OLD[1])
    read(engine, ann)
    with engine.begin() as connection:  # as the first version stored a vote
        row = {"subscriber_id": ann, "paper_id": OLD[9].id, "direction": 1, "at": NOW + DAY}
        connection.execute(insert(connection, votes).values(row))
        connection.execute(update(subscribers).values(feedback_at=NOW + DAY))
    assert_as_built_anew(engine, ann)


@pytest.mark.parametrize("moment", ["told_by", "_store"])
def test_it_loses_no_vote_that_comes_while_profiles_are_made(
    engine: Engine, ann: int, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vote commits just before votes are read, or just before what was made of them is stored."""
    vote(engine, ann, OLD[1], days=-1)
    where = signals if moment == "told_by" else stored
    real: Callable[..., Any] = getattr(where, moment)

    def interrupted(*given: Any) -> Any:
        monkeypatch.setattr(where, moment, real)
        vote(engine, ann, OLD[2])
        return real(*given)

    monkeypatch.setattr(where, moment, interrupted)
    read(engine, ann)
    assert_as_built_anew(engine, ann)
    vote(engine, ann, OLD[3])
    assert_as_built_anew(engine, ann)
    assert len(anew(engine, ann).told) == 3


def test_it_stores_no_profile_of_a_reader_who_is_forgotten_meanwhile(
    engine: Engine, ann: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    vote(engine, ann, OLD[1])
    store = stored._store

    def interrupted(*given: Any) -> None:
        with engine.begin() as connection:
            lifecycle.forget(connection, ann, NOW)
        store(*given)

    monkeypatch.setattr(stored, "_store", interrupted)
    assert read(engine, ann) is not None
    with engine.connect() as connection:
        assert connection.execute(select(profiles)).all() == []


def test_it_drops_a_profile_with_its_reader(engine: Engine, ann: int) -> None:
    vote(engine, ann, OLD[1])
    read(engine, ann)
    with engine.begin() as connection:
        lifecycle.forget(connection, ann, NOW)
        assert connection.execute(select(profiles)).all() == []


def test_it_keeps_vectors_of_the_newest_model_only(engine: Engine, ann: int) -> None:
    stored.keep_vectors(engine, NEXT, NEXT.shelf(NEW), NEW)
    with engine.connect() as connection:
        found = connection.execute(select(stored.paper_vectors)).all()
    assert {(row.version, row.paper_id) for row in found} == {(2, paper.id) for paper in NEW}
    row = next(row for row in found if row.paper_id == NEW[0].id)
    assert np.frombuffer(row.vector, np.float32) == pytest.approx(NEXT.new_rows(NEW[:1])[0])
