"""A picture of how cost grows: lines on two logarithmic axes, written as SVG by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 48, 48
COLOURS = {
    "import": "#7a5195",
    "learn": "#888888",
    "plan": "#2f7ed8",
    "rank": "#d45087",
    "render": "#ff8c1a",
    "deliver": "#2b8a3e",
}


def draw(figures: Sequence[dict[str, Any]]) -> str:
    """CPU of our processes in seconds over subscribers, one line a stage; dashed for SQLite."""
    points = [(f["subscribers"], _seconds(f)) for f in figures]
    across, up = (
        _Scale([x for x, _ in points], LEFT, WIDTH - RIGHT),
        _Scale([y for _, y in points], HEIGHT - BOTTOM, TOP),
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="15">CPU seconds of each stage by number of subscribers (both axes logarithmic)</text>',
        *_grid(across, up),
    ]
    ends: list[tuple[float, float, str]] = []  # down, across and stage: where a line ends that has a name
    for database in dict.fromkeys(f["database"] for f in figures):
        for stage, colour in COLOURS.items():
            own = sorted((f for f in figures if (f["database"], f["stage"]) == (database, stage)), key=_readers)
            places = [(across.at(f["subscribers"]), up.at(_seconds(f))) for f in own]
            parts += _line(places, colour, f"{stage}, {database}", is_dashed=database != "postgresql")
            if places and database == "postgresql":
                ends.append((places[-1][1], places[-1][0], stage))
    return "\n".join([*parts, *_names(ends), "</svg>\n"])


def _readers(figure: dict[str, Any]) -> int:
    return int(figure["subscribers"])


def _seconds(figure: dict[str, Any]) -> float:
    """CPU seconds of a whole stage; of one that was cut short, as if it had gone on."""
    rows = figure["rows"] if figure["stage"] == "learn" else figure["subscribers"]
    return float(rows * figure["cpu_ms"]) / 1000


class _Scale:
    """A value to a place on an axis of whole powers of ten."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self.start, self.end = start, end

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def _grid(across: _Scale, up: _Scale) -> list[str]:
    parts = []
    for value in across.ticks():
        x = across.at(value)
        parts.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{HEIGHT - BOTTOM}" stroke="#dddddd"/>')
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{value:,.0f}</text>')
    for value in up.ticks():
        y = up.at(value)
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{value:g} s</text>')
    return parts


def _line(places: list[tuple[float, float]], colour: str, name: str, *, is_dashed: bool) -> list[str]:
    if not places:
        return []
    dashes = ' stroke-dasharray="5 4"' if is_dashed else ""
    path = " ".join(f"{x},{y}" for x, y in places)
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}><title>{escape(name)}</title></polyline>',
        *(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places),
    ]


def _names(ends: list[tuple[float, float, str]]) -> list[str]:
    """Each at the end of its line, moved down where another one stands."""
    parts, last = [], 0.0
    for y, x, stage in sorted(ends):
        last = max(y + 4, last + 14)
        parts.append(f'<text x="{x + 8}" y="{last:.1f}" fill="{COLOURS[stage]}">{stage}</text>')
    return parts
