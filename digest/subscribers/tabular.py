"""Rows of CSV or JSON-lines files: read one by one however broken, written so that spreadsheets run nothing."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from typing import IO, Any

LONGEST_LINE = 1_000_000
LINES_OF_A_CELL = 50
_RISKY = "=+-@\t\r"  # what a spreadsheet takes for a formula
_BROKEN = re.compile("[\udc80-\udcff]")  # what `surrogateescape` makes of a byte that it cannot read
_NOT_UTF8 = "holds letters that are not UTF-8; save the file as UTF-8"


class TransferRefused(ValueError):
    """The whole file cannot be read. Says why and what to do."""


def read_lines(file: IO[bytes]) -> Generator[str, None, None]:
    """Lines of a file with their ends. Broken UTF-8 spoils its own row only, and no line is held beyond a million letters.

    UTF-16 with its mark, as spreadsheets write "Unicode text", is read as well.
    """
    buffer = io.BufferedReader(file)  # type: ignore[type-var]
    is_wide = buffer.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding, errors = ("utf-16", "replace") if is_wide else ("utf-8-sig", "surrogateescape")
    text = io.TextIOWrapper(buffer, encoding=encoding, errors=errors, newline="")
    try:
        while line := text.readline(LONGEST_LINE):
            yield line
    finally:
        text.detach()
        buffer.detach()  # the file is its owner's to close


def rows(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(line number, fields or why there are none)."""
    numbered = enumerate(lines, 1)
    number, first = next((one for one in numbered if one[1].strip("\ufeff \t\r\n")), (1, ""))
    first = first.lstrip("\ufeff")
    if first.lstrip().startswith("{"):
        return _json_rows(chain([(number, first)], numbered))
    return _csv_rows(first, numbered)


def _json_rows(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for number, line in lines:
        if not line.strip():
            continue
        if _is_broken(line):
            yield number, _NOT_UTF8
            continue
        try:
            given = json.loads(line)
        except (ValueError, RecursionError):
            yield number, "not valid JSON; write one object a line"
            continue
        yield number, given if isinstance(given, dict) else "not an object with names and values"


def _csv_rows(head: str, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    delimiter = next((mark for mark in (",", ";", "\t") if mark in head), ",")
    names = [name.strip().lower() for name in _cells(head, delimiter) or []]
    if "email" not in names:
        raise TransferRefused(
            "The first line names no column `email`. Write a first line with the names of the columns, like email,topics,cadence."
        )
    if doubled := sorted({name for name in names if name and names.count(name) > 1}):
        raise TransferRefused(
            f"The first line names `{doubled[0]}` more than once, so it is not sure which is meant. Give each column a name of its own."
        )
    again: deque[tuple[int, str]] = deque()
    while True:
        number, record, following = _record(again, lines)
        if not record:
            return
        if not record.strip():
            continue
        cells = _cells(record, delimiter, is_strict=bool(following))
        if _is_broken(record) and len(cells or ()) == len(names):
            yield number, _NOT_UTF8
            continue
        if cells is not None and len(cells) == len(names):
            yield number, {name: _unguarded(cell) for name, cell in zip(names, cells, strict=True)}
            continue
        again.extendleft(reversed(following))  # a stray quote must not take its neighbours along
        found = (
            "a quote is never closed"
            if cells is None
            else f"{len(cells)} cells where the first line names {len(names)}"
        )
        yield number, f"{found}; check its quotes and separators"


def _is_broken(text: str) -> bool:
    """Whether bytes that are no UTF-8 were read into it: half a name would be kept for a whole one."""
    return not text.isascii() and _BROKEN.search(text) is not None


def _record(again: deque[tuple[int, str]], lines: Iterator[tuple[int, str]]) -> tuple[int, str, list[tuple[int, str]]]:
    """(line number, one record, the lines after the first that it took): a cell in quotes may span lines."""

    def advance() -> tuple[int, str]:
        return again.popleft() if again else next(lines, (0, ""))

    number, record = advance()
    following: list[tuple[int, str]] = []
    while record.count('"') % 2 and len(following) < LINES_OF_A_CELL:
        more = advance()
        if not more[1]:
            break
        following.append(more)
        record += more[1]
    return number, record, following


def _cells(record: str, delimiter: str, *, is_strict: bool = False) -> list[str] | None:
    """None where a quote stays open, a cell is too long, or two stray quotes made one record of several lines."""
    if record.count('"') % 2:
        return None
    try:
        found = list(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter, strict=is_strict))
    except csv.Error:
        return None
    return found[0] if len(found) == 1 else None


def csv_line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()


def guarded(cell: str) -> str:
    """A quote before what a spreadsheet would run, and before a quote, so that reading back is sure."""
    return "'" + cell if cell[:1] and cell[0] in _RISKY + "'" else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:2] and cell[1] in _RISKY + "'" else cell
