"""How long scoring takes: this ranking, a bare matrix product of the same size, and one classifier for each subscriber."""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # one core, before numpy starts its threads

import numpy as np  # noqa: E402

from digest.papers.paper import Paper  # noqa: E402
from digest.ranking import diversity, profile, rank  # noqa: E402
from digest.ranking.crowd import Crowd  # noqa: E402
from digest.ranking.features import TextModel  # noqa: E402
from digest.ranking.space import Space  # noqa: E402
from digest.ranking.votes import Said, Signal, Vote, said  # noqa: E402
from digest.subscribers.subscriber import Preferences  # noqa: E402

NOW = datetime(2026, 6, 9, 17, tzinfo=UTC)
ROUNDS = 3
SVM_SAMPLE = 20  # classifiers that are really fitted; the figure is for each


def made_up(count: int, first_id: int, rng: np.random.Generator) -> list[Paper]:
    """Papers of 120 words drawn from 8,000 by themes: the sizes of real abstracts, nobody's text."""
    themes = rng.permuted(np.tile(np.arange(8_000), (40, 1)), axis=1)[:, :400]
    found = []
    for i in range(count):
        drawn = themes[rng.integers(40)][np.minimum(rng.zipf(1.3, 120) - 1, 399)]
        text = " ".join(f"word{n}x" for n in drawn)
        found.append(_paper(first_id + i, text, int(rng.zipf(1.6) % 200)))
    return found


def _paper(key: int, text: str, votes: int) -> Paper:
    return Paper(
        id=key, key=f"file:{key}", title=text[:60], abstract=text, gist=None, authors=(), organization=None, categories=(),
        keywords=(), published_on=None, listed_on=date(2026, 6, 9), first_seen_at=NOW, votes=votes, comments=0, code_url=None,
        code_stars=None, project_url=None, source="file",
    )  # fmt: skip


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """The best wall-clock and CPU seconds of a few rounds."""
    spent = []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        spent.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(s[0] for s in spent), min(s[1] for s in spent)


def line(name: str, wall: float, cpu: float, subscribers: int) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:<52}{wall:9.3f} s {1e3 * cpu / subscribers:11.5f} CPU-ms each {peak:8.0f} MB peak so far")


def prepared(papers: int, stored: int) -> rank.Day:
    rng = np.random.default_rng(0)
    old = made_up(stored, 1, rng)
    model = TextModel.fit(old, "bench")
    likes = [(reader, int(key)) for reader in range(500) for key in rng.integers(1, stored, 20)]
    crowd = Crowd.fit(likes, model.corpus)
    space = Space.of(model, crowd)
    return rank.prepare(
        made_up(papers, stored + 1, rng), space, NOW, shelf=space.shelf(titles={paper.id: paper.title for paper in old})
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures; returns 0."""
    ask = argparse.ArgumentParser(prog="digest bench ranking", description=__doc__)
    ask.add_argument("--subscribers", type=int, default=100_000)
    ask.add_argument("--papers", type=int, default=100)
    ask.add_argument("--stored", type=int, default=3_000, help="papers that the model is fitted on")
    given = ask.parse_args(argv)
    day = prepared(given.papers, given.stored)
    count, width = given.subscribers, day.space.width
    rng = np.random.default_rng(1)
    tastes = rng.standard_normal((count, width), np.float32) / np.float32(np.sqrt(width))
    print(f"{count:,} subscribers, {len(day.papers)} papers, {width} numbers a vector, one core")
    line("bare numpy product", *timed(lambda: tastes @ day.rows.T), count)
    line("score (product and trending, in chunks)", *timed(lambda: scored(day, tastes)), count)
    line("score, mask what was seen, diversity, best ten", *timed(lambda: cut(day, tastes)), count)
    profiles(day, rng)
    whole(day, rng)
    per_subscriber_svm(day, rng)
    return 0


def scored(day: rank.Day, tastes: np.ndarray) -> None:
    for start in range(0, len(tastes), rank.CHUNK):
        rank.score(day.rows, day.trend, tastes[start : start + rank.CHUNK])


def cut(day: rank.Day, tastes: np.ndarray) -> None:
    """What `rank` does once tastes are built, short of giving reasons."""
    for start in range(0, len(tastes), rank.CHUNK):
        scores = rank.score(day.rows, day.trend, tastes[start : start + rank.CHUNK])
        scores[np.arange(len(scores)), np.arange(len(scores)) % scores.shape[1]] = diversity.NEVER
        diversity.greedy(scores, day.likeness, np.full(len(scores), 10), day.space.parameters.diversity)


def told_by(day: rank.Day, count: int, rng: np.random.Generator) -> Said:
    keys = rng.choice(day.shelf.ids, count, replace=False)
    return said(Vote(int(key), Signal.UP, NOW - timedelta(days=3)) for key in keys)


def profiles(day: rank.Day, rng: np.random.Generator, count: int = 500) -> None:
    """One vote added to a profile, and profiles made anew, one by itself and as ranking makes them, many together."""
    for votes in (1, 200):
        told = [told_by(day, votes, rng) for _ in range(count)]
        line(f"a profile of {votes} votes by itself", *timed(lambda told=told: made(day, told[:1])), 1)
        line(f"a profile of {votes} votes among {count}", *timed(lambda told=told: made(day, told)), count)
    known, vote = made(day, told), Vote(10**9, Signal.UP, NOW)
    line("one vote more, folded into one of 200", *timed(lambda: fold_in(day, known, vote)), count)
    line("and the taste that comes of it", *timed(lambda: tastes_of(day, known)), count)


def made(day: rank.Day, told: Sequence[Said]) -> list[profile.Profile]:
    return profile.profiles(told, day.space, day.shelf, NOW)


def fold_in(day: rank.Day, known: Sequence[profile.Profile], vote: Vote) -> None:
    for one in known:
        one.with_vote(vote, day.rows[0], day.space.parameters)


def tastes_of(day: rank.Day, known: Sequence[profile.Profile]) -> None:
    liked = np.ones(1, np.float32)
    for one in known:
        profile.finish(one.vector[None], liked, day.space)


def whole(day: rank.Day, rng: np.random.Generator, count: int = 2_000) -> None:
    asked = Preferences(topics=("word7x", "word11x word12x"))
    for votes in (0, 5, 200):
        told = [told_by(day, votes, rng) for _ in range(count)]
        readers = [rank.Reader(i, asked, own) for i, own in enumerate(made(day, told))]
        name = f"rank() with wishes and reasons, {votes} votes each"
        line(name, *timed(lambda readers=readers: rank.rank(day, readers, NOW)), count)


def per_subscriber_svm(day: rank.Day, rng: np.random.Generator) -> None:
    """A linear SVM on TF-IDF for every subscriber, their likes against all stored papers."""
    try:
        from sklearn.svm import LinearSVC
    except ImportError:
        print("per-subscriber SVM: not measured, scikit-learn is not installed")
        return
    stored, new = day.space.model.corpus.terms, day.space.model.vectors(day.papers).terms

    def fit_all() -> None:
        for _ in range(SVM_SAMPLE):
            liked = np.zeros(stored.shape[0])
            liked[rng.integers(0, len(liked), 20)] = 1
            LinearSVC(class_weight="balanced", C=0.01, max_iter=10_000, tol=1e-6).fit(stored, liked).decision_function(
                new
            )

    line(f"one SVM for each subscriber ({SVM_SAMPLE} fitted)", *timed(fit_all), SVM_SAMPLE)


if __name__ == "__main__":
    raise SystemExit(main())
