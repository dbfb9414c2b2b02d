"""How much of each paper a mail has room for: full, short, line, or only counted."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

HTML_MAX = 80 * 1024  # bytes of HTML before transfer encoding; Gmail clips at about 102 KB, gateways rewrite links
CARDS = 10  # papers that keep their gist and links longest


class Form(IntEnum):
    """How a paper is shown, from most to least."""

    FULL = 0
    SHORT = 1
    LINE = 2
    COUNTED = 3


class Sizes(NamedTuple):
    """Bytes of HTML that one paper takes in each form that is shown."""

    full: int
    short: int
    line: int


def plan(papers: Sequence[Sizes], room: int) -> list[Form]:
    """The form of each paper, in order, so that all together take at most `room` bytes.

    Papers shrink from the last to the first: those after the first CARDS to short, then to lines; then the first ones;
    at last papers from the end are only counted. Never does a later paper get more than an earlier one.
    """
    forms = [Form.FULL] * len(papers)
    total = sum(sizes.full for sizes in papers)
    if total <= room:
        return forms
    for smallest, to in ((CARDS, Form.SHORT), (CARDS, Form.LINE), (0, Form.SHORT), (0, Form.LINE), (0, Form.COUNTED)):
        for i in reversed(range(smallest, len(papers))):
            if to > forms[i]:
                total += _bytes(papers[i], to) - _bytes(papers[i], forms[i])
                forms[i] = to
            if total <= room:
                return forms
    return forms


def _bytes(sizes: Sizes, form: Form) -> int:
    return 0 if form is Form.COUNTED else sizes[form]
