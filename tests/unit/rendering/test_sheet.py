from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.editions.edition import Edition, Pick
from digest.ranking.choice import Reason, ReasonKind
from digest.rendering import inline
from digest.rendering.mime import HeaderError
from digest.rendering.renderer import Renderer
from digest.rendering.skeleton import slot
from digest.subscribers.tokens import vote_ending
from tests.unit.rendering.samples import AT, LINKS, MESSAGE_ID, SENDER, URL, a_paper, an_edition, links_of, parsed, part

RENDERER = Renderer(SENDER)
PAPERS = [a_paper(number) for number in range(1, 13)]
SHEET = RENDERER.prepare(PAPERS)


def mail(edition: Edition, language: str = "en", to: str = "ann@example.com") -> bytes:
    return SHEET.fill(edition, to, language, links_of(edition), MESSAGE_ID, AT)


def test_it_shows_every_paper_in_both_parts() -> None:
    raw = mail(an_edition(*PAPERS))
    for paper in PAPERS:
        assert paper.title in part(raw, "plain")
        assert paper.title in part(raw, "html")


def test_it_keeps_links_within_78_columns_where_they_fit() -> None:
    address = "https://github.com/some-laboratory/a-name-that-is-long-for-a-project"
    paper = a_paper(40, code_url=address, code_stars=246)
    lines = part(mail(an_edition(paper), "de"), "plain").split("\n")
    assert f"    {address}" in lines
    assert "  Code (246 Sterne):" in lines


def test_it_makes_the_same_bytes_of_the_same_edition() -> None:
    assert mail(an_edition(*PAPERS)) == mail(an_edition(*PAPERS))


def test_it_never_takes_a_pick_for_one_that_lay_where_it_lies() -> None:
    sheet = RENDERER.prepare(PAPERS)
    for number in range(100):
        topic = f"topic {number}"
        edition = an_edition(PAPERS[0])
        pick = edition.picks[0]._replace(reasons=(Reason(ReasonKind.TOPIC, 0.5, topic),))
        edition = edition._replace(picks=(pick,))
        raw = sheet.fill(edition, "ann@example.com", "en", links_of(edition), MESSAGE_ID, AT)
        assert f"“{topic}”" in part(raw, "plain")


def test_it_says_a_day_as_it_is_on_the_day_of_the_mail() -> None:
    liked = Reason(ReasonKind.LIKED, 0.5, "An older paper", 3, date(2026, 6, 2))
    edition = an_edition(PAPERS[0])
    edition = edition._replace(picks=(edition.picks[0]._replace(reasons=(liked,)),))
    soon, late = (part(mail(edition._replace(dated_on=day)), "plain") for day in (date(2026, 6, 4), date(2026, 6, 20)))
    assert "on Tuesday" in soon
    assert "on Tuesday" not in late


def test_it_renders_nothing_while_it_fills() -> None:
    sheet = RENDERER.prepare(PAPERS)
    before = inline.calls
    for number in range(5):
        edition = an_edition(*PAPERS[number:])
        sheet.fill(edition, "ann@example.com", "de", links_of(edition), MESSAGE_ID, AT)
    assert inline.calls == before


def test_it_escapes_what_feeds_and_readers_wrote() -> None:
    paper = a_paper(21, title="When a < b & <EOS> meet <script >now()")
    raw = mail(an_edition(paper))
    assert "<script" not in part(raw, "html")
    assert "When a &lt; b &amp; &lt;EOS&gt; meet now()" in part(raw, "html")
    assert "When a < b & <EOS> meet now()" in part(raw, "plain")


def test_it_names_one_reader_and_the_ways_out() -> None:
    message = parsed(mail(an_edition(*PAPERS)))
    assert message["To"] == "ann@example.com"
    assert f"<{URL}/u/{'u' * 32}>" in message["List-Unsubscribe"]
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Message-ID"] == MESSAGE_ID


@pytest.mark.parametrize(
    "to", ["ann@example.com\r\nBcc: bob@example.com", "", "ann", "<ann@example.com>", "a b@example.com"]
)
def test_it_refuses_an_address_that_could_break_the_header(to: str) -> None:
    with pytest.raises(HeaderError):
        mail(an_edition(*PAPERS), to=to)


def test_it_refuses_an_edition_without_papers() -> None:
    with pytest.raises(ValueError, match="no papers"):
        mail(an_edition()._replace(picks=()))


def test_it_leads_over_our_own_links_only_when_clicks_are_tracked() -> None:
    edition = an_edition(*PAPERS)
    tracked = (
        Renderer(replace(SENDER, is_tracking=True))
        .prepare([], ())
        .fill(edition, "ann@example.com", "en", links_of(edition), MESSAGE_ID, AT)
    )
    for kind in ("plain", "html"):
        assert "arxiv.org/abs" in part(mail(edition), kind)
        assert "/k/" not in part(mail(edition), kind)
        assert "arxiv.org/abs" not in part(tracked, kind)
        assert part(tracked, kind).count(f"/k/0012{'k' * 36}") == (2 if kind == "html" else 1)


def test_it_puts_the_token_of_votes_only_where_a_vote_is() -> None:
    plain, odd = (
        mail(an_edition()._replace(picks=(Pick(PAPERS[0], (Reason(ReasonKind.TOPIC, 1.0, topic),), 5),)))
        for topic in ("a zero", "a \0")
    )
    assert b"a =00" in odd
    assert b"\0" not in odd
    assert odd.count(LINKS.vote) == plain.count(LINKS.vote)


def test_it_votes_alike_whether_clicks_are_tracked_or_not() -> None:
    edition = an_edition(*PAPERS)
    sheet = Renderer(replace(SENDER, is_tracking=True)).prepare([], ())
    tracked = sheet.fill(edition, "ann@example.com", "en", links_of(edition), MESSAGE_ID, AT)
    for kind in ("plain", "html"):
        votes = re.findall(r"/v/[\w/-]+", part(tracked, kind))
        assert len(votes) >= 2 * len(PAPERS)
        assert votes == re.findall(r"/v/[\w/-]+", part(mail(edition), kind))


def test_it_asks_for_click_links_when_clicks_are_tracked() -> None:
    sheet, edition = Renderer(replace(SENDER, is_tracking=True)).prepare([], ()), an_edition(*PAPERS)
    with pytest.raises(ValueError, match="to follow 0"):
        sheet.fill(edition, "ann@example.com", "en", links_of(edition)._replace(clicks=()), MESSAGE_ID, AT)


def test_it_refuses_a_token_that_is_not_base64url() -> None:
    edition = an_edition(*PAPERS)
    sound = links_of(edition)
    for links in (
        sound._replace(vote=b"a&b"),
        sound._replace(unsubscribe=b".ab"),
        sound._replace(preferences=b"c=d"),
        sound._replace(edition=b"a/b"),
        sound._replace(clicks=[b"a b"]),
    ):
        with pytest.raises(ValueError, match="token"):
            SHEET.fill(edition, "ann@example.com", "en", links, MESSAGE_ID, AT)


def test_it_refuses_the_links_of_another_mail() -> None:
    sheet, other = Renderer(replace(SENDER, is_tracking=True)).prepare([], ()), links_of(an_edition(*PAPERS[1:]))
    with pytest.raises(ValueError, match="the edition has 12"):
        sheet.fill(an_edition(*PAPERS), "ann@example.com", "en", other, MESSAGE_ID, AT)
    for name in ("unsubscribe", "preferences", "edition", "vote"):
        without = LINKS._replace(**{name: b""})
        with pytest.raises(ValueError, match="missing"):
            SHEET.fill(an_edition(*PAPERS), "ann@example.com", "en", without, MESSAGE_ID, AT)


def test_it_leaves_no_slot_open() -> None:
    raw = mail(an_edition(*PAPERS))
    assert slot("x").split("x")[0] not in part(raw, "html") + part(raw, "plain") + raw.decode("ascii")


def test_it_addresses_a_reason_by_its_place_in_the_pick() -> None:
    reasons = (Reason(ReasonKind.FRESH, 0.0), Reason(ReasonKind.READERS, 0.5), Reason(ReasonKind.TOPIC, 0.1, "video"))
    html = part(mail(an_edition()._replace(picks=(Pick(PAPERS[0], reasons, 5),))), "html")
    less = f"/v/{'v' * 36}{vote_ending(1, is_more=False)}"
    assert html.count(f'{less}"') == 1
    assert f"{less}/1" in html
    for other in (0, 2):  # the first has nothing to take back, of the third there is no room to speak
        assert f"{less}/{other}" not in html


def test_it_escapes_what_stands_in_a_reason() -> None:
    reasons = (Reason(ReasonKind.TOPIC, 1.0, '<img src=x onerror="alert(1)"> & co'),)
    raw = mail(an_edition()._replace(picks=(Pick(PAPERS[0], reasons, 5),)))
    assert "<img" not in part(raw, "html")
    assert '&lt;img src=x onerror="alert(1)"&gt; &amp; co' in part(raw, "html")
    assert '“<img src=x onerror="alert(1)"> & co”' in " ".join(part(raw, "plain").split())


HOSTILE = st.text(st.characters(codec="utf-8") | st.sampled_from(" .=\nF<&"), max_size=120)


@given(st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE), min_size=1, max_size=3))
@settings(max_examples=25, deadline=None)
def test_it_leaves_no_line_to_stuff_whatever_stands_in_it(texts: list[tuple[str, str, str]]) -> None:
    papers = [
        a_paper(number, title="." + title, abstract=abstract, organization="." + abstract[:20])
        for number, (title, abstract, _) in enumerate(texts, 1)
    ]
    picks = tuple(
        Pick(paper, (Reason(ReasonKind.TOPIC, 0.0, "." + detail),), 5)
        for paper, (_, _, detail) in zip(papers, texts, strict=True)
    )
    edition = an_edition()._replace(picks=picks)
    raw = RENDERER.prepare(papers, ["en"]).fill(edition, "ann@example.com", "en", links_of(edition), MESSAGE_ID, AT)
    lines = raw.split(b"\r\n")
    assert not any(line.startswith(b".") for line in lines)
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert max(len(line) for line in lines[lines.index(b"") :]) <= 76
    assert raw.endswith(b"\r\n")
    assert raw.isascii()
