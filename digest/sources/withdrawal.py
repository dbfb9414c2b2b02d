"""Whether a paper was withdrawn. arXiv sets no mark: a new version says so in its comment, title or abstract, in its author's words."""

from __future__ import annotations

import re

_READ = 4_000  # characters looked at; the longest abstract seen has 1,923
_THING = r"(?:paper|article|manuscript|submission|preprint|e-?print|version|draft|entry|work|note|report|document)"
_GONE = (
    r"(?:(?:withdrawn|retracted)\b(?!\s+from\s+(?!(?:the\s+)?arxiv))|removed\s+by\s+arxiv)"  # not: from a conference
)
_IS = r"(?:has|have|had|is|was|been|being)\s+(?:\w+\s+){0,3}?"
_DONE = r"(?:withdraws?|withdrew|withdrawn|withdrawing|retract(?:s|ed|ing)?)"
_BY_US = rf"\b(?:we|i|authors?(?:\(s\))?|admin\w*)\b[^.;]{{0,50}}?\b{_DONE}\s+(?:this|the|our|my)\s+{_THING}\b"
_ENDS_THERE = r"(?=\W*$|\s*[.,;:!)\]]|\s+(?:by|due|because|for|since|as|until|pending|owing|in|on|at|after|from\s+(?:the\s+)?arxiv)\b)"

# A comment speaks of its own paper unless it names another version.
_COMMENT = re.compile(
    rf"\b(?:{_THING}|it)\s+(?:(?:\w+\s+){{0,4}}?{_IS})?{_GONE}|^\W*(?:has|have)\s+(?:\w+\s+)?been\s+{_GONE}|{_BY_US}"
    rf"|(?:^|[.,;:|–—-]|[(\[])\s*(?:withdrawn|retracted)\b{_ENDS_THERE}|^\W*withdrawal\s*[:.–—-]",
    re.IGNORECASE,
)
_OF_ANOTHER = re.compile(r"\b(?:replac|supersed|earlier|previous|prior|former|older|another|resubmi)\w*", re.IGNORECASE)
# A study of withdrawn papers speaks of them in its title and abstract too, so there a sentence must begin with it.
_SELF = rf"\W{{0,5}}(?:(?:this|the|our|present|arxiv|admin|note)\W{{1,5}}){{0,4}}{_THING}\s+(?:{_IS})?{_GONE}"
_ABSTRACT = re.compile(
    rf"(?:^|[.!?;]\s+|[(\[])(?:{_SELF}|\W{{0,5}}(?:the\s+)?{_BY_US})|^\W*(?:withdrawn|retracted)\b{_ENDS_THERE}",
    re.IGNORECASE,
)
_TITLE = re.compile(
    rf"^{_SELF}|^\W*(?:withdrawn|retracted)\W*(?:$|[:\])])|[(\[]\s*(?:withdrawn|retracted)\s*[)\]]|[–—-]\s*(?:withdrawn|retracted)\W*$",
    re.IGNORECASE,
)


def is_withdrawn(title: str, abstract: str, comment: str) -> bool:
    """By the wordings of withdrawn papers seen at arXiv. A paper about withdrawals is not one of them."""
    title, abstract, comment = (" ".join(text[:_READ].split()) for text in (title, abstract, comment))
    return (
        any(_COMMENT.search(clause) and not _OF_ANOTHER.search(clause) for clause in re.split(r"[.;]\s", comment))
        or _TITLE.search(title) is not None
        or _ABSTRACT.search(abstract) is not None
    )
