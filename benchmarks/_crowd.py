"""Synthetic subscribers and real or bundled papers: what the measurements of the pipeline start from."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

from digest.sources.base import RawPaper, Skips
from digest.sources.huggingface import read_entry
from digest.sources.sample import write_sample

DAY = date(2026, 6, 23)  # a Tuesday, so that daily readers and those of weekdays are both due
PAST_DAYS = 60
ZONES = str.split(
    "Pacific/Auckland Australia/Sydney Asia/Tokyo Asia/Shanghai Asia/Bangkok Asia/Dhaka Asia/Kolkata Asia/Karachi "
    "Asia/Dubai Europe/Moscow Africa/Nairobi Europe/Athens Africa/Cairo Europe/Berlin Europe/Paris Africa/Lagos "
    "Europe/London Africa/Accra Atlantic/Azores America/Sao_Paulo America/Halifax America/New_York America/Chicago "
    "America/Denver America/Los_Angeles America/Anchorage Pacific/Honolulu UTC"
)
TOPICS = str.split(
    "large language models;diffusion models;reinforcement learning;robotics;speech recognition;machine translation;"
    "computer vision;video generation;graph neural networks;protein design;medical imaging;code generation;reasoning;"
    "agents;retrieval;alignment;interpretability;quantisation;long context;multimodal models;world models;"
    "benchmarks;data sets;time series;federated learning;privacy;causality;optimisation;3D reconstruction;segmentation;"
    "music;education;climate;chemistry;mathematics;theorem proving;recommendation;tokenisation;mixture of experts;"
    "synthetic data;question answering;summarisation;dialogue;vision language models;autonomous driving;safety",
    ";",
)


def write_papers(path: Path) -> tuple[list[date], str]:
    """Write papers as JSON lines that the source `file` reads; returns their days, the last is DAY, and where from."""
    recorded = Path(os.environ.get("DIGEST_SHARED", Path(__file__).parents[2] / "shared")) / "payloads/hf/daily"
    files = sorted(recorded.glob("*.json.gz"))
    until = next((n for n, file in enumerate(files) if file.name.startswith(DAY.isoformat())), None)
    if until is None:
        write_sample(path, DAY)
        return [DAY - timedelta(days=back) for back in range(9, -1, -1)], "bundled papers"
    lines, days = [], []
    for file in files[max(0, until - PAST_DAYS) : until + 1]:
        days.append(date.fromisoformat(file.name[:10]))
        lines += [_line(paper, days[-1]) for paper in _recorded(file)]
    path.write_text("".join(lines), encoding="utf-8")
    return days, f"recorded papers of {len(days)} days"


def _recorded(file: Path) -> Iterator[RawPaper]:
    skips = Skips()
    for entry in json.loads(gzip.decompress(file.read_bytes())):
        if paper := read_entry(entry, skips):
            yield paper


def _line(paper: RawPaper, day: date) -> str:
    fields = asdict(paper) | {"listed_on": day}
    fields["withdrawn"] = fields.pop("is_withdrawn")
    fields.pop("is_revision")
    return (
        json.dumps({name: value for name, value in fields.items() if value not in (None, "", ())}, default=str) + "\n"
    )


def csv_lines(number: int, seed: int = 7) -> Iterator[str]:
    """Lines of a file for `digest subscribers import`: readers spread over zones, hours, topics, mutes and follows."""
    yield "email,topics,muted,authors,cadence,hour,timezone,size\n"
    draw = random.Random(seed)
    for n in range(number):
        topics = "; ".join(draw.sample(TOPICS, draw.choice((1, 2, 3, 3, 5))))
        muted = draw.choice(TOPICS) if n % 5 == 0 else ""
        author = "Wei Zhang" if n % 20 == 0 else ""
        cadence = "weekdays" if n % 4 == 0 else "daily"
        zone, hour, size = draw.choice(ZONES), draw.choice((6, 7, 7, 8)), draw.choice((5, 10, 10, 10, 15))
        yield f"reader{n}@example{n % 50}.org,{topics},{muted},{author},{cadence},{hour},{zone},{size}\n"
