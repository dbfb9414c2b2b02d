from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.feedback.passport import MOST_PAPERS, PassportRefused, parse

BIBTEX = """
@article{a, title={One}, eprint={2503.02130}, archivePrefix={arXiv}}
@misc{b, title="Two", eprint = "arXiv:hep-th/9901001v2"}
@article{c, journal={arXiv preprint arXiv:1706.03762v5}, year=2017}
@article{d, url={https://arxiv.org/abs/2101.00001}, doi={10.48550/arXiv.2101.00001}}
@inproceedings{e, doi={10.1145/2301.12345}, pages={1234.5678--1234.5690}}
@comment{eprint = none}
"""


def test_it_reads_arxiv_ids_out_of_bibtex() -> None:
    assert parse(BIBTEX).more == ("2503.02130", "hep-th/9901001", "1706.03762", "2101.00001")


def test_it_reads_a_list_of_ids_in_any_spelling() -> None:
    text = "2503.02130v2, https://arxiv.org/abs/1706.03762\nhep-th/9901001; nonsense 2503.02130"
    assert parse(text).more == ("2503.02130", "1706.03762", "hep-th/9901001")


def test_it_reads_its_own_format() -> None:
    own = {
        "format": "digest-taste",
        "version": 1,
        "topics": ["graphs"],
        "more": ["2503.02130"],
        "less": ["1706.03762", 7],
    }
    passport = parse("\ufeff" + json.dumps(own))
    assert (passport.lists, passport.more, passport.less) == ({"topics": ["graphs"]}, ("2503.02130",), ("1706.03762",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no ids here",
        "{",
        "{}",
        '{"format": "other"}',
        '{"format": "digest-taste", "more": "2503.02130"}',
        '{"a":' * 100_000,
        "x" * 2_000_001,
        " ".join(f"2503.{n:05}" for n in range(MOST_PAPERS + 1)),
        "@article{a, doi={10.1145/2301.12345}}",
    ],
)
def test_it_refuses_with_a_sentence(text: str) -> None:
    with pytest.raises(PassportRefused) as refused:
        parse(text)
    assert str(refused.value).endswith(".")


@given(st.text(max_size=200))
@settings(max_examples=100)
def test_it_withstands_any_text(text: str) -> None:
    for given_text in (text, "{" + text, "@a{" + text):
        try:
            parse(given_text)
        except PassportRefused:
            continue
