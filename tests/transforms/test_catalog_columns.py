"""Rows judged by the column are the rows that validation takes, and with the same values."""

import decimal
import random

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transforms.kept_elements import counters_of, run_and_keep
from transforms.carried_rows import read_buckets
from transforms.catalog_buckets import _Split, to_rows
from transforms.catalog_columns import plain_rows
from transforms.catalog_files import name_files
from transforms.catalog_records import read_records
from transforms.catalog_settings import AS_IN_CONTRACT, CatalogSettings, ColumnNames
from transforms.catalog_validation import CONTRACT_COLUMNS, MAX_DURATION_MS, validate_row
from transforms.records import NO_ROWS, CatalogRow

SPACES = [chr(code) for code in range(0x3100) if chr(code).isspace()]
ODD = [
    None, "", " ", "a", " a", "a ", "a b", "雨", "é" * 256, "é" * 257, "x" * 512, "x" * 513, "x" * 4096, "x" * 4097,
    "x" * 10_000, "x" * 10_001, "a\n", "a\x00b", "\x7f", "\x85", "\u200b", "\ufeff", "a|b", "ZZEAR2500001",
    "ZZ-EAR-25-00001", "zzear2500001", "ZZEAR250000", "１２３４５６７８９０１２", "a\u0301", "😀", "180000", "NaN",
    *SPACES, *(f"{space}a" for space in SPACES), *(f"a{space}" for space in SPACES),
]  # fmt: skip
TEXTS = [name for name in CONTRACT_COLUMNS if name not in ("duration_ms", "genres")]
DURATIONS = {
    pa.int64(): [None, -1, 0, 1, MAX_DURATION_MS, MAX_DURATION_MS + 1, -(2**63), 2**63 - 1],
    pa.uint64(): [None, 0, 5, MAX_DURATION_MS + 1, 2**63, 2**64 - 1],
    pa.int8(): [None, -1, 0, 127],
    pa.float64(): [None, float("nan"), float("inf"), -float("inf"), -0.0, 1.0, 1.5, -1.0, 1e300, 2**31 + 0.0],
    pa.float32(): [None, float("nan"), float("inf"), 0.0, 180_000.0, 0.5],
    pa.string(): [None, "", "180000", "180000.0", "x"],
    pa.bool_(): [None, True, False],
    pa.decimal128(12, 2): [None, decimal.Decimal("5.00"), decimal.Decimal("5.50")],
    pa.null(): [None],
}
GENRES = {
    pa.list_(pa.string()): [None, [], ["a"], [None], ["a", None], [" a"], [""], ["x" * 513], ["g"] * 200, ["g"] * 201],
    pa.large_list(pa.large_string()): [None, ["jazz", "été"], [" "], ["a\n"], ["a\nb"]],
    pa.list_(pa.int64()): [None, [], [1]],
    pa.string(): [None, "", "a|b", "a"],
}


def agree(batch: pa.RecordBatch, settings: CatalogSettings = AS_IN_CONTRACT) -> tuple[int, int]:
    """Hold the plain rows against validation; gives how many are plain, and how many are valid."""
    plain, columns = plain_rows(batch, settings)
    found = iter(zip(*(columns[name].to_pylist() for name in CONTRACT_COLUMNS), strict=True))
    valid = 0
    for is_plain, fields in zip(plain.tolist(), batch.to_pylist(), strict=True):
        judged = validate_row(fields, "c:1", settings)
        valid += isinstance(judged, CatalogRow)
        if is_plain:
            assert isinstance(judged, CatalogRow), (fields, judged)
            values = dict(zip(CONTRACT_COLUMNS, next(found), strict=True))
            values["genres"] = tuple(values["genres"])
            assert values == {name: getattr(judged, name) for name in CONTRACT_COLUMNS}
    assert next(found, None) is None
    return int(plain.sum()), valid


@pytest.mark.parametrize("column", TEXTS)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_texts_are_taken_as_validation_takes_them(column, kind):
    columns = {"track_id": pa.array(["t"] * len(ODD)), "audio_uri": pa.array(["a"] * len(ODD))}
    columns[column] = pa.array(ODD).cast(kind)
    plain, valid = agree(pa.RecordBatch.from_pydict(columns))
    assert plain >= (3 if column == "isrc" else valid / 4)


@pytest.mark.parametrize(
    ("column", "kind", "values"),
    [
        *(("duration_ms", kind, values) for kind, values in DURATIONS.items()),
        *(("genres", kind, values) for kind, values in GENRES.items()),
        ("title", pa.int64(), [None, 5]),
        ("track_id", pa.int64(), [None, 5]),
        ("artist", pa.binary(), [None, b"a", b"\xff"]),
    ],
)
def test_other_types_are_taken_as_validation_takes_them(column, kind, values):
    columns = {"track_id": pa.array(["t"] * len(values)), "audio_uri": pa.array(["a"] * len(values))}
    # Behind another row, as a slice of a larger batch.
    columns = {name: pa.concat_arrays([array, array]) for name, array in columns.items()}
    columns[column] = pa.array([*values, *values], kind)
    agree(pa.RecordBatch.from_pydict(columns).slice(len(values) - 1))


def test_text_that_is_not_unicode_is_left_to_validation():
    broken = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff"))
    columns = {"track_id": pa.array(["t", "u"]), "audio_uri": pa.array(["a", "b"]), "title": broken}
    batch = pa.RecordBatch.from_pydict(columns)
    assert plain_rows(batch).plain.tolist() == [False, False]


def test_rows_of_any_columns_together():
    rng = random.Random(1)
    rows = [
        {name: rng.choice(ODD if rng.random() < 0.1 else ["some text", None, "雨"]) for name in TEXTS if name != "isrc"}
        | {"track_id": f"t{number}", "audio_uri": "a.mp3", "isrc": rng.choice([None, "ZZEAR2500001", "ZZ"])}
        | {"duration_ms": rng.choice([None, 5, -1]), "genres": rng.choice([None, ["a"], [" "]]), "mood": "x"}
        for number in range(500)
    ]
    plain, valid = agree(pa.RecordBatch.from_pylist(rows))
    assert 0 < plain < valid < 500


def test_other_names_and_units_are_taken_as_validation_takes_them():
    settings = CatalogSettings(
        columns=ColumnNames(track_id="id", title="name", duration_ms="length"), duration_unit="s"
    )
    lengths = pa.array([None, None, 5.0, 1.5], pa.float64())
    columns = {"id": pa.array(["t"] * 4), "audio_uri": pa.array(["a"] * 4), "name": pa.array(["x", None, "x", "x"])}
    columns |= {"length": lengths, "title": pa.array([""] * 4), "track_id": pa.array([" "] * 4)}
    assert agree(pa.RecordBatch.from_pydict(columns), settings) == (2, 4)
    assert agree(pa.RecordBatch.from_pydict(columns)) == (0, 0)


def test_texts_of_more_than_an_arrow_array_of_text_can_hold_are_judged_one_by_one():
    number, each = 1024, 2**21 + 1
    # Two gigabytes that nobody has touched take no memory.
    buffers = [None, pa.py_buffer(np.arange(number + 1) * each), pa.py_buffer(np.zeros(number * each, np.uint8))]
    titles = pa.Array.from_buffers(pa.large_string(), number, buffers)
    texts = pa.array([f"t{place}" for place in range(number)])
    plain, columns = plain_rows(pa.RecordBatch.from_pydict({"track_id": texts, "audio_uri": texts, "title": titles}))
    assert not plain.any()
    assert {len(column) for column in columns.values()} == {0}


@pytest.mark.parametrize("as_view", [False, True])
def test_a_file_gives_what_its_records_give_one_by_one(tmp_path, monkeypatch, as_view):
    monkeypatch.setattr("transforms.catalog_buckets._ROWS_AT_ONCE", 1500)
    monkeypatch.setattr("transforms.catalog_buckets._ROWS_PER_SPILL", 2000)
    rows = [{"track_id": f"t{number}", "audio_uri": "a.mp3", "title": "A", "mood": "x"} for number in range(5000)]
    rows[7].update(track_id=" t", title="")
    rows[4000].update(title=" ")
    table = pa.Table.from_pylist(rows)
    if as_view:  # arrow-rs writes text so, and no row can be taken out of such a column
        table = table.append_column("unused", pa.array(["y"] * len(rows), pa.string_view()))
    pq.write_table(table, tmp_path / "c.parquet")
    (file,) = name_files([str(tmp_path / "c.parquet")])
    split = beam.ParDo(_Split(None, AS_IN_CONTRACT, str(tmp_path), 3)).with_outputs(
        "dead_letters", "read", main="paths"
    )
    outcomes = []
    for elements in ([file], list(read_records(file))):
        kept, result = run_and_keep(split, elements, "paths", "dead_letters", "read")
        assert len(kept["paths"]) > 1
        assert max(tally.rows for tally in kept["read"]) < 3000
        found = [to_rows(read_buckets(kept["paths"], [bucket])) for bucket in range(3)]
        counters = counters_of(result, "ReadCatalog")
        counters.pop("files_read", 0)
        outcomes.append(
            (
                [sorted(rows, key=repr) for rows in found], kept["dead_letters"], sum(kept["read"], NO_ROWS),
                counters | {"rows_read": 5000},
            )
        )  # fmt: skip
    assert outcomes[0] == outcomes[1]
    assert sum(map(len, outcomes[0][0])) == 4999
    assert outcomes[0][2].rows == 5000
