"""A few mails as files, so that a change of templates or wording is seen in review.

DIGEST_GOLDEN=write makes them anew.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from digest.rendering.gallery import gallery
from tests.unit.rendering.samples import SENDER, part

GOLDEN = Path(__file__).parents[2] / "golden"
FILES = {
    "digest-1.html": ("en", "html"),
    "digest-1.txt": ("en", "plain"),
    "second-chance.txt": ("de", "plain"),
    "quiet-holiday.txt": ("en", "plain"),
    "confirm.html": ("en", "html"),
    "confirm.txt": ("en", "plain"),
    "goodbye.txt": ("de", "plain"),
}


@cache
def mails(language: str) -> dict[str, bytes]:
    return {sample.name: sample.mail for sample in gallery(SENDER, language)}


@pytest.mark.parametrize("name", FILES)
def test_it_makes_the_mail_that_was_looked_at(name: str) -> None:
    language, kind = FILES[name]
    made = part(mails(language)[name.partition(".")[0]], kind)
    path = GOLDEN / name
    if os.environ.get("DIGEST_GOLDEN") == "write":
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8")
