"""Plain text in columns: wrapping for a terminal, by the width that letters really take."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

WIDTH = 72
_WORDS = re.compile(r"\S+")


def wrap(text: str, indent: int = 0, hanging: int | None = None, width: int = WIDTH) -> str:
    """`text` in lines of at most `width` columns: the first indented by `indent`, the others by `hanging` (or the same).

    Breaks only at white space and beside East Asian wide letters; a longer word keeps a line of its own.
    """
    rest = indent if hanging is None else hanging
    lines: list[str] = []
    line, used, left = "", 0, indent
    for gap, piece in _pieces(text):
        wide = columns(piece)
        if line and left + used + len(gap) + wide > width:
            lines.append(" " * left + line)
            line, used, left, gap = "", 0, rest, ""
        line += gap + piece if line else piece
        used += (len(gap) if used else 0) + wide
    lines.append((" " * left + line).rstrip())
    return "\n".join(lines)


def underlined(text: str, mark: str = "-") -> str:
    """`text` wrapped, and under it a rule as wide as its widest line."""
    lines = wrap(text)
    return lines + "\n" + mark * max(map(columns, lines.split("\n")))


def columns(text: str) -> int:
    """How many terminal columns `text` takes (Unicode Annex 11)."""
    if text.isascii():
        return len(text)
    return sum(_columns(letter) for letter in text)


def _columns(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if _is_wide(letter) else 1


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in ("W", "F")


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """(gap before, piece) for each run that may stand alone on a line."""
    for match in _WORDS.finditer(text):
        gap, run = " ", ""
        for letter in match[0]:
            if run and letter not in "，。、；：！？）」』》…" and _is_wide(letter):
                yield gap, run
                gap, run = "", ""
            run += letter
        yield gap, run
