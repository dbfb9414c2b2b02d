"""Records cleaned, links checked, and which record wins."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from digest.papers import links
from digest.papers.clean import CleanPaper, clean, names
from digest.papers.merge import changes
from digest.sources.base import RawPaper

DAY = date(2026, 6, 9)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://lab.example.org/p?a=1#x", "https://lab.example.org/p?a=1#x"),
        (" https://a.example/ü ", "https://a.example/%C3%BC"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("http://someone.github.io/page/", "https://someone.github.io/page/"),
        ("https://a.example:443/x", "https://a.example/x"),
        ("http://plain.example/", None),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("//evil.example/x", None),
        ("https://127.0.0.1/", None),
        ("https://[::1]/", None),
        ("https://2130706433/", None),
        ("https://0x7f.1/", None),
        ("https://localhost/", None),
        ("https://box.local/", None),
        ("https://user:pass@a.example/", None),
        ("https://a.example:8080/", None),
        ("https://a.example\\@evil.example/", None),
        ('https://a.example/"onclick=x', None),
        ("https://a.example/\nx", None),
        ("https://a.example/" + "x" * 2000, None),
        ("https://", None),
        ("", None),
        (None, None),
    ],
)
def test_it_shows_only_links_that_are_safe_to_show(given: str | None, shown: str | None) -> None:
    assert links.page(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("owner/name", "https://github.com/owner/name"),
        ("https://github.com/a/b", "https://github.com/a/b"),
        ("http://github.com/a/b", "https://github.com/a/b"),
        ("https://github.com.evil.example/a/b", None),
        ("https://evil.example/a/b", None),
        ("../../x", None),
    ],
)
def test_it_shows_code_at_known_forges_only(given: str, shown: str | None) -> None:
    assert links.code(given) == shown


def test_it_sets_odd_names_right_gently() -> None:
    assert names(["Ann Lee", "and Lei Bai", "Ann Lee", ":", " ", "The Group:", "Jos\\'e  Paz", "Andrea And"]) == (
        "Ann Lee",
        "Lei Bai",
        "The Group",
        "José Paz",
        "Andrea And",
    )


def made(**values: Any) -> CleanPaper:
    paper = clean(
        RawPaper(
            **({"id": "2606.00001v2", "title": "LLMtimesReduce", "abstract": "Some text of a sentence."} | values)
        ),
        "huggingface",
        DAY,
    )
    assert isinstance(paper, CleanPaper)
    return paper


def row(**values: Any) -> dict[str, Any]:
    paper = made()
    stored = {name: getattr(paper, name) for name in CleanPaper.__dataclass_fields__} | {
        "authors": ["Ann Lee"],
        "categories": [],
        "keywords": [],
    }
    return stored | {"source": "huggingface"} | values


def test_it_names_a_paper_by_its_id_without_version_or_leaves_it_out() -> None:
    assert made().key == "2606.00001"
    assert clean(RawPaper(id="x", title="T"), "huggingface", DAY) == "no arXiv id"
    assert clean(RawPaper(id="2606.00001", title="\u200b \u202e\u0301"), "huggingface", DAY) == "no title"
    assert isinstance(found := clean(RawPaper(id="my-paper", title="T"), "file", DAY), CleanPaper)
    assert found.key == "file:my-paper"
    assert isinstance(found := clean(RawPaper(id="../x", title="T"), "file", DAY), CleanPaper)
    assert found.key.startswith("file:")
    assert "/" not in found.key


def test_it_takes_over_newer_counts_and_the_authors_own_text() -> None:
    assert changes(row(votes=5), made(votes=34), "huggingface") == {"votes": 34}
    taken = changes(row(), made(title="LLM×Reduce"), "arxiv")
    assert taken == {"title": "LLM×Reduce", "source": "arxiv"}
    assert changes(row(title="LLM×Reduce", source="arxiv"), made(votes=None), "huggingface") == {}


def test_it_never_replaces_a_text_by_an_emptier_one() -> None:
    assert changes(row(), made(abstract=""), "arxiv") == {}
    assert changes(row(), made(abstract="Gone."), "arxiv") == {}
    assert changes(row(abstract="", source="arxiv"), made(), "huggingface") == {"abstract": "Some text of a sentence."}


def test_it_does_not_bring_back_an_author_who_hid() -> None:
    assert "authors" not in changes(row(), made(authors=("Ann Lee", "Bob Ray")), "arxiv")
    assert changes(row(authors=["Ann Le"]), made(authors=("Ann Lee",)), "arxiv")["authors"] == ["Ann Lee"]
