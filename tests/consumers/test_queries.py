"""The example queries on the sample shard's real output, each checked against what the audio is known to be."""

import collections
import csv
import json
import re

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from voyager import Index

from pipelines.build_warehouse import run
from tests.sample_run import SAMPLE
from transforms.warehouse_views import SQL_FOLDER, VIEWS, read_sql

DOCS = SAMPLE.parent / "docs" / "warehouse.md"


@pytest.fixture(scope="module")
def connection(warehouse):
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        yield connection


def example(connection, name: str, **replaced: str) -> list[dict]:
    query = read_sql(SQL_FOLDER / "examples" / f"{name}.sql").statement
    for old, new in replaced.items():
        assert old in query
        query = query.replace(old, new)
    result = connection.execute(query)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@pytest.fixture(scope="module")
def labels(connection) -> dict[str, tuple]:
    rows = connection.execute("SELECT track_id, category, decision, audio_sha256 FROM current_labels").fetchall()
    return {row[0]: row[1:] for row in rows}


def test_noise_leaves_a_focus_playlist_and_music_stays(connection, labels):
    with (SAMPLE / "expected.csv").open(newline="") as file:
        expected = {row["track_id"]: row["expected_category"] for row in csv.DictReader(file)}
    playlist = example(connection, "focus_playlist")
    dropped = {row["track_id"] for row in playlist if row["verdict"].startswith("drop: functional")}
    kept = {row["track_id"] for row in playlist if row["verdict"] == "keep"}
    assert len(dropped) >= 5
    assert len(kept) >= 3
    assert {expected[track_id] for track_id in dropped} == {"functional"}
    assert {labels[track_id][:2] for track_id in kept} == {("music", "auto")}
    assert {labels[row["track_id"]][1] for row in playlist if "reviewed" in row["verdict"]} <= {"review"}


def test_the_nearest_tracks_are_ten_ordered_and_other_audio(connection, labels):
    nearest = example(connection, "nearest_tracks")
    similarity = [row["similarity"] for row in nearest]
    assert len(nearest) == 10
    assert similarity == sorted(similarity, reverse=True)
    assert all(-1 <= value <= 1.0001 for value in similarity)
    assert labels["trk_0001"][2] not in {labels[row["track_id"]][2] for row in nearest}
    # The sample's track is music: so are most of those that sound like it.
    assert sum(row["category"] == "music" for row in nearest) >= 8


def test_the_nearest_of_a_noise_is_the_same_noise_in_another_file(connection):
    nearest = example(connection, "nearest_tracks", trk_0001="trk_0030")
    assert nearest[0]["track_id"] == "trk_0038"
    assert nearest[0]["similarity"] > 0.98


def test_an_unknown_track_has_no_neighbours(connection):
    assert example(connection, "nearest_tracks", trk_0001="'' OR 1=1 --") == []


def test_one_noise_under_many_ids_is_one_cluster(connection):
    clusters = {row["cluster"]: row for row in example(connection, "near_duplicate_noise")}
    noise = clusters["trk_0030"]
    assert noise["tracks"] == 6
    assert noise["one_track_per_audio"] == ["trk_0030", "trk_0038"]
    (copies,) = connection.execute("SELECT track_ids FROM duplicate_audio WHERE track_ids[1] = 'trk_0030'").fetchone()
    assert len(copies) == 5
    members = [track_id for row in clusters.values() for track_id in row["one_track_per_audio"]]
    assert len(members) == len(set(members))


def test_a_first_run_has_no_changed_labels(connection):
    assert example(connection, "changed_labels") == []


def test_every_example_and_every_duckdb_query_of_the_docs_runs(connection):
    for path in (SQL_FOLDER / "examples").glob("*.sql"):
        connection.execute(path.read_text())
    blocks = re.findall(r"```sql\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        connection.execute(block)


def test_the_docs_list_every_view_and_example_with_its_purpose():
    page = DOCS.read_text()
    for path in [*(SQL_FOLDER / f"{name}.sql" for name in VIEWS), *(SQL_FOLDER / "examples").glob("*.sql")]:
        assert f"| `{path.stem}` | {read_sql(path).purpose}" in page


def test_the_review_queue_and_the_coverage_of_the_sample(connection):
    queue = connection.execute("SELECT streams_at_stake FROM review_queue ORDER BY queue_position").fetchall()
    assert queue == sorted(queue, reverse=True)
    assert queue[0][0] > 0
    coverage = connection.execute(
        "SELECT licensor, tracks - labelled_tracks, labelled_share_of_streams FROM coverage_by_licensor "
        "WHERE month = '2026-01' AND licensor IS NOT NULL ORDER BY licensor"
    ).fetchall()
    assert [row[0] for row in coverage] == ["Licensor A", "Licensor B", "Licensor C", "Licensor D"]
    assert all(0 < share <= 1 for *_, share in coverage)
    assert any(missing for _, missing, _ in coverage)


def test_the_index_file_agrees_with_the_exact_query(connection, warehouse, sample_output, tmp_path):
    flags = ["--tables", sample_output, "--database", tmp_path / "w.duckdb", "--ann_index", tmp_path / "tracks.voy"]
    assert run([str(flag) for flag in flags]) == 0
    (vector,) = connection.execute("SELECT embedding FROM track_search WHERE track_id = 'trk_0030'").fetchone()
    numbers, _ = Index.load(str(tmp_path / "tracks.voy")).query(np.array(vector, np.float32), k=2)
    named = pq.read_table(tmp_path / "tracks.voy.tracks.parquet").to_pylist()
    tracks = [[row["track_id"] for row in named if row["index_id"] == number] for number in numbers]
    assert tracks[0] == ["trk_0030", "trk_0033", "trk_0034", "trk_0036", "trk_0037"]
    assert tracks[1] == ["trk_0038"]


def test_each_label_has_the_licensor_of_its_catalog_row(connection):
    lines = (SAMPLE / "catalog.jsonl").read_text(errors="replace").splitlines()
    rows = [json.loads(line) for line in lines if line.startswith('{"track_id": "trk_0') and line.endswith("}")]
    licensors = {row["track_id"]: row.get("licensor") for row in rows}
    found = dict(connection.execute("SELECT track_id, licensor FROM track_labels").fetchall())
    assert found == {track_id: licensors[track_id] for track_id in found}
    counted = connection.execute("SELECT licensor, tracks FROM labels_by_licensor").fetchall()
    assert dict(counted) == collections.Counter(found.values())
