"""What makes two records the same paper: the arXiv id without its version, always text."""

from __future__ import annotations

import re
from dataclasses import dataclass

# https://info.arxiv.org/help/arxiv_identifier.html: YYMM.NNNN until 2014-12, YYMM.NNNNN after, ARCHIVE(.SC)/YYMMNNN before 2007-04.
_MONTH = r"\d\d(?:0[1-9]|1[0-2])"
_NEW = re.compile(rf"({_MONTH}\.\d{{4,5}})(?:v(\d{{1,4}}))?", re.ASCII)
_OLD = re.compile(
    rf"([a-z]{{2,12}}(?:-[a-z]{{2,4}})?)(?:\.[A-Za-z]{{2}})?/({_MONTH}\d{{3}})(?:v(\d{{1,4}}))?", re.ASCII
)
_PREFIX = re.compile(
    r"(?:https?://)?(?:(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html)/|(?:www\.)?huggingface\.co/papers/"
    r"|doi\.org/10\.48550/arxiv\.|10\.48550/arxiv\.|oai:arxiv\.org:|arxiv:\s?)",
    re.ASCII | re.IGNORECASE,
)
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class ArxivId:
    """`key` is `2503.02130` or `hep-th/9901001`; `version` is None where the source named none."""

    key: str
    version: int | None = None


def parse(given: object) -> ArxivId | None:
    """The arXiv id in a bare id, a page address, a DOI or an OAI identifier; None for anything else.

    A number is refused, not printed: 2503.02130 read as a number has become 2503.0213, another paper.
    """
    if not isinstance(given, str) or len(given) > _LONGEST:
        return None
    text = _PREFIX.sub("", given.strip(), count=1) if _PREFIX.match(given.strip()) else given.strip()
    text = text.removesuffix(".pdf")
    if found := _NEW.fullmatch(text):
        return ArxivId(found[1], _version(found[2])) if _length_fits(found[1]) else None
    if found := _OLD.fullmatch(text):
        return ArxivId(f"{found[1]}/{found[2]}", _version(found[3]))
    return None


def _version(digits: str | None) -> int | None:
    return int(digits) if digits else None


def _length_fits(key: str) -> bool:
    """Four digits were given from 2007-04 to 2014-12; a later id with four has lost one."""
    month, number = key.split(".")
    return len(number) == 5 or "0704" <= month <= "1412"
