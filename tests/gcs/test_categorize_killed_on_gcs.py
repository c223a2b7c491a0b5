"""The main job on an object store, killed at its worst moments: the next run leaves one whole partition."""

import io
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.saved_model import shipped_model_folder
from tests.gcs.emulated_store import BUCKET, RUN_DATE, EmulatedStore, Job, finish
from tests.gcs.published_output import (
    FLAGS,
    GATES,
    OUTPUT,
    Published,
    current_runs,
    partition_objects,
    published,
    put_audio,
)
from transforms.table_schemas import TABLES

AUDIO_URIS = ["audio/crickets.opus", "audio/latin.m4a", "audio/none.mp3"]


def rows(prefix: str) -> list[dict[str, str]]:
    return [{"track_id": f"{prefix}{number}", "audio_uri": uri} for number, uri in enumerate(AUDIO_URIS)]


@pytest.fixture(scope="module")
def first(store: EmulatedStore, job: Job) -> Published:
    put_audio(store)
    store.write("in/first.jsonl", "".join(json.dumps(row) + "\n" for row in rows("a")).encode())
    config = job.folder / "config.yaml"
    config.write_text(GATES)
    finish(job.start("--catalog", f"gs://{BUCKET}/in/first.jsonl", "--config", str(config), *FLAGS))
    return published(store)


@pytest.fixture(scope="module")
def second_flags(store: EmulatedStore, job: Job) -> tuple[str, ...]:
    """Another catalog for the same date, as two Parquet files, and the model on the store too."""
    for number, some in enumerate((rows("b")[:1], rows("b")[1:])):
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(some), sink)
        store.write(f"catalogs/second/part-{number}.parquet", sink.getvalue())
    model = pathlib.Path(shipped_model_folder())
    for path in model.rglob("*"):
        if path.is_file():
            store.write(f"model/{path.relative_to(model)}", path.read_bytes())
    config = job.folder / "model-on-the-store.yaml"
    config.write_text(GATES + f"model: {{folder: 'gs://{BUCKET}/model'}}\n")
    return ("--catalog", f"gs://{BUCKET}/catalogs/second/*.parquet", "--config", str(config), *FLAGS)


@pytest.fixture(scope="module")
def after_kills(store: EmulatedStore, job: Job, second_flags: tuple[str, ...], first: Published) -> list[dict]:
    """What stood there after the second catalog's job was killed while it staged files, and while it swapped tables."""

    def has_staged_a_file(method: str, path: str) -> bool:
        return any(name.startswith(f"{OUTPUT}/.staging/") and "/part-" in name for name in store.names())

    def replaces_third_table(method: str, path: str) -> bool:
        return f"/copyTo/b/{BUCKET}/o/{OUTPUT}/track_embeddings/" in path

    moments = []
    for moment in (has_staged_a_file, replaces_third_table):
        job.kill_before(moment, *second_flags)
        moments.append(store.generations(OUTPUT))
    return moments


@pytest.fixture(scope="module")
def second(store: EmulatedStore, job: Job, second_flags: tuple[str, ...], after_kills: object) -> Published:
    # What some tools, the Cloud console among them, leave behind when someone makes a folder.
    for folder in ("model", "model/variables", "catalogs/second"):
        store.write(f"{folder}/", b"")
    finish(job.start(*second_flags))
    return published(store)


def test_killed_while_it_staged_files_the_old_partition_stands(first: Published, after_kills: list[dict]) -> None:
    left = {name for name in after_kills[0] if name.startswith((".staging/", ".locks/"))}
    assert any("/part-" in name for name in left), "it was killed too early"
    assert f".staging/run_date={RUN_DATE}/plan.json" not in left, "it was killed too late"
    assert {name: generation for name, generation in after_kills[0].items() if name not in left} == first.objects


def test_killed_while_it_swapped_tables_no_run_is_current(first: Published, after_kills: list[dict]) -> None:
    swapped = [
        table
        for table in TABLES
        if partition_objects(after_kills[1], table).isdisjoint(
            {file["path"] for file in first.manifest["files"] if file["table"] == table}
        )
    ]
    assert swapped == list(TABLES)[: list(TABLES).index("track_embeddings")], "it was not killed half-way"
    assert current_runs(after_kills[1]) == []


def test_the_next_run_leaves_one_whole_partition(store: EmulatedStore, first: Published, second: Published) -> None:
    assert second.run_id != first.run_id
    assert second.tables["track_labels"]["track_id"].to_pylist() == ["b0", "b1"]
    assert second.tables["dead_letters"]["track_id"].to_pylist() == ["b2"]
    for table in TABLES:
        listed = {file["path"] for file in second.manifest["files"] if file["table"] == table}
        assert partition_objects(second.objects, table) == listed | {f"{table}/run_date={RUN_DATE}/_SUCCESS"}
    assert store.read(f"{OUTPUT}/runs/{first.run_id}/REPLACED_BY").decode().strip() == second.run_id
    assert not [name for name in second.objects if name.startswith((".staging/", ".locks/"))]


def test_a_model_on_the_store_labels_as_the_shipped_one(first: Published, second: Published) -> None:
    labels = {row["track_id"]: row for row in second.tables["track_labels"].to_pylist()}
    expected = {row["track_id"]: row for row in first.tables["track_labels"].to_pylist()}
    for number in range(2):
        assert labels[f"b{number}"] == expected[f"a{number}"] | {"track_id": f"b{number}"}
