"""The mail that is joined from skeletons is the mail that is rendered whole."""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.render import PlainWay
from digest.editions.edition import Edition, Kind
from digest.rendering.gallery import AT, TO, editions, links
from digest.rendering.layout import Form
from digest.rendering.renderer import Renderer
from digest.rendering.sheet import Sheet
from tests.unit.rendering.samples import MESSAGE_ID, SENDER, parsed, part

DIGESTS = {name: edition for name, edition in editions() if edition.kind is not Kind.QUIET}
PLAIN = PlainWay(SENDER)


@cache
def sheet() -> Sheet:
    return Renderer(SENDER).prepare([pick.paper for edition in DIGESTS.values() for pick in edition.picks])


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("name", DIGESTS)
def test_it_equals_the_mail_rendered_whole(name: str, language: str) -> None:
    assert_equals_the_whole(sheet(), name, DIGESTS[name], language)


@pytest.mark.parametrize(
    ("room", "first", "last"),
    [
        (64_000, Form.FULL, Form.LINE),
        (45_000, Form.SHORT, Form.LINE),
        (25_000, Form.LINE, Form.COUNTED),
    ],
)
def test_it_equals_it_where_there_is_room_for_less(
    room: int, first: Form, last: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.rendering.desk.HTML_MAX", room)
    name, edition = max(DIGESTS.items(), key=lambda item: len(item[1].picks))
    narrow = Renderer(SENDER).prepare([pick.paper for pick in edition.picks], ["en"])
    forms = narrow.forms(edition, "en")
    assert (forms[0], forms[-1]) == (first, last)
    assert_equals_the_whole(narrow, name, edition, "en")


def assert_equals_the_whole(sheet: Sheet, name: str, edition: Edition, language: str) -> None:
    known = links(SENDER, name, edition.picks)
    filled = sheet.fill(edition, TO, language, known, MESSAGE_ID, AT)
    text, html, subject = PLAIN.parts(edition, language, known, sheet.forms(edition, language))
    assert part(filled, "plain") == text
    assert part(filled, "html") == html
    assert parsed(filled)["Subject"] == subject
