from __future__ import annotations

import quopri
import re

from hypothesis import given
from hypothesis import strategies as st

from digest.rendering.quoted import encode

texts = st.text(st.characters(codec="utf-8", exclude_characters="\r") | st.sampled_from(" .=\nF%"), max_size=400)


def decoded(wire: bytes) -> str:
    return quopri.decodestring(wire).decode().replace("\r\n", "\n")


@given(st.lists(texts, max_size=4))
def test_it_decodes_to_the_joined_text_in_any_company(pieces: list[str]) -> None:
    assert decoded(b"".join(encode(piece) for piece in pieces)) == "".join(pieces)


@given(st.lists(texts, max_size=4))
def test_it_leaves_nothing_to_stuff_to_fold_or_to_canonicalise(pieces: list[str]) -> None:
    wire = b"".join(encode(piece) for piece in pieces)
    lines = wire.split(b"\r\n")
    assert wire.isascii()
    assert max(map(len, lines)) <= 76
    assert not any(line.startswith((b".", b"From ")) or line.endswith(b" ") for line in lines)
    assert not re.search(rb"\t|  |(?<!\r)\n|\r(?!\n)", wire)


def test_it_gives_nothing_for_nothing() -> None:
    assert encode("") == b""
