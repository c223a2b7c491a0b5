"""CSV records from lines."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog_csv import CsvRecord, read_csv_records, read_csv_texts
from transforms.catalog_files import read_lines


def records(text: bytes, max_bytes: int = 1 << 20) -> list[CsvRecord]:
    return list(read_csv_records(read_lines(io.BytesIO(text), max_bytes), max_bytes))


@settings(max_examples=200)
@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=4), max_size=6))
def test_what_the_csv_module_writes_comes_back(rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    encoded = text.getvalue().replace("\r\n", "\n").encode("utf-8")
    # A carriage return before a line break belongs to the line end, inside quotes too.
    expected = [[field.replace("\r\n", "\n") for field in row] for row in rows]
    assert [record.fields for record in records(encoded)] == expected


@settings(max_examples=300)
@given(st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b" ", b"\xff", b'""']), max_size=40))
def test_no_line_is_lost_or_read_twice(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    lines = [line for line in read_lines(io.BytesIO(text)) if isinstance(line, bytes)]
    following = 0
    for record in records(text):
        skipped = lines[following : record.line_number - 1]
        assert all(not line.strip() for line in skipped)
        assert record.text == b"\n".join(lines[record.line_number - 1 : record.line_number + record.text.count(b"\n")])
        assert (record.fields is None) == (record.problem is not None)
        following = record.line_number + record.text.count(b"\n")
    assert all(not line.strip() for line in lines[following:])


def test_line_numbers_count_quoted_line_breaks_and_blank_lines() -> None:
    found = records(b'id,title\n\n1,"a\nb"\n \n2,"say ""x"""\n')
    assert [(record.line_number, record.fields) for record in found] == [
        (1, ["id", "title"]),
        (3, ["1", "a\nb"]),
        (6, ["2", 'say "x"']),
    ]


def test_a_quote_inside_an_unquoted_field_is_a_character() -> None:
    assert records(b'1,12" mix\n2,b\n')[0].fields == ["1", '12" mix']


def test_a_quote_that_is_never_closed_costs_its_line_only() -> None:
    found = records(b'1,"a\n2,b\n3,c\n')
    assert [(record.line_number, record.fields) for record in found] == [(1, None), (2, ["2", "b"]), (3, ["3", "c"])]
    assert found[0].problem == "a quote that opens here is never closed"


def test_a_stray_quote_does_not_swallow_the_rows_up_to_the_next_one() -> None:
    found = records(b'1,"a\n2,b\n3,"c"\n4,d\n')
    assert [record.line_number for record in found] == [1, 2, 3, 4]
    assert [record.fields for record in found[1:]] == [["2", "b"], ["3", "c"], ["4", "d"]]


def test_a_record_beyond_the_limit() -> None:
    found = records(b'1,"' + b"a\n" * 100 + b"2,b\n" + b"x" * 80 + b"\n3,c\n", max_bytes=64)
    assert found[0].problem == "a quote that opens here is not closed within 64 bytes"
    assert found[-1].fields == ["3", "c"]
    assert found[-2].problem == "the line is 80 bytes long, more than the 64 that a row may have"
    assert len(found) == 103


def test_texts_are_those_of_the_records() -> None:
    text = b'id,title\n1,"a\nb"\n2,c\n\n3,"x\n'
    assert list(read_csv_texts(read_lines(io.BytesIO(text))))[:3] == [record.text for record in records(text)][:3]
    assert len(list(read_csv_texts(read_lines(io.BytesIO(text))))) == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"id,title;x\n1,a;b\n", [["id", "title;x"], ["1", "a;b"]]),
        (b'\n \n"id";"title"\n1;"a;b\n,c"\n2;d,e,f\n', [["id", "title"], ["1", "a;b\n,c"], ["2", "d,e,f"]]),
        (b'id\ttitle\n1\t"a\tb"\n2\tc,d;e\n', [["id", "title"], ["1", "a\tb"], ["2", "c,d;e"]]),
        (b'id;"a,b,c"\n1;2\n', [["id", "a,b,c"], ["1", "2"]]),
        (b"id\n1,2;3\n", [["id"], ["1", "2;3"]]),
        # As databases write tabs: a quote is a part of the text, wherever it stands.
        (b'id\ttitle\n1\t"Heroes" (live)\n2\t12" mix\n3\t"x\n4\ty\n', [
            ["id", "title"], ["1", '"Heroes" (live)'], ["2", '12" mix'], ["3", '"x'], ["4", "y"],
        ]),
    ],
)  # fmt: skip
def test_what_parts_the_header_parts_the_rows(text: bytes, expected: list[list[str]]) -> None:
    assert [record.fields for record in records(text)] == expected
    assert list(read_csv_texts(read_lines(io.BytesIO(text)))) == [record.text for record in records(text)]
