"""Streams and treatments joined by DuckDB, against the same sums in plain Python."""

from __future__ import annotations

import collections
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.payout_shares import WEIGHT_UNITS, PayoutCell
from transforms.payout_streams import PolicyTerms, first_of_12, open_payout
from transforms.payout_tables import difference_rows, policy_payout, split_rows

SPOTIFY, DEEZER = PolicyTerms("spotify", "1", 1000), PolicyTerms("deezer", "1", None)
MONTH = "2026-11"
COLUMNS = {"month": MONTH, "run_id": "r"}


def treatment(track_id, royalty_class, weight, policy_id="spotify"):
    return {
        "track_id": track_id, "policy_id": policy_id, "policy_version": "1", "royalty_class": royalty_class,
        "eligible": weight > 0, "stream_weight": float(weight),
    }  # fmt: skip


def stream(track_id, streams, licensor="A", month=MONTH):
    return {"track_id": track_id, "month": month, "licensor": licensor, "streams": streams}


def counted(tmp_path, streams, treatments, policies=(SPOTIFY,), month=MONTH):
    """Cells by policy and key, and the tracks without a label."""
    path = str(tmp_path / "streams.parquet")
    pq.write_table(pa.Table.from_pylist(streams), path)
    batches = pa.Table.from_pylist(treatments).to_batches()
    with open_payout([path], batches, policies, month) as payout:
        cells = {policy.policy_id: {c.key: c for c in payout.cells(policy.policy_id)} for policy in policies}
        return cells, [row for batch in payout.unlabelled_tracks() for row in batch]


def test_weights_thresholds_and_classes(tmp_path):
    treatments = [
        treatment("song", "music", 1), treatment("rare", "music", 1), treatment("rain", "functional", 0.2),
        treatment("short", "functional", 0), treatment("silent", "music", 1),
    ]  # fmt: skip
    streams = [
        stream("song", 5000), stream("song", 700, "B"), stream("rare", 999), stream("rain", 1000),
        stream("short", 4000), stream("silent", 0), stream("new", 300), stream("new", 800, None),
    ]  # fmt: skip
    cells, unlabelled = counted(tmp_path, streams, treatments)
    found = cells["spotify"]
    # "Below 1,000 streams" earns nothing, neither does a track without a stream; both stay in sight.
    assert found["A", "music"] == PayoutCell("A", "music", 3, 5999, 0, 999, 5000 * WEIGHT_UNITS)
    # The 1,000 are counted over all licensors of a track.
    assert found["B", "music"].weighted_units == 700 * WEIGHT_UNITS
    assert found["A", "functional"] == PayoutCell("A", "functional", 2, 5000, 4000, 0, 200 * WEIGHT_UNITS)
    assert unlabelled == [("new", None, 800), ("new", "A", 300)]
    assert found[None, "unlabelled"].weighted_units == 800 * WEIGHT_UNITS
    assert sum(cell.streams for cell in found.values()) == sum(row["streams"] for row in streams)


@pytest.mark.parametrize(("earlier", "streams_then", "enough"), [("2025-12", 1, True), ("2025-11", 500, False)])
def test_twelve_months_end_with_the_month_itself(tmp_path, earlier, streams_then, enough):
    streams = [stream("song", 999), stream("song", streams_then, month=earlier)]
    cells, _ = counted(tmp_path, streams, [treatment("song", "music", 1)])
    assert (cells["spotify"]["A", "music"].below_minimum_streams == 0) is enough
    assert cells["spotify"]["A", "music"].streams == 999


def test_later_months_count_for_nothing(tmp_path):
    streams = [stream("song", 10), stream("song", 5000, month="2026-12")]
    cells, _ = counted(tmp_path, streams, [treatment("song", "music", 1)])
    assert cells["spotify"]["A", "music"].below_minimum_streams == 10


def test_first_of_twelve():
    assert [first_of_12(month) for month in ("2026-12", "2026-11", "2027-01")] == ["2026-01", "2025-12", "2026-02"]


def test_hostile_names_are_only_names(tmp_path):
    name = "x'); DROP TABLE treatments; --"
    cells, _ = counted(tmp_path, [stream(name, 2000, name)], [treatment(name, "music", 1)])
    assert cells["spotify"][name, "music"].weighted_units == 2000 * WEIGHT_UNITS


def test_the_difference_of_two_policies_adds_up_to_nothing(tmp_path):
    treatments = [
        treatment("song", "music", 1), treatment("rain", "functional", 0.2),
        treatment("song", "music", 1, "deezer"), treatment("rain", "functional", 0, "deezer"),
    ]  # fmt: skip
    cells, _ = counted(tmp_path, [stream("song", 8000), stream("rain", 10000, "B")], treatments, (SPOTIFY, DEEZER))
    base, other = (policy_payout(terms, list(cells[terms.policy_id].values()), 100_01) for terms in (SPOTIFY, DEEZER))
    assert [row["amount"] for row in split_rows(base, COLUMNS)] == [Decimal("80.01"), Decimal("20.00")]
    rows = difference_rows(base, other, COLUMNS)
    assert [row["amount_difference"] for row in rows] == [Decimal("20.00"), Decimal("-20.00")]
    assert sum(row["share_difference"] for row in rows) == 0


WEIGHTS = st.sampled_from([0, 0.2, 1])
CLASSES = st.sampled_from(["music", "functional", "speech", "pending_review"])
LABELS = st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(CLASSES, WEIGHTS), min_size=1)
STREAMS = st.lists(
    st.builds(
        stream,
        st.sampled_from("abcdefghij"),
        st.integers(0, 3000),
        st.none() | st.sampled_from(["A", "B"]),
        st.sampled_from([MONTH, "2026-10", "2025-12", "2025-11"]),
    ),
    min_size=1,
    max_size=25,
)


@given(LABELS, STREAMS)
@settings(max_examples=12)
def test_duckdb_counts_as_python_does(tmp_path, labels, streams):
    streams = [*streams, stream("a", 7)]
    cells, unlabelled = counted(tmp_path, streams, [treatment(t, *label) for t, label in labels.items()])
    year, month = collections.Counter(), collections.Counter()
    for row in streams:
        if "2025-12" <= row["month"] <= MONTH:
            year[row["track_id"]] += row["streams"]
        if row["month"] == MONTH:
            month[row["track_id"], row["licensor"]] += row["streams"]
    expected = collections.defaultdict(lambda: [0] * 5)
    for (track_id, licensor), count in month.items():
        royalty_class, weight = labels.get(track_id, ("unlabelled", 1))
        enough = year[track_id] >= 1000
        paid = round(weight * WEIGHT_UNITS) * count if enough else 0
        below = count if weight and not enough else 0
        for index, value in enumerate((1, count, 0 if weight else count, below, paid)):
            expected[licensor, royalty_class][index] += value
    assert cells["spotify"] == {key: PayoutCell(*key, *values) for key, values in expected.items()}
    assert {(t, licensor): n for t, licensor, n in unlabelled} == {k: n for k, n in month.items() if k[0] not in labels}


def test_a_path_means_that_file_and_its_own_columns(tmp_path):
    """Neither a ``[`` in a name nor ``licensor=`` in a folder's changes whose streams are counted."""
    folder = tmp_path / "licensor=FOLDER"
    folder.mkdir()
    paths = [str(folder / name) for name in ("s[1].parquet", "s1.parquet")]
    for path, streams, kind in zip(paths, (5, 999), (pa.int32(), pa.int64()), strict=True):
        rows = {"track_id": ["t"], "month": [MONTH], "licensor": ["COLUMN"], "streams": pa.array([streams], kind)}
        pq.write_table(pa.table(rows), path)
    treatments = pa.Table.from_pylist([treatment("t", "music", 1)]).to_batches()
    for chosen, wanted in ((paths, 1004), (paths[:1], 5), (paths[1:], 999)):
        with open_payout(chosen, treatments, [SPOTIFY], MONTH) as payout:
            (cell,) = payout.cells("spotify")
            assert (cell.key[0], cell.streams) == ("COLUMN", wanted)
