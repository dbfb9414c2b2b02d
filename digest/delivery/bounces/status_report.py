"""Reads the fields of a delivery status part (RFC 3464, RFC 6533), also where servers bend the format."""

import re
from dataclasses import dataclass

from digest.delivery.bounces.mail import Fields, Part, first, read_fields

MOST_ROWS = 200
_TYPES = {"message/delivery-status", "message/global-delivery-status", "text/delivery-status"}
_UNNAMED = {"text/plain", "application/octet-stream"}
_IN_PROSE = re.compile(r"^final-recipient\s*:", re.IGNORECASE | re.MULTILINE)
_ADDRESS = re.compile(r"(?:\"[^\"]{1,64}\"|[^\s<>@;|\"]{1,128})@[^\s<>@;|\"]{1,253}")
# A letter as RFC 6533, section 3 writes it for systems that read ASCII only.
_ESCAPED = re.compile(r"\\x\{(0?[0-9a-f]{2,5})\}", re.IGNORECASE)
_DONE = ("delivered", "relayed", "expanded", "deliverable")


@dataclass(frozen=True, slots=True)
class Row:
    """What a report says of one recipient. addresses: best first; the first is the one we wrote to, as far as known.

    is_program: a program of the receiving side failed, which says nothing of the address.
    """

    addresses: tuple[str, ...]
    is_delayed: bool
    is_done: bool
    is_program: bool
    status: str
    words: str


def status_rows(parts: tuple[Part, ...]) -> list[Row]:
    """The recipients of every delivery status part, else of fields that stand in plain text."""
    texts = [part.text for part in parts if part.media_type in _TYPES]
    texts = texts or [part.text for part in parts if part.media_type in _UNNAMED and _IN_PROSE.search(part.text)]
    return [_row(block) for text in texts for block in _blocks(text)][:MOST_ROWS]


def has_status_part(parts: tuple[Part, ...]) -> bool:
    """Whether a part says that it is a delivery status."""
    return any(part.media_type in _TYPES for part in parts)


def _blocks(text: str) -> list[Fields]:
    """One block of fields per recipient. A server may leave out the empty line between two, or put one too many."""
    blocks: list[Fields] = []
    for paragraph in re.split(r"\n[ \t]*\n", text):
        pieces = re.split(r"^(?=final-recipient\s*:)", paragraph, flags=re.IGNORECASE | re.MULTILINE)
        joined = [paragraph] if len(pieces) < 3 else pieces[1:]
        for fields in map(read_fields, joined[:MOST_ROWS]):
            if _names_someone(fields):
                blocks.append(fields)
            elif blocks and "action" not in blocks[-1]:
                for name, values in fields.items():
                    blocks[-1].setdefault(name, values)
    return blocks


def _names_someone(fields: Fields) -> bool:
    return "final-recipient" in fields or "original-recipient" in fields


def _row(fields: Fields) -> Row:
    action = first(fields, "action").lower()
    status = first(fields, "status")
    named = (first(fields, name) for name in ("original-recipient", "final-recipient", "x-actual-recipient"))
    return Row(
        addresses=tuple(address for value in named if (address := _address(value))),
        is_delayed="delay" in action,
        is_done=action.startswith(_DONE) or (not action and status.startswith("2")),
        is_program=first(fields, "diagnostic-code").lower().startswith("x-unix"),
        status=status,
        words=_words(fields, status),
    )


def _address(value: str) -> str | None:
    """The address in a field such as "rfc822; <ann@example.com>"; None for X.400 names and pipes without one."""
    value = _ESCAPED.sub(_letter, value.partition(";")[2] or value)
    match = _ADDRESS.search(re.sub(r"^\s*<?@[^:\s]{1,253}:", "", value))
    return match[0].rstrip(".,)") if match else None


def _letter(escaped: re.Match[str]) -> str:
    letter = chr(int(escaped[1], 16))
    return letter if letter.isprintable() else escaped[0]


def _words(fields: Fields, status: str) -> str:
    """What the other server said. A bare exit code of a program says nothing."""
    kind, mark, said = first(fields, "diagnostic-code").partition(";")
    diagnostic = said if mark and " " not in kind.strip() else kind + mark + said
    words = " ".join([diagnostic.strip(), *fields.get("x400-supplementary-info", [])])
    comment = re.search(r"\(([^()]{3,200})\)", status)
    if comment and not re.search(r"[a-z]", words, re.IGNORECASE):
        words = f"{words} {comment[1]}"
    return words if re.search(r"[^\W\d]", words) else ""
