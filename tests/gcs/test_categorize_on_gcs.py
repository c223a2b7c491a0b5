"""The main job with catalog, audio and output on an object store: the same tables as on a local disk."""

import json
import pathlib
import shutil
import subprocess

import pyarrow as pa
import pytest

from tests.gcs.emulated_store import (
    BUCKET,
    ROOT,
    RUN_DATE,
    EmulatedStore,
    Job,
    finish,
    local_tables,
    table_in,
)
from tests.gcs.published_output import AUDIO, FLAGS, GATES, OUTPUT, Published, current_runs, published, put_audio
from transforms.table_schemas import TABLES

ROWS = [
    *({"track_id": f"t-{pathlib.PurePosixPath(uri).stem}", "audio_uri": uri} for uri in AUDIO),
    {"track_id": "t-same", "audio_uri": "audio/latin.m4a", "title": "Rain for Sleep"},
    {"track_id": "t-missing", "audio_uri": "audio/none.mp3"},
    {"title": "a row without a track_id"},
]
CATALOG = "".join(json.dumps(row) + "\n" for row in ROWS)
#: What some tools, the Cloud console among them, leave behind when someone makes a folder; this one amid a partition.
FOLDER_MARKER = f"track_labels/run_date={RUN_DATE}/"


@pytest.fixture(scope="module")
def config(job: Job) -> str:
    path = job.folder / "config.yaml"
    path.write_text(GATES)
    return str(path)


@pytest.fixture(scope="module")
def flags(store: EmulatedStore, config: str) -> tuple[str, ...]:
    put_audio(store)
    store.write("in/catalog.jsonl", CATALOG.encode())
    return ("--catalog", f"gs://{BUCKET}/in/catalog.jsonl", "--config", config, *FLAGS)


@pytest.fixture(scope="module")
def started(job: Job, flags: tuple[str, ...]) -> subprocess.Popen:
    return job.start(*flags)


@pytest.fixture(scope="module")
def local(job: Job, config: str, started: subprocess.Popen) -> dict[str, pa.Table]:
    """The tables of a run on the local disk, which works beside the one on the store."""
    folder = job.folder / "local"
    (folder / "audio").mkdir(parents=True)
    for uri, sample in AUDIO.items():
        shutil.copyfile(ROOT / "sample" / "audio" / sample, folder / uri)
    (folder / "catalog.jsonl").write_text(CATALOG)
    output = job.folder / "local-out"
    finish(job.start("--catalog", str(folder / "catalog.jsonl"), "--config", config, "--output", str(output)))
    return local_tables(output)


@pytest.fixture(scope="module")
def first(store: EmulatedStore, started: subprocess.Popen, local: object) -> Published:
    finish(started)
    return published(store)


@pytest.fixture(scope="module")
def again(store: EmulatedStore, job: Job, flags: tuple[str, ...], first: Published) -> Published:
    """The same run again, while one request in forty is answered by 503."""
    count = 0

    def before(method: str, path: str) -> str | None:
        nonlocal count
        count += 1
        return "unavailable" if count % 40 == 0 else None

    store.write(f"{OUTPUT}/{FOLDER_MARKER}", b"")
    store.before = before
    try:
        finish(job.start(*flags))
    finally:
        store.before = lambda method, path: None
    return published(store)


@pytest.mark.parametrize("table", TABLES)
def test_every_row_is_that_of_a_local_run(first: Published, local: dict[str, pa.Table], table: str) -> None:
    assert first.tables[table].schema.equals(local[table].schema, check_metadata=True)
    assert first.tables[table].to_pylist() == local[table].to_pylist()


def test_every_catalog_row_has_its_label_or_its_dead_letter(first: Published) -> None:
    labels = {row["track_id"]: row for row in first.tables["track_labels"].to_pylist()}
    dead = {row["track_id"]: row["error_type"] for row in first.tables["dead_letters"].to_pylist()}
    assert labels.keys() == {row["track_id"] for row in ROWS[:-1]} - dead.keys()
    assert dead == {"t-empty": "empty_audio", "t-missing": "missing_audio", None: "invalid_row"}
    assert labels["t-same"]["duplicate_of"] == "t-latin"
    assert labels["t-room"]["functional_type"] == "silence"


def test_the_manifest_lists_what_is_there_and_success_stands_beside_it(store: EmulatedStore, first: Published) -> None:
    successes = {f"{table}/run_date={RUN_DATE}/_SUCCESS" for table in TABLES} | {f"runs/{first.run_id}/_SUCCESS"}
    for name in sorted(successes):
        assert json.loads(store.read(f"{OUTPUT}/{name}")) == {"run_id": first.run_id, "run_date": RUN_DATE}
    expected = successes | {f"runs/{first.run_id}/{name}" for name in ("manifest.json", "report.html", "timings.json")}
    assert first.objects.keys() == expected | {file["path"] for file in first.manifest["files"]}
    assert {file["table"] for file in first.manifest["files"]} == set(TABLES)


def test_the_page_has_an_excerpt_of_audio_on_the_store(store: EmulatedStore, first: Published) -> None:
    page = store.read(f"{OUTPUT}/runs/{first.run_id}/report.html").decode()
    assert page.count("data:audio/mpeg") >= 1
    assert "No excerpt" not in page


def test_the_same_run_again_changes_no_object_though_the_store_fails_now_and_then(
    first: Published, again: Published
) -> None:
    assert again.run_id == first.run_id
    tables = [name for name in first.objects if not name.startswith("runs/")]
    assert {name: again.objects[name] for name in tables} == {name: first.objects[name] for name in tables}
    assert again.objects.keys() == first.objects.keys() | {FOLDER_MARKER}
    assert again.manifest == first.manifest


@pytest.fixture(scope="module")
def carried(store: EmulatedStore, job: Job, flags: tuple[str, ...], again: Published) -> tuple[dict, list[str]]:
    """The day after, carried forward: its manifest, and what the store was asked for."""
    asked = len(store.requests)
    config = job.folder / "no-excerpts.yaml"  # for which a run's page reads some audio anew
    config.write_text(f"{GATES}report: {{audio: false}}\n")
    previous = ("--previous", f"gs://{BUCKET}/{OUTPUT}", "--run_date", "2026-02-01", "--config", str(config))
    finish(job.start(*flags, "--output", f"gs://{BUCKET}/after", *previous))
    (run_id,) = current_runs(store.generations("after"))
    return json.loads(store.read(f"after/runs/{run_id}/manifest.json")), store.requests[asked:]


def test_the_next_run_carries_every_label_and_reads_no_audio_that_has_one(
    store: EmulatedStore, first: Published, carried: tuple[dict, list[str]]
) -> None:
    manifest, requests = carried
    labels = first.tables["track_labels"].num_rows
    assert manifest["previous"] == {
        "run_id": first.run_id, "run_date": RUN_DATE, "tracks_carried": labels, "tracks_labelled": 0,
    }  # fmt: skip
    files = {table: [f["path"] for f in manifest["files"] if f["table"] == table] for table in TABLES}
    varying = ["label_source", "run_date"]
    for table, paths in files.items():
        now = table_in([store.read(f"after/{path}") for path in paths])
        left, right = (
            rows.drop_columns([name for name in varying if name in rows.column_names]).to_pylist()
            for rows in (now, first.tables[table])
        )
        assert left == right
    read = {path for path in requests if path.startswith("/download/") and "/in/audio" in path}
    assert all("empty.mp3" in path for path in read), read


def test_nothing_but_the_store_was_asked(
    store: EmulatedStore, again: Published, carried: tuple[dict, list[str]]
) -> None:
    ours = ("/storage/v1/b/", "/upload/storage/v1/b/", "/download/storage/v1/b/", "/batch/storage/v1")
    assert [path for path in store.requests if not path.startswith(ours)] == []
