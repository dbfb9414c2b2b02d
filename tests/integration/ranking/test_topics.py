"""Ten readers in their own words over recorded days: `pytest -s` prints each one's ten papers for a person to judge."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from digest.papers.paper import Paper
from digest.ranking.features import TextModel
from digest.ranking.rank import Day, Reader, prepare, rank
from digest.ranking.space import Space
from digest.ranking.wishes import mentions, searchable
from digest.subscribers.subscriber import Preferences
from tests.conftest import shared_dir

CANDIDATE_DAYS = 20
READERS = {
    "one short form": Preferences(topics=("LLM",)),
    "a phrase and a method": Preferences(topics=("retrieval augmented generation", "RAG evaluation")),
    "three far apart": Preferences(topics=("protein folding and molecules", "robot manipulation", "music generation")),
    "agents, but no benchmarks": Preferences(topics=("autonomous agents", "tool use"), muted=("benchmark",)),
    "theory": Preferences(topics=("optimization theory", "scaling laws", "generalization bounds")),
    "pictures and film": Preferences(topics=("text-to-video diffusion", "3D gaussian splatting"), muted=("medical",)),
    "medicine": Preferences(topics=("medical imaging", "clinical decision support", "radiology reports")),
    "speech in many tongues": Preferences(topics=("speech recognition", "low-resource languages", "TTS")),
    "fast and small": Preferences(topics=("KV cache compression", "quantization", "speculative decoding", "MoE")),
    "a whole sentence": Preferences(topics=("how to make language models reason better with reinforcement learning",)),
}
# What one of the ten papers must speak of, in words that the reader may not have used.
EXPECTED = {
    "one short form": ("language model", "LLM"),
    "a phrase and a method": ("retrieval", "RAG"),
    "three far apart": ("protein", "molecular", "molecule", "robot", "robotic", "music", "audio"),
    "agents, but no benchmarks": ("agent", "agentic", "tool"),
    "theory": ("scaling law", "optimization", "optimizer", "bound", "generalization", "convergence"),
    "pictures and film": ("video", "gaussian", "3D"),
    "medicine": ("medical", "clinical", "radiology", "patient", "health", "disease"),
    "speech in many tongues": ("speech", "language", "TTS", "ASR", "voice"),
    "fast and small": (
        "KV",
        "cache",
        "quantization",
        "speculative",
        "MoE",
        "mixture of experts",
        "mixture-of-experts",
        "sparse",
    ),
    "a whole sentence": ("reasoning", "reinforcement learning"),
}


def read(path: Path, first_id: int) -> list[Paper]:
    listed_on = date.fromisoformat(path.name[:10])
    return [
        as_paper(entry, first_id + i, listed_on)
        for i, entry in enumerate(json.loads(gzip.decompress(path.read_bytes())))
    ]


def as_paper(entry: dict[str, Any], key: int, listed_on: date) -> Paper:
    inner = entry["paper"]
    return Paper(
        id=key,
        key=inner["id"],
        title=" ".join((inner.get("title") or entry["title"]).split()),
        abstract=" ".join(inner["summary"].split()),
        gist=inner.get("ai_summary"),
        authors=tuple(author["name"] for author in inner["authors"] if not author.get("hidden")),
        organization=(entry.get("organization") or {}).get("fullname"),
        categories=(),
        keywords=tuple(inner.get("ai_keywords") or ()),
        published_on=None,
        listed_on=listed_on,
        first_seen_at=datetime.combine(listed_on, time(9), UTC),
        votes=inner["upvotes"],
        comments=entry.get("numComments"),
        code_url=None,
        code_stars=None,
        project_url=None,
        source="huggingface",
    )


@cache
def recorded() -> Day:
    """The last recorded days as candidates, with a model fitted on all the days before."""
    files = sorted(shared_dir("payloads/hf/daily").glob("*.json.gz"))
    papers = [paper for n, path in enumerate(files) for paper in read(path, n * 1000)]
    first = date.fromisoformat(files[-CANDIDATE_DAYS].name[:10])
    now = datetime.combine(papers[-1].listed_on, time(17), UTC) + timedelta(hours=1)
    model = TextModel.fit([p for p in papers if p.listed_on < first], "1")
    return prepare([p for p in papers if p.listed_on >= first], Space.of(model), now)


@pytest.mark.parametrize("name", READERS)
def test_it_gives_a_reader_what_they_asked_for(name: str) -> None:
    day = recorded()
    now = datetime(2026, 8, 1, tzinfo=UTC)
    choices = rank(day, [Reader(1, READERS[name])], now)[0]
    by_id = {paper.id: paper for paper in day.papers}
    chosen = [searchable(by_id[choice.paper_id]) for choice in choices]
    print(f"\n{name}: {', '.join(READERS[name].topics)}" + "".join(f" -{m}" for m in READERS[name].muted))  # noqa: T201
    for choice in choices:
        told = ", ".join(f"{r.kind} {r.detail} {r.contribution:.2f}" for r in choice.reasons[:3])
        print(f"  {choice.score:5.2f}  {by_id[choice.paper_id].title[:95]}  [{told}]")  # noqa: T201
    fitting = [any(mentions(paper, word) for word in EXPECTED[name]) for paper in chosen]
    at_hand = len({place for word in EXPECTED[name] for place in day.board.places(mentions, word)})
    assert sum(fitting) >= min(7, at_hand / 4)
    assert not any(mentions(paper, word) for paper in chosen for word in READERS[name].muted)
