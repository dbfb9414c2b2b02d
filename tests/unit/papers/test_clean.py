"""Records cleaned, links checked, and which record wins."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.papers import links
from digest.papers.clean import UNREADABLE, CleanPaper, clean, names
from digest.papers.merge import changes
from digest.sources.base import RawPaper, Skips
from digest.sources.huggingface import read_entry

DAY = date(2026, 6, 9)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://lab.example.org/p?a=1#x", "https://lab.example.org/p?a=1#x"),
        (" https://a.example/ü ", "https://a.example/%C3%BC"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://a.example/?x=1&amp;y=2", "https://a.example/?x=1&y=2"),
        ("https://faß.example/", "https://xn--fa-hia.example/"),
        ("https://safe.example\u2215x.evil.example/", None),
        ("https://a\u200db.example/", None),
        ("https://xn--zz.example/", None),
        ("https://a.example/\ud800", None),
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


_ODD = st.sampled_from(
    [None, True, -1, 1e308, 10**30, "", "17", "\ud800", "\x00\u202e", "9999-12-31T00:00:00Z", "2026-02-30", "<b>", "2511.20001v99", [], {}]
) | st.text(max_size=12)  # fmt: skip
_VALUE = st.recursive(_ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "fullname", "hidden"]), inner, max_size=3), max_leaves=6)  # fmt: skip
_FIELDS = ("id", "title", "summary", "authors", "upvotes", "publishedAt", "githubRepo", "githubStars", "projectPage", "ai_summary", "ai_keywords", "organization",
           "withdrawnAt", "numComments")  # fmt: skip
_FIELD_VALUES = st.dictionaries(st.sampled_from(_FIELDS), _VALUE, max_size=8)


@given(_FIELD_VALUES, _FIELD_VALUES)
@settings(max_examples=300, deadline=None)
def test_it_takes_or_leaves_any_record_and_fails_on_none(paper: dict[str, Any], around: dict[str, Any]) -> None:
    raw = read_entry({"paper": {"id": "2511.20001", "title": "T"} | paper, **around}, Skips())
    found = clean(raw, "huggingface", DAY) if raw else ""
    assert found != UNREADABLE
    json.dumps(found if isinstance(found, str) else asdict(found), default=str, ensure_ascii=False).encode()


def test_it_leaves_out_a_record_that_it_fails_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_given: str) -> str:
        raise RecursionError

    monkeypatch.setattr("digest.papers.text.title", fail)
    assert clean(RawPaper(id="2606.00001", title="T"), "huggingface", DAY) == UNREADABLE
