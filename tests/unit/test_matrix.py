"""The table of the fault matrix names only what is there."""

from __future__ import annotations

from pathlib import Path

from tests.faults.matrix import ELSEWHERE, EXPECTED, GOALS

TESTS = Path(__file__).parents[1]


def test_it_tries_every_fault_in_a_test_of_its_own() -> None:
    written = "".join(path.read_text(encoding="utf-8") for path in (TESTS / "faults").glob("test_*.py"))
    assert [fault for fault in EXPECTED if f'"{fault}"' not in written] == []


def test_it_names_places_that_exist() -> None:
    places = [place for some in (*ELSEWHERE.values(), *GOALS.values()) for place in some if place not in EXPECTED]
    assert [place for place in places if not _exists(place)] == []


def _exists(place: str) -> bool:
    path, _, name = place.partition("::")
    file = TESTS / path
    return file.exists() and f"def {name}" in file.read_text(encoding="utf-8")
