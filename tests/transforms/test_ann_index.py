"""The approximate index against exact neighbours."""

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from voyager import Index

from models.errors import UserError
from transforms.ann_index import TRACKS_OF_INDEX, TRACKS_SUFFIX, write_ann_index
from transforms.track_search import TRACK_SEARCH

TRACKS, AUDIOS, SIZE = 600, 400, 16


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(3).normal(size=(AUDIOS, SIZE)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def search_table(rows: list[dict]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    columns = {name: [row[name] for row in rows] for name in ("track_id", "audio_sha256", "embedding", "model_version")}
    schema = pa.schema([TRACK_SEARCH.field(name) for name in columns])
    connection.register("incoming", pa.table(columns, schema=schema))
    connection.execute("CREATE TABLE track_search AS FROM incoming")
    return connection


@pytest.fixture(scope="module")
def connection(vectors):
    return search_table(
        [
            {"track_id": f"t{n:03}", "audio_sha256": f"{n % AUDIOS:064}", "embedding": vectors[n % AUDIOS].tolist()}
            | {"model_version": "m1"}
            for n in range(TRACKS)
        ]
    )


def test_nearly_all_exact_neighbours_are_found_and_named(connection, vectors, tmp_path):
    path = tmp_path / "new" / "tracks.voy"
    assert write_ann_index(connection, path) == AUDIOS
    assert sorted(file.name for file in path.parent.iterdir()) == ["tracks.voy", f"tracks.voy{TRACKS_SUFFIX}"]
    named = pq.read_table(f"{path}{TRACKS_SUFFIX}")
    assert named.schema.equals(TRACKS_OF_INDEX)
    audio_of = {row["track_id"]: row["index_id"] for row in named.to_pylist()}
    assert audio_of == {f"t{n:03}": n % AUDIOS for n in range(TRACKS)}
    found, _ = Index.load(str(path)).query(vectors, k=10)
    exact = np.argsort(-vectors @ vectors.T, axis=1)[:, :10]
    assert (found[:, 0] == np.arange(AUDIOS)).all()
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact, strict=True)]) > 0.9


def test_no_rows_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(UserError, match="has no rows to index"):
        write_ann_index(search_table([]), tmp_path / "tracks.voy")
    assert list(tmp_path.iterdir()) == []
