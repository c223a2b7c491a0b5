"""Moved money against plain Python: exact, and nothing appears or vanishes."""

from __future__ import annotations

from fractions import Fraction

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.compared_runs import compared, label, treatment
from transforms.comparison_money import MOVED_MONEY, MOVED_TRACKS, move_money
from transforms.payout_streams import PolicyTerms, StreamsPayout, bounded_database
from transforms.run_changes import load_runs

POOL_CENTS = 100_001


def moved(tmp_path, before, after, streams, minimum=None):
    """``before`` and ``after`` hold class and weight by track; streams are (track, licensor, streams)."""
    path = tmp_path / "streams.parquet"
    rows = [{"track_id": t, "month": "2026-11", "licensor": licensor, "streams": n} for t, licensor, n in streams]
    pq.write_table(pa.Table.from_pylist(rows), path)
    terms = [(PolicyTerms("p", "1", minimum), PolicyTerms("p", "2", minimum))]

    def side(name, treated):
        labels = [label(t, title=t.upper()) for t in treated]
        return compared(tmp_path / name, labels, (), [treatment(t, *c) for t, c in treated.items()])

    sides = [side("before", before), side("after", after)]
    with bounded_database() as connection:
        payout = StreamsPayout(connection, [str(path)], None)
        load_runs(connection, *sides, terms)
        (money,) = move_money(connection, payout, terms, POOL_CENTS, tmp_path)
    tables = []
    for name, schema in (("moved_money", MOVED_MONEY), ("moved_tracks", MOVED_TRACKS)):
        table = pq.read_table(tmp_path / f"{name}.parquet")
        assert table.schema.equals(schema, check_metadata=False)
        tables.append(table.to_pylist())
    return money, *tables


def test_a_song_that_became_noise(tmp_path):
    before = {"song": ("music", 1.0), "rain": ("functional", 0.2), "tune": ("music", 1.0)}
    after = before | {"song": ("functional", 0.2)}
    streams = [("song", "A", 8000), ("rain", "B", 10000), ("tune", "B", 2000)]
    money, cells, tracks = moved(tmp_path, before, after, streams)
    # 8000 : 2000 + 2000 of the pool before, 1600 : 2000 + 2000 after.
    assert money.moved_share == Fraction(2, 3) - Fraction(1600, 5600)
    amounts = {(cell["licensor"], cell["royalty_class"]): str(cell["amount_difference"]) for cell in cells}
    assert amounts == {
        ("A", "functional"): "285.72", ("A", "music"): "-666.67", ("B", "functional"): "190.48",
        ("B", "music"): "190.47",
    }  # fmt: skip
    assert money.moved_cents == 38095
    (track,) = tracks
    assert (track["track_id"], track["title"], track["royalty_class_before"]) == ("song", "SONG", "music")
    assert (track["weighted_streams_before"], track["weighted_streams_after"]) == (8000, 1600)
    assert track["share_difference"] == float(Fraction(1600, 5600) - Fraction(2, 3))


def test_nothing_that_earns_is_told_apart_from_nothing_that_moves(tmp_path):
    money, cells, _ = moved(tmp_path, {"t": ("music", 1.0)}, {"t": ("functional", 0.0)}, [("t", "A", 5)])
    assert money.moved_share is None and not money.divided
    assert sum(cell["amount_before"] for cell in cells) == 1000 + Fraction(1, 100)
    money, _, tracks = moved(tmp_path, {"t": ("music", 1.0)}, {"t": ("music", 1.0)}, [("t", "A", 5)])
    assert (money.moved_share, money.moved_cents, tracks) == (0, 0, [])


CLASSES = st.sampled_from([("music", 1.0), ("functional", 0.2), ("functional", 0.0), ("pending_review", 1.0)])
TREATED = st.dictionaries(st.sampled_from("abcdef"), CLASSES)
STREAMS = st.lists(
    st.tuples(st.sampled_from("abcdefg"), st.sampled_from(["A", "B", None]), st.integers(0, 3000)),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[:2],
)


@given(TREATED, TREATED, STREAMS)
@settings(max_examples=15)
def test_differences_add_up_to_nothing(tmp_path, before, after, streams):
    money, cells, tracks = moved(tmp_path, before, after, streams, minimum=1000)
    totals = {}
    for track_id, _, count in streams:
        totals[track_id] = totals.get(track_id, 0) + count
    weights = [
        {
            (t, licensor): Fraction(str(side.get(t, ("unlabelled", 1.0))[1])) * n if totals[t] >= 1000 else Fraction(0)
            for t, licensor, n in streams
        }
        for side in (before, after)
    ]
    whole = [sum(side.values()) for side in weights]
    assert {(t["track_id"], t["licensor"]) for t in tracks} == {k for k in weights[0] if weights[0][k] != weights[1][k]}
    if all(whole):
        assert sum(cell["amount_difference"] for cell in cells) == 0
        assert sum(cell["share_difference"] for cell in cells) == 0
        parts = [{key: weight / total for key, weight in w.items()} for w, total in zip(weights, whole, strict=True)]
        assert money.moved_share == sum(abs(parts[0][key] - parts[1][key]) for key in parts[0]) / 2
        assert money.moved_share * POOL_CENTS >= money.moved_cents - 2  # two roundings
    else:
        assert money.moved_share is None
