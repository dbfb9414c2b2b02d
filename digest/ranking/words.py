"""From text to countable terms: words, word pairs, and the acronyms a corpus explains itself."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import pairwise

from digest.papers.paper import Paper
from digest.ranking.parameters import DEFAULT, Parameters

LONGEST_TOPIC = 200  # characters of a reader's topic that are looked at
_TOKEN = re.compile(r"[^\W_]+(?:['’`\-‐‑][^\W_]+)*")
_JOINER = re.compile(r"['’`\-‐‑]")
_SPACELESS = re.compile(r"[぀-ヿ㐀-鿿가-힯฀-๿]")
_EXPLAINED = re.compile(r"((?:[^\W_][\w’'-]*[ -]+){2,7})\(([A-Za-z][A-Za-z0-9-]{1,9})\)")
_STOP_WORDS = """
a about above achieve across after again all almost also although among an and another any approach are as at
based be because been before being between both but by can cannot could demonstrate did do does doing during
each either et existing few for from further furthermore given had has have having he her here how however i
if in into introduce is it its itself just many may method might more moreover most much must new no nor not
novel of off often on once one only onto or other our out over own paper per present propose proposed rather
result same several she should show shows since so some still such than that the their them then there these
they this those three through thus to too toward towards two under until up upon us use used uses using very
via was we were what when where whereas whether which while who why will with within without work would yet
you your
"""
_STOP = frozenset(_STOP_WORDS.split())


@lru_cache(maxsize=65_536)
def _letters(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not unicodedata.combining(c)))


def plain(text: str) -> str:
    """`text` without case and diacritics, compatibility forms unified, white space single."""
    return " ".join(_letters(word) for word in text.split())


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """English plurals off, nothing else: `models` and `model` are one term, `policy` and `police` are not."""
    if len(word) < 4 or word[-1] != "s" or word.endswith(("ss", "us", "is", "ous")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1]


def _parts(token: str) -> Iterator[str]:
    if _SPACELESS.search(token):
        yield from (token[i : i + 2] for i in range(max(len(token) - 1, 1)))
        return
    pieces = [stem(p) for p in _JOINER.split(token) if p]
    yield from pieces


def words(text: str) -> list[str]:
    """Stems in reading order, stop words left out as "" so that no pair is made across them."""
    found: list[str] = []
    for match in _TOKEN.finditer(plain(text)):
        found.extend("" if part in _STOP else part for part in _parts(match.group()))
    return found


def terms(text: str) -> Counter[str]:
    """Words and pairs of neighbouring words (`language model`), with their counts; hyphens join (`finetuning`)."""
    stems = words(text)
    counted = Counter(w for w in stems if len(w) > 1)
    counted.update(f"{a} {b}" for a, b in pairwise(stems) if a and b)
    for match in _TOKEN.finditer(plain(text)):
        joined = _JOINER.sub("", match.group())
        if joined != match.group():
            counted[stem(joined)] += 1
    return counted


def paper_terms(paper: Paper, parameters: Parameters = DEFAULT) -> Counter[str]:
    """All that is counted of a paper; names and categories are terms of their own, never mixed with words."""
    counted = terms(paper.abstract)
    for term, n in terms(paper.title).items():
        counted[term] += parameters.title_weight * n
    for keyword in paper.keywords:
        for term, n in terms(keyword).items():
            counted[term] += parameters.keyword_weight * n
    counted.update(f"in:{plain(category)}" for category in paper.categories)
    counted.update(f"by:{plain(author)}" for author in paper.authors[:30])
    if paper.organization:
        counted[f"at:{plain(paper.organization)}"] += 1
    return counted


def acronyms(texts: Sequence[str], forms: int = 2) -> dict[str, list[str]]:
    """What each short form stands for, as papers spell it out: `large language models (LLMs)` gives llm.

    Returns stemmed short form -> stemmed long forms, only where the initials agree; a long form met less than half as
    often as the first is a slip or somebody's own. What papers mostly write small is a word: one that calls its method
    CODE must not change what code means to a reader.
    """
    met: dict[str, Counter[str]] = {}
    for text in texts:
        for match in _EXPLAINED.finditer(text):
            long = _long_form(match.group(1), match.group(2))
            if long:
                met.setdefault(stem(plain(match.group(2))), Counter())[long] += 1
    small = _written_small(texts, met.keys())
    found = {short: longs.most_common(forms) for short, longs in met.items() if short not in small}
    return {short: [long for long, n in ranked if 2 * n >= ranked[0][1]] for short, ranked in found.items()}


def _written_small(texts: Iterable[str], shorts: AbstractSet[str]) -> set[str]:
    """Those of `shorts` that more texts write in small letters than with two capitals or more."""
    small: Counter[str] = Counter()
    for text in texts:
        tokens = [token for token in set(_TOKEN.findall(text)) if stem(plain(token)) in shorts]
        small.update({stem(token) for token in tokens if token.islower()})
        small.subtract({stem(plain(token)) for token in tokens if sum(map(str.isupper, token)) > 1})
    return {short for short, count in small.items() if count > 0}


def _long_form(before: str, short: str) -> str:
    bare = short[:-1] if short[-1] == "s" and short[:-1].isupper() else short
    capitals = "".join(letter for letter in bare if letter.isupper())  # NeRF: neural radiance fields
    pieces: Sequence[str] = [p for p in re.split(r"[ \-]+", plain(before)) if p]
    for letters in (plain(bare).replace("-", ""), plain(capitals)):
        for skip_small in (False, True):
            chosen = [p for p in pieces if not (skip_small and p in _STOP)][-len(letters) :]
            if len(letters) > 1 and "".join(p[0] for p in chosen) == letters:
                return " ".join(stem(p) for p in chosen)
    return ""
