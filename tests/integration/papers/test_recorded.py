"""What the services really sent: every record is read, and no word of a title or abstract is lost."""

from __future__ import annotations

import pytest

from benchmarks._recorded import by_source, lost, lost_words
from tests.conftest import shared_dir


@pytest.mark.parametrize("source", ["huggingface", "arxiv"])
def test_it_reads_every_recorded_paper_and_loses_no_word(source: str) -> None:
    records = by_source(shared_dir("payloads"))[source]
    assert len(records) > 2000
    assert lost_words(source, records) == []


def test_it_notices_a_lost_word() -> None:
    assert lost("We use 50% fewer tokens", "We use 50") == ["fewer", "tokens"]
    assert lost(r"\textbf{Caf\'e} au lait", "Café au lait") == []
