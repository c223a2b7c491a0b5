"""Each view on a few rows whose answer one can see."""

import datetime
import re
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from models.policy_files import policies_in_force
from models.royalty_rule import NO_RELEASE, RoyaltyFacts, treat
from transforms.streams_parquet import STREAMS
from transforms.table_schemas import TABLES
from transforms.warehouse_tables import create_table, insert
from transforms.warehouse_views import SQL_FOLDER, VIEWS, read_sql, read_views

JANUARY, FEBRUARY = datetime.date(2026, 1, 31), datetime.date(2026, 2, 28)
_DEFAULTS: dict[pa.DataType, Any] = {
    pa.string(): "", pa.float64(): 0.0, pa.bool_(): True, pa.date32(): JANUARY, pa.int64(): 0
}  # fmt: skip


def tables_with(**rows: list[dict[str, Any]]) -> duckdb.DuckDBPyConnection:
    """A warehouse in memory; columns that a row leaves out are null, or empty where they may not be."""
    connection = duckdb.connect()
    for name, schema in {**TABLES, "streams": STREAMS}.items():
        create_table(connection, name, schema)
        defaults = {f.name: None if f.nullable else _DEFAULTS.get(f.type, []) for f in schema}
        given = [defaults | row for row in rows.get(name, [])]
        insert(connection, name, schema, [pa.RecordBatch.from_pylist(given, schema=schema)])
    for view in read_views():
        connection.execute(view.statement)
    return connection


def label(track_id: str, category: str = "music", **columns: Any) -> dict[str, Any]:
    kind = "noise" if category == "functional" else None
    row = {"track_id": track_id, "category": category, "functional_type": kind, "decision": "auto", "confidence": 0.9}
    return row | {"audio_sha256": track_id, "model_version": "m1", "run_date": JANUARY} | columns


def streams(track_id: str, count: int, month: str = "2026-02", licensor: str | None = "A") -> dict[str, Any]:
    return {"track_id": track_id, "month": month, "licensor": licensor, "streams": count}


def test_every_file_has_a_head_and_every_view_is_listed():
    assert {path.stem for path in SQL_FOLDER.glob("*.sql")} == set(VIEWS)
    for path in SQL_FOLDER.rglob("*.sql"):
        assert read_sql(path).purpose.endswith("."), path
    in_bigquery = {path.stem for path in (SQL_FOLDER / "bigquery").iterdir()}
    assert in_bigquery <= {path.stem for path in SQL_FOLDER.rglob("*.sql") if path.parent.name != "bigquery"}
    for path in (SQL_FOLDER / "bigquery").iterdir():
        assert "-- Difference: " in path.read_text()


def test_current_labels_are_the_latest_of_each_track():
    connection = tables_with(
        track_labels=[label("a"), label("b"), label("a", "speech", run_date=FEBRUARY)],
    )
    assert connection.sql("SELECT track_id, category, run_date FROM current_labels ORDER BY ALL").fetchall() == [
        ("a", "speech", FEBRUARY), ("b", "music", JANUARY)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("then", "changed", "why"),
    [({}, None, None),
     ({"confidence": 0.5}, None, None),
     ({"category": "functional", "functional_type": "noise"}, "category functional_type", "catalog or settings"),
     ({"decision": "review", "flags": ["uncertain"], "model_version": "m2"}, "decision flags", "model"),
     ({"category": "speech", "audio_sha256": "other", "model_version": "m2"}, "category", "audio"),
     ({"category": "speech", "taxonomy_version": "2", "model_version": "m2"}, "category", "taxonomy")],
)  # fmt: skip
def test_label_history_says_what_changed_and_why(then, changed, why):
    connection = tables_with(track_labels=[label("a"), label("b"), label("a", run_date=FEBRUARY) | then])
    found = connection.sql(
        "SELECT changed, why, previous_run_date, previous_category FROM label_history WHERE track_id = 'a' "
        "ORDER BY run_date"
    ).fetchall()
    assert found == [("first label", None, None, None), (changed, why, JANUARY, "music")]


def test_the_review_queue_is_ordered_by_streams_of_the_latest_month_then_by_doubt():
    review = {"decision": "review"}
    connection = tables_with(
        track_labels=[
            label("auto"), label("sure", confidence=0.8, **review), label("doubtful", confidence=0.4, **review),
            label("copy", audio_sha256="sure", confidence=0.8, **review), label("heard", confidence=0.9, **review),
        ],
        streams=[streams("heard", 5), streams("heard", 6, licensor="B"), streams("sure", 10), streams("auto", 99),
                 streams("doubtful", 1000, "2026-01")],
    )  # fmt: skip
    found = connection.sql(
        "SELECT queue_position, track_id, streams_at_stake, tracks_with_this_audio FROM review_queue ORDER BY 1"
    ).fetchall()
    assert found == [(1, "heard", 11, 1), (2, "sure", 10, 2), (3, "doubtful", 0, 1), (4, "copy", 0, 2)]


def test_coverage_by_licensor_counts_tracks_and_streams():
    connection = tables_with(
        track_labels=[label("m"), label("f", "functional", decision="review")],
        dead_letters=[{"track_id": "d"}, {"track_id": None}],
        streams=[streams("m", 1), streams("f", 2), streams("d", 3), streams("gone", 4), streams("m", 5, licensor=None)],
    )
    found = connection.sql("FROM coverage_by_licensor ORDER BY licensor").fetchall()
    assert found == [
        ("A", "2026-02", 4, 2, 1, 1, 1, 0, 1, 10, 2, pytest.approx(0.3)),
        (None, "2026-02", 1, 1, 0, 1, 0, 0, 0, 5, 0, 1.0),
    ]


def test_coverage_by_licensor_takes_labels_and_dead_letters_of_the_latest_run_alone():
    new = {"run_date": FEBRUARY}
    connection = tables_with(
        track_labels=[
            label("dead"), label("unlisted"), label("same", "functional"), label("same", **new), label("mended", **new)
        ],
        dead_letters=[{"track_id": "dead"} | new, {"track_id": "mended"}, {"track_id": "dead then unlisted"}],
        streams=[streams(track_id, 1) for track_id in ("dead", "unlisted", "same", "mended", "dead then unlisted")],
    )  # fmt: skip
    found = connection.sql("FROM coverage_by_licensor").fetchall()
    assert found == [("A", "2026-02", 5, 2, 1, 2, 0, 0, 0, 5, 0, pytest.approx(0.4))]


def test_dead_letters_by_cause_are_a_share_of_all_rows_of_the_run():
    dead = {"stage": "audio", "error_type": "missing_audio", "message": "b"}
    connection = tables_with(
        track_labels=[label("a"), label("b", run_date=FEBRUARY)],
        dead_letters=[dead, dead | {"message": "a"}, dead | {"error_type": "storage_error"}],
    )
    assert connection.sql("FROM dead_letters_by_cause ORDER BY error_type").fetchall() == [
        (JANUARY, "audio", "missing_audio", 2, 0.5, "a"), (JANUARY, "audio", "storage_error", 1, 0.25, "b")
    ]  # fmt: skip


def test_duplicate_audio_groups_tracks_by_their_bytes():
    noise = {"audio_sha256": "x", "duration_s": 120.0}
    connection = tables_with(
        track_labels=[label("a"), label("c", "functional", artist="P", **noise),
                      label("b", "functional", artist="Q", **noise)],
    )  # fmt: skip
    assert connection.sql("FROM duplicate_audio").fetchall() == [
        ("x", 2, 2, "functional", "noise", 120.0, ["b", "c"], 1)
    ]


def test_category_drift_compares_the_last_two_runs():
    march = datetime.date(2026, 3, 31)
    connection = tables_with(
        track_labels=[
            label("a", "speech"), label("a", run_date=FEBRUARY), label("b", run_date=FEBRUARY),
            label("a", run_date=march), label("b", "functional", run_date=march),
        ]
    )  # fmt: skip
    assert connection.sql("FROM category_drift ORDER BY category").fetchall() == [
        ("functional", "noise", FEBRUARY, march, 0, 1, 0.0, 0.5, 0.5),
        ("music", None, FEBRUARY, march, 2, 1, 1.0, 0.5, -0.5),
    ]


def test_royalty_summary_takes_the_latest_run_and_month():
    treatment = {"policy_id": "p", "policy_version": "1", "royalty_class": "functional", "stream_weight": 0.25}
    connection = tables_with(
        royalty_treatments=[
            treatment | {"track_id": "a", "run_date": FEBRUARY}, treatment | {"track_id": "b", "run_date": FEBRUARY},
            treatment | {"track_id": "c", "eligible": False, "run_date": FEBRUARY}, treatment | {"track_id": "a"},
        ],
        streams=[streams("a", 8), streams("b", 4), streams("c", 100), streams("a", 1000, "2026-01")],
    )  # fmt: skip
    assert connection.sql("FROM royalty_summary ORDER BY eligible").fetchall() == [
        (FEBRUARY, "p", "1", "functional", False, "2026-02", 1, 100, 0.0),
        (FEBRUARY, "p", "1", "functional", True, "2026-02", 2, 12, 3.0),
    ]


def test_track_search_holds_the_latest_model_alone():
    def embedding(track_id: str, **columns: Any) -> dict[str, Any]:
        return {"track_id": track_id, "embedding": [1.0, 0.0], "model_version": "m1", "run_date": JANUARY} | columns

    new = {"model_version": "m2", "run_date": FEBRUARY}
    connection = tables_with(
        track_labels=[label("a"), label("b"), label("a", **new)],
        track_embeddings=[embedding("a"), embedding("b"), embedding("a", **new, embedding=[0.0, 1.0])],
    )
    assert connection.sql("SELECT track_id, embedding, model_version FROM track_search").fetchall() == [
        ("a", [0.0, 1.0], "m2")
    ]


def test_near_duplicates_are_followed_along_a_chain_within_the_bound():
    # Each audio is much like the next and the ends are not: 3,000 of one type, of which the bound compares 1,000.
    angle = [i / 3000 for i in range(3000)]
    connection = tables_with(
        track_labels=[label(f"t{i:04}", "functional") for i in range(3000)],
        track_embeddings=[
            {"track_id": f"t{i:04}", "embedding": [1.0, a], "model_version": "m1"} for i, a in enumerate(angle)
        ],
    )
    clusters = connection.execute(read_sql(SQL_FOLDER / "examples" / "near_duplicate_noise.sql").statement).fetchall()
    assert [(cluster, audios) for cluster, _, audios, _, _ in clusters] == [("t0000", 1000)]


def test_labels_and_treatments_by_the_licensor_of_the_catalog():
    old = {"run_date": JANUARY, "licensor": "A"}
    new = {"run_date": FEBRUARY, "licensor": "A"}
    treated = {"policy_id": "p", "policy_version": "1", "royalty_class": "music", "stream_weight": 1.0}
    connection = tables_with(
        track_labels=[
            label("gone", **old), label("m", "functional", **old), label("m", **new),
            label("f", "functional", decision="review", **new), label("n", "speech", run_date=FEBRUARY),
        ],
        royalty_treatments=[
            {"track_id": "m", "run_date": JANUARY, "eligible": False} | treated,
            *({"track_id": track_id, "run_date": FEBRUARY} | treated for track_id in ("m", "n")),
            {"track_id": "f", "run_date": FEBRUARY} | treated | {"eligible": False, "ineligible_reason": "why"},
        ],
    )  # fmt: skip
    assert connection.sql("FROM labels_by_licensor ORDER BY licensor").fetchall() == [
        ("A", 2, 1, 1, 0, 1, 0.5), (None, 1, 0, 0, 1, 0, 0.0),
    ]  # fmt: skip
    found = connection.sql(
        "SELECT run_date, licensor, eligible, reason, tracks FROM royalty_by_licensor ORDER BY ALL"
    ).fetchall()
    assert found == [
        (FEBRUARY, "A", False, "why", 1), (FEBRUARY, "A", True, None, 1), (FEBRUARY, None, True, None, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("asked", ["the view", "the README"])
def test_short_tracks_of_many_lengths_have_one_reason(asked):
    (spotify,) = policies_in_force(["spotify"], JANUARY)
    exclusive = spotify.model_copy(update={"min_length_inclusive": False, "review_treatment": "as_labelled"})
    lengths_s = [0.5, 3.442, 7.0, 59.999, 119.9]
    rows = {
        f"{decision} {length_s}": treat(RoyaltyFacts("functional", "noise", decision, length_s), NO_RELEASE, policy)
        for decision, policy in (("auto", spotify), ("review", exclusive))
        for length_s in lengths_s
    }
    assert len({treatment.ineligible_reason for treatment in rows.values()}) == 10
    connection = tables_with(
        track_labels=[label(track_id, "functional") for track_id in rows],
        royalty_treatments=[{"track_id": track_id} | treatment.columns() for track_id, treatment in rows.items()],
    )
    if asked == "the view":
        query = "FROM royalty_by_licensor"
    else:
        page = re.sub("--.*", "", (SQL_FOLDER.parent / "README.md").read_text("utf-8"))
        (query,) = re.findall(r"SELECT [^;]*FROM read_parquet\('out/royalty_treatments/[^;]*", page)
        query = re.sub(r"read_parquet\('out/royalty_treatments/.*?'\)", "royalty_treatments", query)
    found = connection.sql(query).project("royalty_class, reason, tracks").order("ALL").fetchall()
    words = "Spotify pays functional content (noise) only for tracks"
    assert found == [
        ("functional", f"{words} of at least 120 s.", 5),
        ("pending_review", f"{words} longer than 120 s. The label is in doubt; a person will listen to the track.", 5),
    ]
