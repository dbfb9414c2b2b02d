"""A source's text made fit to be read: repaired plain Unicode, cut only where reading may stop.

Nothing here makes HTML: a tag in a title is text like any other, and whoever shows it escapes it.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import cache
from html.entities import html5

from digest.papers.tex import to_unicode

TITLE_LONGEST = 1_000  # characters kept in the database; the longest title seen is 175
ABSTRACT_LONGEST = 20_000  # the longest abstract seen is 1,923
NAME_LONGEST = 200
_READ_AT_MOST = 4  # times the cap is looked at: entities and wraps shrink a text, seldom by more


@cache
def _mark() -> str:
    """What can be heaped on a letter: marks that NFC sorts, in square time, and those that enclose or tower.

    Looked for with the first text, not at import: every command line would wait for it.
    """
    return f"[{''.join(filter(_is_mark, map(chr, range(0x300, 0x1EA00))))}]"


def _is_mark(character: str) -> bool:
    category = unicodedata.category(character)
    is_thai_or_lao = "\u0e00" <= character <= "\u0eff" and category == "Mn"
    return bool(unicodedata.combining(character)) or category == "Me" or is_thai_or_lao


@cache
def _mark_run() -> re.Pattern[str]:
    return re.compile(f"({_mark()}{{4}}){_mark()}+")  # four serve every living script


@cache
def _extends() -> re.Pattern[str]:
    return re.compile(f"{_mark()}|[\u200d\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")


_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LINE_END = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
# controls; soft hyphen; invisible and direction characters; noncharacters; tags outside a flag
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ufdd0-\ufdef\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0080-\U000e0fff]"
)
_TAGS = re.compile("(\U0001f3f4[\U000e0061-\U000e007a]{2,6}\U000e007f)|[\U000e0000-\U000e007f]")
_JOINER = re.compile(
    "(?<![^\\x00-\\x7f])[\u200c\u200d]+|[\u200c\u200d]+(?![^\\x00-\\x7f\\s])|([\u200c\u200d])[\u200c\u200d]+"
)
_SELECTOR = re.compile(
    "(?<![^A-Za-z\\s\ufe00-\ufe0f])[\ufe00-\ufe0f]+|([\ufe00-\ufe0f])[\ufe00-\ufe0f]+"
)  # one, after a sign
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_INDENTED = re.compile(r"(?<=[.!?:])[ \t]*\n[ \t]{2,}(?=\S)")
_UNINDENTED_LINE = re.compile(r"\n(?=\S)")
_HYPHEN_WRAP = re.compile(r"(?<=[a-z]-)\s*\n\s*(?=[a-z])(?!(?:and|or|to|nor|as|but|versus|vs)\b)")
_WIDE = "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef\u3000-\u303f]"
_WIDE_WRAP = re.compile(rf"(?<={_WIDE})[ \t]*\n[ \t]*(?={_WIDE})")
_BLANKS = re.compile(r"[^\S\n]+|\u2800+")  # a braille cell without dots is one


def title(given: str) -> str:
    """One line of at most TITLE_LONGEST characters; empty when nothing visible was given."""
    return clip(_on_one_line(_prepared(given, TITLE_LONGEST)), TITLE_LONGEST)


def abstract(given: str) -> str:
    """Paragraphs of one line each, a blank line between them, at most ABSTRACT_LONGEST characters in all."""
    text = _prepared(given, ABSTRACT_LONGEST).strip("\n")
    if _UNINDENTED_LINE.search(text):  # where each line is indented an indent says nothing
        text = _INDENTED.sub("\n\n", text)
    paragraphs = (_on_one_line(part) for part in _PARAGRAPH.split(text))
    return clip("\n\n".join(part for part in paragraphs if part), ABSTRACT_LONGEST)


def name(given: str) -> str:
    """A person's, organisation's or keyword's name on one line."""
    return clip(_on_one_line(_prepared(given, NAME_LONGEST)), NAME_LONGEST)


def _prepared(given: str, longest: int) -> str:
    """Entities resolved once, line ends alike, unseen characters gone, NFC."""
    text = _cut_roughly(given, longest * _READ_AT_MOST)
    text = _LINE_END.sub("\n", _ENTITY.sub(_resolved, text))
    text = _TAGS.sub(lambda found: found[1] or "", _UNSEEN.sub("", _joined_surrogates(text)))
    text = _SELECTOR.sub(lambda found: found[1] or "", _JOINER.sub(lambda found: found[1] or "", text))
    return _mark_run().sub(r"\1", unicodedata.normalize("NFC", _mark_run().sub(r"\1", text)))


def _joined_surrogates(text: str) -> str:
    """Two halves of one character that were escaped apart become it again; lone ones are dropped with the unseen."""
    if not re.search("[\ud800-\udbff][\udc00-\udfff]", text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def _cut_roughly(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    cut = max(text.rfind(blank, longest - 200, longest) for blank in " \n")
    return text[: cut if cut > 0 else longest]


def _resolved(found: re.Match[str]) -> str:
    entity = found[0]
    return html.unescape(entity) if entity[1] == "#" or entity[1:] in html5 else entity


def _on_one_line(text: str) -> str:
    text = _WIDE_WRAP.sub("", _HYPHEN_WRAP.sub("", text))
    return _mark_run().sub(r"\1", unicodedata.normalize("NFC", " ".join(to_unicode(_BLANKS.sub(" ", text)).split())))


# --- where reading may stop -------------------------------------------------------------------------------------------

_FORMULA = re.compile(r"\$[^$\n]{1,500}\$|\\[A-Za-z]+(?:\{[^{}\n]{0,200}\})+")
_STOP = re.compile(r"(?<![.!?…])[.!?…]+[\"'”’)\]]*\s+(?=[\"'“‘(\[]*(?:[^\W_a-z]|\$))|[。！？]+[”’」』）]*\s*|\n\n+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[“\"'/-])(?:e\.g|i\.e|cf|etc|vs|al|fig|figs|eq|eqs|sec|secs|tab|no|nos|approx|resp|ref|refs|vol|pp|ca|w\.r\.t|a\.k\.a|dr|prof|mr|mrs|ms|st"
    r"|inc|corp|jr|sr|dept|ed|eds|viz|incl|max|min|thm|lem|def|prop|u\.s|u\.k|[A-Z])\.$",
    re.IGNORECASE,
)
_MAY_END = frozenset(("etc.", "al.", "no.", "u.s.", "u.k.", "inc.", "corp."))
_LOOSE_END = re.compile(r"[\s,;:–—($-]{1,8}\Z")


def sentences(text: str) -> list[str]:
    """The sentences of repaired prose, in order; joined by blanks they are the text again.

    An abbreviation, an initial, a decimal point or a point inside a formula ends none.
    """
    formulas = [found.span() for found in _FORMULA.finditer(text)]
    found: list[str] = []
    begin = 0
    for stop in _STOP.finditer(text):
        end = stop.start() + len(stop[0].rstrip())
        if any(start < end < past for start, past in formulas) or _is_abbreviated(
            text[max(begin, end - 14) : end], text[stop.end() :][:1]
        ):
            continue
        found.append(text[begin:end].strip())
        begin = stop.end()
    return [one for one in (*found, text[begin:].strip()) if one]


def _is_abbreviated(before: str, after: str) -> bool:
    found = _ABBREVIATION.search(before)
    if found is None:
        return False
    word = found[0].strip("([“\"'/- \n\t").lower()
    return not (word in _MAY_END and after.isupper()) or word == "al." or len(word) == 2


def clip(text: str, limit: int, mark: str = "…") -> str:
    """At most `limit` characters, `mark` included. Cut between words, outside formulas, never inside a grapheme."""
    if len(text) <= limit:
        return text
    room = limit - len(mark)
    if room <= 0:
        return mark[: max(0, limit)]
    cut = text.rfind(" ", room // 2, room + 1)
    cut = cut if cut > 0 else _between_graphemes(text, room)
    for found in _FORMULA.finditer(text, max(0, cut - 800)):
        if found.start() >= cut:
            break
        if cut < found.end() and found.start() > 0:
            cut = found.start()
    return _LOOSE_END.sub("", text[:cut]) + mark


def _between_graphemes(text: str, at: int) -> int:
    begin = at
    while (
        at > 0
        and begin - at < 40
        and (_extends().match(text, at) or text[at - 1] == "\u200d" or _splits_flag(text, at))
    ):
        at -= 1
    return at or begin


def _splits_flag(text: str, at: int) -> bool:
    """A flag is two regional letters: a cut is inside one when an odd number of them stands before it."""
    run = 0
    while at - run > 0 and run < 40 and "\U0001f1e6" <= text[at - run - 1] <= "\U0001f1ff":
        run += 1
    return run % 2 == 1 and "\U0001f1e6" <= text[at : at + 1] <= "\U0001f1ff"
