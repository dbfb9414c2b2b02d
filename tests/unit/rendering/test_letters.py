from __future__ import annotations

import re
from datetime import timedelta

import pytest

from digest.editions.edition import Kind
from digest.rendering.gallery import gallery
from digest.rendering.letters import LETTERS
from digest.rendering.renderer import Renderer
from digest.subscribers.tokens import CONFIRM_FOR, UNDO_FOR
from tests.unit.rendering.samples import AT, LINKS, MESSAGE_ID, SENDER, an_edition, parsed, part

RENDERER = Renderer(SENDER)


def letter(name: str, language: str = "en", **context: object) -> bytes:
    return RENDERER.letter(name, "ann@example.com", context, language, LINKS, MESSAGE_ID, AT)


@pytest.mark.parametrize("name", LETTERS)
def test_it_tells_the_same_in_both_parts_without_list_headers(name: str) -> None:
    raw = letter(name)
    assert parsed(raw)["List-Unsubscribe"] is None
    assert parsed(raw)["Auto-Submitted"] == "auto-generated"
    page = b"p/" + LINKS.preferences if name in ("welcome", "already_subscribed") else LINKS.action
    wanted = f"{SENDER.public_url}/{page.decode()}"
    for kind in ("plain", "html"):
        assert wanted in part(raw, kind)
        assert SENDER.postal_address in part(raw, kind)
    assert re.search("ignore|did not", part(raw, "plain"))


def test_it_carries_nothing_that_a_stranger_typed() -> None:
    assert letter("confirm", email="ann+zq@example.com", topics="zq canary", given="zq") == letter("confirm")


def test_it_says_when_digests_come() -> None:
    said = " ".join(part(letter("welcome", cadence="daily", hour=18, timezone="Asia/Tokyo"), "plain").split())
    assert "every day at 18:00 (Asia/Tokyo)" in said


def test_it_speaks_the_readers_language() -> None:
    assert parsed(letter("goodbye", "de"))["Subject"] == "Digest ist abbestellt"
    assert parsed(letter("goodbye", "de"))["Content-Language"] == "de"
    assert 'lang="de"' in part(letter("goodbye", "de"), "html")


def test_it_knows_no_other_letter() -> None:
    with pytest.raises(KeyError):
        letter("invoice")


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("weekend", "It is the weekend"),
        ("weekend: arXiv announces nothing", "It is the weekend"),
        ("holiday: arXiv holiday", "it is a holiday there"),
        ("source_down: huggingface: no answer", "could not reach our sources"),
        ("holiday: Juneteenth", "arXiv announces nothing today: Juneteenth."),
        ("source_down", "could not reach our sources"),
        (None, "There was no new paper for you today."),
        ("something else", "There was no new paper for you today."),
    ],
)
def test_it_tells_why_a_day_is_quiet_and_how_to_leave(reason: str | None, said: str) -> None:
    edition = an_edition(kind=Kind.QUIET, quiet_reason=reason)
    raw = RENDERER.quiet(edition, "ann@example.com", "en", LINKS, MESSAGE_ID, AT)
    assert said in " ".join(part(raw, "plain").split())
    assert parsed(raw)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"{SENDER.public_url}/u/{'u' * 32}" in part(raw, "html")


def test_it_shows_every_mail_once_with_links_of_its_own() -> None:
    samples = list(gallery(SENDER))
    assert len({sample.name for sample in samples}) == len(samples)
    assert set(LETTERS) <= {sample.name for sample in samples if sample.group == "single"}
    ids = [parsed(sample.mail)["Message-ID"] for sample in samples]
    ways_out = [parsed(sample.mail)["List-Unsubscribe"] for sample in samples if sample.group == "list"]
    assert len(set(ids)) == len(ids)
    assert len(set(ways_out)) == len(ways_out)


def test_it_keeps_every_html_part_within_80_kib() -> None:
    assert max(len(part(sample.mail, "html").encode()) for sample in gallery(SENDER)) <= 80 * 1024


def test_it_says_how_long_a_link_works() -> None:
    assert f"works for {UNDO_FOR.days} days" in spoken(letter("goodbye"))
    assert f"gilt {UNDO_FOR.days} Tage" in spoken(letter("goodbye", "de"))
    for name in ("confirm", "address_change"):
        assert f"works for {CONFIRM_FOR // timedelta(hours=1)} hours" in spoken(letter(name))


@pytest.mark.parametrize("name", LETTERS)
def test_it_tells_a_stranger_in_english_too_that_it_may_be_ignored(name: str) -> None:
    assert re.search("ignore|did not", part(letter(name, "de"), "plain"))
    assert re.search('<span lang="en" dir="ltr">You .*(ignore|did not)', part(letter(name, "de"), "html"))
    assert 'lang="en" dir="ltr">You' not in part(letter(name), "html")


def test_it_tells_whoever_a_german_mail_reaches_why_it_came() -> None:
    raw = next(one.mail for one in gallery(SENDER, "de") if one.name == "digest-1")
    for said in ("weil Sie Digest auf digest.example.org abonniert haben", "because you subscribed to Digest"):
        assert said in spoken(raw)
        assert said in part(raw, "html")


def test_it_names_the_next_digest_where_no_other_was_spoken_of() -> None:
    quiet = RENDERER.quiet(an_edition(kind=Kind.QUIET, weighed=0), "ann@example.com", "en", LINKS, MESSAGE_ID, AT)
    assert "The next digest comes on Wednesday, June 10." in spoken(quiet)


def spoken(raw: bytes) -> str:
    return " ".join(part(raw, "plain").split())
