"""What arXiv's three kinds of XML say: announcement feeds (RSS, Atom), answers to queries (Atom), harvests (OAI-PMH)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from email.utils import parsedate_to_datetime

from lxml import etree

from digest.sources.base import BrokenAnswer, RawPaper, Skips, SourceError
from digest.sources.withdrawal import is_withdrawn

Element = etree._Element

_ANNOUNCEMENT = re.compile(r"\A\s*arXiv:\S+\s+Announce Type:\s*\S+\s*(?:Abstract:\s*)?")
_NO_XML = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(?:0*(?:[0-8]|1[124-9]|2\\d|3[01])|[xX]0*(?:[0-8bBcCeEfF]|1[0-9a-fA-F]|[dD][89a-fA-F][0-9a-fA-F]{2}|[fF]{3}[eEfF]));"
)
_DECLARATION = re.compile(r"\A<\?xml[^>]*\?>")
_VERSION = re.compile(r"v(\d{1,4})$")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a longer answer."""

    papers: tuple[RawPaper, ...]
    total: int | None = None
    listed_on: date | None = None
    token: str | None = None  # of the next page, in a harvest


def parse(body: bytes) -> Element:
    """The root element. No entity is expanded, nothing is loaded. Raises BrokenAnswer for what is not XML."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = _tree(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        start = " ".join(body[:60].decode("utf-8", "replace").split())
        raise BrokenAnswer(
            f"arXiv's answer is not valid XML: {f'it begins with {start!r}' if start else 'it is empty'}"
        ) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise BrokenAnswer("arXiv's answer is not a feed: it declares a document type, as pages and attacks do")
    return root


def _tree(body: bytes, parser: etree.XMLParser) -> Element:
    """A byte or a control character that XML does not know spoils itself only, not a whole day's list."""
    try:
        return etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        mended = _NO_XML.sub("", body.decode("utf-8", "replace")).strip()
        if mended.encode() == body:
            raise
        return etree.fromstring(_DECLARATION.sub("", mended, count=1).encode(), parser)


def read_feed(body: bytes, skips: Skips) -> Page:
    """An announcement feed of either flavour. Its items carry the day that they were announced for."""
    root = parse(body)
    channel = _child(root, "channel") if _name(root) == "rss" else root if _name(root) == "feed" else None
    if channel is None:
        raise BrokenAnswer(f"arXiv's answer is a <{_name(root)}>, not a feed")
    items = [one for one in channel if _name(one) in ("item", "entry")]
    papers = tuple(paper for item in items if (paper := _sound(_announced, item, skips)))
    stamp = _text(channel, "pubDate") or _text(channel, "updated")
    return Page(papers, listed_on=_day(stamp))


def read_query(body: bytes, skips: Skips) -> Page:
    """An answer of the query API. An error comes as status 200 with one entry titled Error: raises SourceError."""
    root = parse(body)
    if _name(root) != "feed":
        raise BrokenAnswer(f"arXiv's answer is a <{_name(root)}>, not a feed")
    entries = [one for one in root if _name(one) == "entry"]
    if entries and "/api/errors" in _text(entries[0], "id"):
        raise SourceError(f"arXiv refused the query: {_text(entries[0], 'summary')[:200]}")
    given = _text(root, "totalResults").strip()
    papers = tuple(paper for entry in entries if (paper := _sound(_queried, entry, skips)))
    return Page(papers, total=int(given) if given.isascii() and given.isdigit() else None)


def read_harvest(body: bytes, skips: Skips) -> Page:
    """A page of ListRecords with prefix arXiv. No matching record is an empty page; other errors raise SourceError."""
    root = parse(body)
    if _name(root) != "OAI-PMH":
        raise BrokenAnswer(f"arXiv's answer is a <{_name(root)}>, not a harvest")
    error = _child(root, "error")
    if error is not None and error.get("code") != "noRecordsMatch":
        raise SourceError(f"arXiv refused the harvest: {error.get('code')}: {(error.text or '')[:200]}")
    listed = _child(root, "ListRecords")
    if listed is None and error is None:
        raise BrokenAnswer("arXiv's harvest holds no list of records")
    records = [] if listed is None else [one for one in listed if _name(one) == "record"]
    papers = tuple(paper for record in records if (paper := _sound(_harvested, record, skips)))
    token = _text(listed, "resumptionToken").strip() if listed is not None else ""
    return Page(papers, token=token or None)


def _sound(read: Callable[[Element], RawPaper], item: Element, skips: Skips) -> RawPaper | None:
    paper = read(item)
    if not paper.id.strip():
        skips.add("no id")
        return None
    if not paper.title.strip() and not paper.is_withdrawn:
        skips.add("no title")
        return None
    return paper


def _announced(item: Element) -> RawPaper:
    key = _text(item, "guid") or _text(item, "id") or _text(item, "link")
    abstract = _ANNOUNCEMENT.sub("", _text(item, "description") or _text(item, "summary"), count=1)
    kind = _text(item, "announce_type").strip()
    version = _VERSION.search(key.strip())
    title = _text(item, "title")
    return RawPaper(
        id=key,
        title=title,
        abstract=abstract,
        authors=_split_names(_text(item, "creator")),
        categories=tuple(one.get("term") or (one.text or "").strip() for one in item if _name(one) == "category"),
        listed_on=_day(_text(item, "pubDate") or _text(item, "published")),
        is_revision=kind.startswith("replace") or (kind == "cross" and version is not None and version[1] != "1"),
        is_withdrawn=is_withdrawn(title, abstract, ""),
    )


def _queried(entry: Element) -> RawPaper:
    title, abstract = _text(entry, "title"), _text(entry, "summary")
    people = [_text(one, "name") for one in entry if _name(one) == "author"]
    return RawPaper(
        id=_text(entry, "id"),
        title=title,
        abstract=abstract,
        authors=tuple(filter(None, people)),
        categories=tuple(term for one in entry if _name(one) == "category" and (term := one.get("term"))),
        published_on=_day(_text(entry, "published")),
        is_withdrawn=is_withdrawn(title, abstract, _text(entry, "comment")),
    )


def _harvested(record: Element) -> RawPaper:
    header = _child(record, "header")
    key = _text(header, "identifier") if header is not None else ""
    if header is not None and header.get("status") == "deleted":
        return RawPaper(id=key, title="", is_withdrawn=True)
    metadata = _child(record, "metadata")
    paper = metadata[0] if metadata is not None and len(metadata) else record
    authors = _child(paper, "authors")
    people = [] if authors is None else [one for one in authors if _name(one) == "author"]
    title, abstract = _text(paper, "title"), _text(paper, "abstract")
    return RawPaper(
        id=_text(paper, "id") or key,
        title=title,
        abstract=abstract,
        authors=tuple(
            " ".join(filter(None, (_text(one, part) for part in ("forenames", "keyname", "suffix")))) for one in people
        ),
        categories=tuple(_text(paper, "categories").split()),
        published_on=_day(_text(paper, "created")),
        is_withdrawn=is_withdrawn(title, abstract, _text(paper, "comments")),
    )


def _split_names(creator: str) -> tuple[str, ...]:
    """`Ann Lee, Bob Ray (Some Lab, Town)` -> two names; a comma in brackets parts nobody."""
    flat = re.sub(r"\([^()]*\)", " ", creator)
    return tuple(name.strip() for name in re.split("[,;]", flat) if name.strip())


def _day(given: str) -> date | None:
    """The day of a time in its own zone: midnight Eastern belongs to its own date, not to the one in UTC."""
    given = given.strip()
    try:
        day = datetime.fromisoformat(given).date() if given[:4].isdigit() else parsedate_to_datetime(given).date()
    except (ValueError, OverflowError):  # a zone may be years away
        return None
    return day if 1990 <= day.year < 2100 else None


def _name(element: Element) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _child(parent: Element, name: str) -> Element | None:
    return next((one for one in parent if _name(one) == name), None)


def _text(parent: Element, name: str) -> str:
    found = _child(parent, name)
    return "" if found is None else "".join(str(part) for part in found.itertext())
