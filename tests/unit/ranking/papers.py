"""A small corpus of five themes with words of their own, enough for a text model to be fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from digest.papers.paper import Paper
from digest.ranking.profile import Profile, profiles
from digest.ranking.rank import Day
from digest.ranking.votes import Vote, said

NOW = datetime(2026, 6, 9, 17, tzinfo=UTC)
THEMES = {
    "language": "large language models (LLMs) reasoning instruction tuning chain of thought prompting alignment",
    "protein": "protein folding structure prediction amino acid sequence molecular docking drug discovery",
    "robot": "robot manipulation grasping dexterous hand policy learning simulation to real transfer",
    "video": "video diffusion generation temporal consistency text to video synthesis frames",
    "graph": "graph neural networks (GNNs) node classification message passing link prediction",
}


def paper(key: int, title: str = "A paper", abstract: str = "", **more: Any) -> Paper:
    values: dict[str, Any] = {
        "gist": None,
        "authors": (),
        "organization": None,
        "categories": (),
        "keywords": (),
        "published_on": None,
        "listed_on": date(2026, 6, 9),
        "first_seen_at": NOW,
        "votes": 0,
        "comments": 0,
        "code_url": None,
        "code_stars": None,
        "project_url": None,
        "source": "file",
    }
    return Paper(id=key, key=f"2606.{key:05}", title=title, abstract=abstract, **(values | more))


def themed(count: int, first_id: int = 1, **more: Any) -> list[Paper]:
    """`count` papers, the themes in turn; each uses six words of its theme and one word of its own."""
    found = []
    for i in range(count):
        theme = list(THEMES)[i % len(THEMES)]
        bag = THEMES[theme].split()
        own = [bag[(i // len(THEMES) + step * 2) % len(bag)] for step in range(6)]
        abstract = f"{THEMES[theme]}. {' '.join(own)} study{first_id + i}."
        found.append(paper(first_id + i, f"{' '.join(own[:3])} number {first_id + i}", abstract, **more))
    return found


def profile_of(day: Day, votes: Sequence[Vote]) -> Profile:
    """What these votes make in the space of the day."""
    return profiles([said(votes)], day.space, day.shelf, NOW)[0]


def theme_of(item: Paper) -> str:
    return next(theme for theme, text in THEMES.items() if text in item.abstract)
