"""Reads the bytes of a mail into plain text parts, in bounded time and depth, however damaged they are.

The standard library's parser is not used for the body: it recurses with the nesting of the mail and reads all of it,
where here a sender decides how deep and how long a mail is.
"""

import binascii
import codecs
import quopri
import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from html import unescape

READ_BYTES = 1_000_000
HEADER_CHARS = 200_000
PART_CHARS = 100_000
DEPTH = 8
PARTS = 60

_FIELD = re.compile(r"([!-9;-~]{1,80})[ \t]*:(.*)", re.DOTALL)
_PARAMETER = re.compile(r"[;\s]([\w-]{1,30})\*?[ \t]*=[ \t]*(?:\"([^\"]{0,200})\"|([^;\s\"]{1,200}))")
_DELIMITER = re.compile(r"(?:^|\n)--([^\s\n][^\n]{0,98}[^\s\n])[ \t]*\ncontent-type:", re.IGNORECASE)
# Only charsets that are read in linear time; Python knows others, punycode for one, which are not.
_CHARSET = re.compile(
    r"utf-(8|16|32)|ascii|iso|latin|cp\d|windows|koi8|mac|shift|euc|gb|big5|hz|tis|johab", re.IGNORECASE
)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_HIDDEN = re.compile(r"<(/?)(?:style|script)\b[^<>]{0,2000}>", re.IGNORECASE)
_LINE_TAG = re.compile(r"<(?:br|p|div|li|tr|h\d)\b[^<>]{0,2000}>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]\w{1,9});", re.IGNORECASE)

Fields = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Part:
    """A leaf of a mail: its media type in lower case, its own header fields, its text with \\n line ends."""

    media_type: str
    fields: Fields
    text: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as its header fields (names in lower case, values unfolded, not decoded) and its leaves in order."""

    fields: Fields
    media_type: str
    report_type: str
    parts: tuple[Part, ...]

    def first(self, name: str) -> str:
        """The first value of a header field, "" where there is none."""
        return first(self.fields, name)


def read_mail(raw: bytes) -> Mail:
    """Split a mail into its parts. Never raises; what lies beyond the limits above is not looked at."""
    text = raw[:READ_BYTES].decode("latin-1").replace("\r\n", "\n").replace("\r", "\n").lstrip("\n")
    if text.startswith(("From ", ">From ")):
        text = text.partition("\n")[2]
    fields, body = split_head(text)
    kind, parameters = _content_type(fields)
    parts: list[Part] = []
    _collect(fields, body, 0, parts)
    return Mail(fields, kind, parameters.get("report-type", "").lower(), tuple(parts))


def first(fields: Fields, name: str) -> str:
    """The first value of a field, "" where there is none."""
    return fields.get(name, [""])[0]


def split_head(text: str) -> tuple[Fields, str]:
    """Header fields and what follows the first empty line. A text without header fields has none and is all body."""
    head, _, body = text.partition("\n\n") if not text.startswith("\n") else ("", "", text[1:])
    return read_fields(head[:HEADER_CHARS]), body


def read_fields(block: str) -> Fields:
    """Header-like lines of a block, names in lower case, folded lines joined with one space."""
    fields: Fields = {}
    last: list[str] | None = None
    for line in block.split("\n"):
        if line[:1] in " \t" and last is not None:
            last[-1] += " " + line.strip()
            continue
        match = _FIELD.match(line)
        if match is None:
            last = None
            continue
        last = fields.setdefault(match[1].lower(), [])
        last.append(match[2].strip())
    return fields


def decode_words(value: str) -> str:
    """A header value with its encoded words (RFC 2047) read; as it stands where they are broken."""
    if "=?" not in value:
        return _from_bytes(value.encode("latin-1", "replace"), "utf-8")
    try:
        pairs = decode_header(value[:2000])
    except (HeaderParseError, ValueError, AssertionError):
        return value
    return "".join(_from_bytes(piece, charset) if isinstance(piece, bytes) else piece for piece, charset in pairs)


def _collect(fields: Fields, body: str, depth: int, parts: list[Part]) -> None:
    if len(parts) >= PARTS:
        return
    kind, parameters = _content_type(fields)
    boundary = parameters.get("boundary", "")
    if not boundary and (kind.startswith("multipart/") or "content-type" not in fields):
        boundary = _guessed_boundary(body)
        if boundary:
            kind = "multipart/mixed"
            parts.append(Part("text/plain", {}, _decode({}, body.partition(f"--{boundary}")[0], {})))
    pieces = _split_parts(body, boundary) if kind.startswith("multipart/") and boundary and depth < DEPTH else []
    if not pieces:
        parts.append(
            Part("text/plain" if kind.startswith("multipart/") else kind, fields, _decode(fields, body, parameters))
        )
    for piece in pieces[:PARTS]:
        inner, text = split_head(piece)
        # Servers that forget the empty line have put the fields of a report into the part's own header.
        _collect(inner, piece if "final-recipient" in inner else text, depth + 1, parts)


def _guessed_boundary(body: str) -> str:
    """The delimiter of a mail that lost the header field which names it."""
    match = _DELIMITER.search(body[:PART_CHARS])
    return match[1] if match else ""


def _split_parts(body: str, boundary: str) -> list[str]:
    """The pieces between delimiter lines; the text before the first one is not part of the mail (RFC 2046, 5.1.1)."""
    pieces = re.split(r"(?:^|\n)--" + re.escape(boundary) + r"(?:--)?[ \t]*(?=\n|$)", body)
    return [piece.removeprefix("\n") for piece in pieces[1:] if piece.strip()]


def _content_type(fields: Fields) -> tuple[str, dict[str, str]]:
    value = first(fields, "content-type")[:2000]
    kind = value.partition(";")[0].strip().lower() or "text/plain"
    parameters: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(value):
        parameters.setdefault(name.lower(), quoted or plain)
    return kind, parameters


def _decode(fields: Fields, body: str, parameters: dict[str, str]) -> str:
    data = body[: PART_CHARS * 2].encode("latin-1", "replace")
    encoding = first(fields, "content-transfer-encoding").strip().lower()
    if encoding == "quoted-printable":
        data = quopri.decodestring(data)
    elif encoding == "base64":
        data = _from_base64(data)
    text = _from_bytes(data.replace(b"\0", b""), parameters.get("charset"))[:PART_CHARS]
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _without_tags(text) if first(fields, "content-type").lower().lstrip().startswith("text/html") else text


def _from_base64(data: bytes) -> bytes:
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    try:
        return binascii.a2b_base64(
            letters[: len(letters) // 4 * 4] + (b"" if len(letters) % 4 == 0 else _tail(letters))
        )
    except binascii.Error:
        return data


def _tail(letters: bytes) -> bytes:
    rest = letters[len(letters) // 4 * 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""


def _from_bytes(data: bytes, charset: str | None) -> str:
    """Text in its declared charset, else UTF-8, else one character a byte. Japanese is known by its escapes."""
    if b"\x1b$" in data or b"\x1b(" in data:
        charset = "iso-2022-jp"
    for name in (charset or "utf-8", "utf-8"):
        try:
            if _CHARSET.match(codecs.lookup(name).name):  # UTF-7 is left out: old Exchange declares it and writes ASCII
                return str(data, name, "replace" if name == "iso-2022-jp" else "strict")
        except (LookupError, UnicodeError, ValueError):
            continue
    return data.decode("latin-1")


def _without_tags(text: str) -> str:
    # Split into turns of what is shown and the mark that follows; what follows an opening mark is not shown.
    turns = _HIDDEN.split(text)
    text = " ".join(shown for mark, shown in zip(["/", *turns[1::2]], turns[::2], strict=True) if mark)
    text = _TAG.sub(" ", _LINE_TAG.sub("\n", text))
    return _ENTITY.sub(lambda match: unescape(match[0]), text).replace("\xa0", " ")
