"""An object store that throttles, resets, breaks off, dawdles and goes away: a real server that misbehaves."""

import json
import pathlib
from collections.abc import Iterator

import pytest

from tests.faults.disturbed_job import said
from tests.gcs.emulated_store import BUCKET, EmulatedStore, Job, finish
from tests.gcs.published_output import AUDIO, FLAGS, OUTPUT, Published, current_runs, published, put_audio

CATALOG = "".join(
    json.dumps({"track_id": pathlib.PurePosixPath(uri).stem, "audio_uri": uri}) + "\n"
    for uri in (*AUDIO, "audio/none.mp3")
)
CONFIG = "gates: {max_review_share: 1.0, min_rows_for_shares: 5, max_dead_letter_share: 0.5}\n"


@pytest.fixture(scope="module")
def store() -> Iterator[EmulatedStore]:
    emulated = EmulatedStore()
    yield emulated
    emulated.close()


@pytest.fixture(scope="module")
def job(store: EmulatedStore, tmp_path_factory: pytest.TempPathFactory) -> Job:
    return Job(store, tmp_path_factory.mktemp("job"))


@pytest.fixture(scope="module")
def flags(store: EmulatedStore, job: Job) -> tuple[str, ...]:
    put_audio(store)
    store.write("in/catalog.jsonl", CATALOG.encode())
    config = job.folder / "config.yaml"
    config.write_text(CONFIG)
    return ("--catalog", f"gs://{BUCKET}/in/catalog.jsonl", "--config", str(config), *FLAGS)


@pytest.fixture(scope="module")
def first(store: EmulatedStore, job: Job, flags: tuple[str, ...]) -> Published:
    finish(job.start(*flags))
    return published(store)


@pytest.mark.parametrize(
    ("outcome", "every"), [("throttled", 15), ("reset", 15), ("truncated", 15), ("slow", 5)], ids=lambda word: str(word)
)
def test_a_store_that_fails_now_and_then(
    outcome: str, every: int, store: EmulatedStore, job: Job, flags: tuple[str, ...], first: Published
) -> None:
    count = 0

    def before(method: str, path: str) -> str | None:
        nonlocal count
        count += 1
        return outcome if count % every == 0 else None

    store.before = before
    try:
        finish(job.start(*flags))
    finally:
        store.before = lambda method, path: None
    assert count >= 3 * every
    again = published(store)
    assert again.manifest == first.manifest
    assert again.tables == first.tables


def test_audio_that_cannot_be_read_is_a_dead_letter_and_a_gate_refuses(
    store: EmulatedStore, job: Job, flags: tuple[str, ...], first: Published
) -> None:
    """The bucket of the audio is out of order, that of the output is not."""
    store.before = lambda method, path: "unavailable" if "/in/audio/" in path or "in%2Faudio" in path else None
    process = job.start(*flags)
    try:
        _, errors = process.communicate(timeout=300)
    finally:
        store.before = lambda method, path: None
    assert process.returncode == 3, errors
    assert "max_dead_letter_share" in errors
    assert "storage_error" in errors
    assert published(store).manifest == first.manifest


def test_a_store_that_goes_away_while_the_run_publishes(
    store: EmulatedStore, job: Job, flags: tuple[str, ...], first: Published
) -> None:
    gone = False

    def before(method: str, path: str) -> str | None:
        nonlocal gone
        gone = gone or (f"{OUTPUT}/.staging/" in path and "plan.json" in path and method != "GET")
        return "unavailable" if gone else None

    store.before = before
    process = job.start(*flags, "--coverage", "full")
    try:
        _, errors = process.communicate(timeout=400)
    finally:
        store.before = lambda method, path: None
    assert gone
    assert process.returncode == 1, errors
    assert "cannot be reached" in said(errors)
    assert published(store).manifest == first.manifest
    finish(job.start(*flags))
    again = published(store)
    assert (again.manifest, again.tables) == (first.manifest, first.tables)
    assert current_runs(again.objects) == [first.run_id]
