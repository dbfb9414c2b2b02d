"""Which strings name a paper, and which paper."""

from __future__ import annotations

import pytest

from digest.papers.identity import ArxivId, parse


@pytest.mark.parametrize(
    ("given", "key", "version"),
    [
        ("2503.02130", "2503.02130", None),
        (" 2503.02130v3 ", "2503.02130", 3),
        ("0704.0002", "0704.0002", None),
        ("hep-th/9901001v1", "hep-th/9901001", 1),
        ("math.GT/0309136", "math/0309136", None),
        ("cs/0112017", "cs/0112017", None),
        ("arXiv:2503.02130v12", "2503.02130", 12),
        ("oai:arXiv.org:2604.21935v1", "2604.21935", 1),
        ("http://arxiv.org/abs/hep-th/9901001v2", "hep-th/9901001", 2),
        ("https://arxiv.org/pdf/2503.02130v2.pdf", "2503.02130", 2),
        ("https://huggingface.co/papers/2503.02130", "2503.02130", None),
        ("https://doi.org/10.48550/arXiv.2503.02130", "2503.02130", None),
    ],
)
def test_it_reads_every_way_of_writing_an_id(given: str, key: str, version: int | None) -> None:
    assert parse(given) == ArxivId(key, version)


@pytest.mark.parametrize(
    "given",
    [None, 2503.0213, 250302130, True, "", "  ", "2503.0213", "2513.02130", "2503.021301", "../../etc/passwd", "2503.02130/../x",
     "2503.02130\nBcc: x", "https://evil.example/abs/2503.02130", "javascript:2503.02130", "2503.02130v", "२५०३.०२१३०", ["2503.02130"],
     "x" * 10_000, "hep-th/99", "2503.02130?x=1", "0000.0000"],
)  # fmt: skip
def test_it_refuses_what_names_no_paper(given: object) -> None:
    assert parse(given) is None
