"""A rendered, inlined, encoded piece of mail with named slots: made once, filled per reader by joining bytes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from digest.rendering.quoted import SOFT_BREAK, encode

# A slot stands in templates as a word that no paper's text can hold, because it is drawn anew in every process.
_NONCE = "0" + secrets.token_hex(8)  # a name ends where a digit stands, also between two slots side by side
_SLOT = re.compile(f"{_NONCE}x([a-z_]+)x{_NONCE}")
# Slots for the bare letters of a token: the line that they stand on is ended by what follows, once, not in every mail.
_TOKENS = frozenset(["action", "click", "edition", "ending", "preferences", "unsubscribe", "vote"])


def slot(name: str) -> str:
    """The word that stands for the slot `name` (lower case and _) in a template's output; safe in text and in URLs."""
    return f"{_NONCE}x{name}x{_NONCE}"


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Encoded chunks with a slot between each two; `size` is the length in bytes when decoded, slots left empty."""

    chunks: tuple[bytes, ...]
    slots: tuple[str, ...]
    size: int

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """The wire bytes with every slot filled by an encoded piece. Raises KeyError for one that is missing."""
        pieces = [self.chunks[0]]
        for name, chunk in zip(self.slots, self.chunks[1:], strict=True):
            pieces += (values[name], chunk)
        return b"".join(pieces)

    def bind(self, values: Mapping[str, bytes], left_open: Sequence[str]) -> tuple[bytes, ...]:
        """The chunks around the slots that stay open, all others filled.

        `left_open` names them in the order in which they stand, so that the code that joins the chunks can rely on it;
        raises ValueError when a template was edited and that code was not.
        """
        chunks, found = [self.chunks[0]], []
        for name, chunk in zip(self.slots, self.chunks[1:], strict=True):
            if name in left_open:
                found.append(name)
                chunks.append(chunk)
            else:
                chunks[-1] += values[name] + chunk
        if found != list(left_open):
            raise ValueError(f"a template has the slots {found}, the code that fills it {list(left_open)}")
        return tuple(chunks)


def compile_skeleton(rendered: str) -> Skeleton:
    """Cut rendered text or HTML at its slots and encode what lies between."""
    parts = _SLOT.split(rendered)
    fixed, slots = parts[::2], parts[1::2]
    ends = ["", *slots]
    chunks = [
        SOFT_BREAK + encode(part) if end in _TOKENS else encode(part) for end, part in zip(ends, fixed, strict=True)
    ]
    return Skeleton(tuple(chunks), tuple(slots), sum(len(part.encode()) for part in fixed))


@lru_cache(maxsize=20_000)
def text_piece(text: str) -> bytes:
    """What fills a slot of a text part."""
    return encode(text)


@lru_cache(maxsize=20_000)
def html_piece(text: str) -> bytes:
    """What fills a slot between tags."""
    return encode(escaped(text))


def escaped(text: str) -> str:
    """Escaped as the inliner's serialiser does it between tags, so that a filled mail equals one rendered whole."""
    return escape(text, quote=False).replace("\xa0", "&nbsp;")
