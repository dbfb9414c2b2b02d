"""The papers that the demo uses where no source can be reached: facts of well-known papers, abstracts written for this project."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

SAMPLE = Path(__file__).with_name("sample_papers.jsonl")


def write_sample(path: Path, today: date) -> int:
    """Write the bundled papers as JSON lines that the source `file` reads, spread over today and the nine days before.

    Returns how many there are.
    """
    papers = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    for paper in papers:
        paper["listed_on"] = (today - timedelta(days=paper.pop("days_ago"))).isoformat()
    path.write_text("".join(json.dumps(paper, ensure_ascii=False) + "\n" for paper in papers), encoding="utf-8")
    return len(papers)
