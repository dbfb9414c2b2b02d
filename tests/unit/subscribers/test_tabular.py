from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.subscribers.tabular import TransferRefused, csv_line, guarded, read_lines, rows


def test_it_reads_csv_with_names_in_any_order_and_case() -> None:
    assert list(rows(["\ufeffTopics;EMAIL \r\n", '"a, b";ann@example.org\r\n', "\r\n", ";bob@example.org\r\n"])) == [
        (2, {"topics": "a, b", "email": "ann@example.org"}),
        (4, {"topics": "", "email": "bob@example.org"}),
    ]


def test_it_reads_json_lines() -> None:
    found = dict(rows(["\n", '{"email": "ann@example.org"}\n', "\n", "[1]\n", "{oops\n"]))
    assert found[2] == {"email": "ann@example.org"}
    assert isinstance(found[4], str)
    assert isinstance(found[5], str)


def test_it_loses_no_neighbour_to_a_stray_quote() -> None:
    lines = ["email,topics\n", 'ann@example.org,"open\n', *(f"r{n}@example.org,x\n" for n in range(200))]
    found = list(rows(lines))
    assert [number for number, row in found if isinstance(row, str)] == [2]
    assert sum(isinstance(row, dict) for _, row in found) == 200
    twice = ["email,topics\n", 'ann@example.org,"open\n', "bob@example.org,x\n", 'x"y@example.org,a\n']
    assert [(n, isinstance(row, str)) for n, row in rows(twice)] == [(2, True), (3, False), (4, True)]


@pytest.mark.parametrize(
    "stray", ['x"y@example.org,a\n', '"x@example.org,a\n', 'x@example.org,"a\n', 'x@example.org,a"\n']
)
def test_it_loses_no_neighbour_between_two_stray_quotes(stray: str) -> None:
    lines = ["email,topics\n", stray, "ann@example.org,a\n", stray, "bob@example.org,b\n"]
    found = dict(rows(lines))
    assert found[3] == {"email": "ann@example.org", "topics": "a"}
    assert found[5] == {"email": "bob@example.org", "topics": "b"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_it_reads_what_spreadsheets_write(encoding: str) -> None:
    file = io.BytesIO("email\ttopics\r\nann@example.org\tKünste\r\n".encode(encoding))
    assert list(rows(read_lines(file))) == [(2, {"email": "ann@example.org", "topics": "Künste"})]
    assert not file.closed


def test_it_reads_cells_that_span_lines() -> None:
    assert list(rows(["email,topics\n", 'ann@example.org,"a\n', 'b"\n'])) == [
        (2, {"email": "ann@example.org", "topics": "a\nb"})
    ]


def test_it_names_the_line_of_a_row_with_too_many_cells() -> None:
    ((number, why),) = rows(["email,hour\n", "ann@example.org,1,2\n"])
    assert number == 2
    assert "3 cells" in str(why)


@pytest.mark.parametrize("lines", [[], ["\n"], ["name,mail\n"], ["ann@example.org\n"]])
def test_it_refuses_a_file_without_an_email_column(lines: list[str]) -> None:
    with pytest.raises(TransferRefused, match="email"):
        list(rows(lines))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20))
@settings(max_examples=150)
def test_it_writes_cells_no_spreadsheet_runs_and_reads_them_back(text: str) -> None:
    line = csv_line(["x", guarded(text)])
    cell = next(csv.reader(io.StringIO(line, newline="")))[1]
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    ((_, row),) = rows(["email,topics\n", line])
    assert row == {"email": "x", "topics": text}


def test_it_survives_broken_bytes(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"\xef\xbb\xbfemail\n\xff\xfe@example.org\nann@example.org\n" + b"x" * 2_000_001)
    with path.open("rb") as file:
        assert len(list(read_lines(file))) == 6


def test_it_names_a_row_whose_bytes_are_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("email,topics\nann@example.org,café\nbob@example.org,graphs\n".encode("latin-1"))
    with path.open("rb") as file:
        (_, why), (_, bob) = rows(read_lines(file))
    assert "save the file as UTF-8" in str(why)
    assert bob == {"email": "bob@example.org", "topics": "graphs"}
    path.write_bytes('{"email": "ann@example.org", "topics": ["café"]}\n'.encode("latin-1"))
    with path.open("rb") as file:
        assert "save the file as UTF-8" in str(next(rows(read_lines(file)))[1])


def test_it_refuses_a_file_that_names_a_column_twice() -> None:
    with pytest.raises(TransferRefused, match="`email` more than once"):
        list(rows(["email,topics,Email\n", "ann@example.org,x,bob@example.org\n"]))
    assert len(list(rows(["email,,\n", "ann@example.org,x,y\n"]))) == 1  # empty columns of a spreadsheet
