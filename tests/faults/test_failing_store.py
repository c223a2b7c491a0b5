"""An object store that throttles, resets, breaks off, dawdles and goes away: a real server that misbehaves."""

import json
import pathlib
import time
from collections.abc import Iterator

import pytest

from tests.faults.disturbed_job import said
from tests.gcs.emulated_store import BUCKET, EmulatedStore, Job, finish
from tests.gcs.published_output import AUDIO, FLAGS, Published, current_runs, published, put_audio

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
        # Of an upload whose answer was lost the emulator, unlike the real store, has forgotten that it was done.
        if outcome == "truncated" and method != "GET":
            return None
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


def test_an_outage_of_some_seconds_is_waited_out(
    store: EmulatedStore, job: Job, flags: tuple[str, ...], first: Published
) -> None:
    began: list[float] = []

    def before(method: str, path: str) -> str | None:
        if "/in/audio/" in path and not began:
            began.append(time.monotonic())
        return "unavailable" if began and time.monotonic() - began[0] < 4 else None

    store.before = before
    try:
        finish(job.start(*flags))
    finally:
        store.before = lambda method, path: None
    assert began
    again = published(store)
    assert (again.manifest, again.tables) == (first.manifest, first.tables)


def test_audio_that_may_not_be_read_is_a_dead_letter_and_a_gate_refuses(
    store: EmulatedStore, job: Job, flags: tuple[str, ...], first: Published
) -> None:
    """The rights to read the audio are taken away, those to write the output are not."""
    store.before = lambda method, path: "forbidden" if "/in/audio/" in path else None
    process = job.start(*flags)
    try:
        _, errors = process.communicate(timeout=300)
    finally:
        store.before = lambda method, path: None
    assert process.returncode == 3, errors
    assert "max_dead_letter_share" in errors
    assert "storage_error" in errors
    assert published(store).manifest == first.manifest


def test_the_rights_to_write_are_taken_away_while_the_run_publishes(
    store: EmulatedStore, job: Job, flags: tuple[str, ...], first: Published
) -> None:
    gone = False

    def before(method: str, path: str) -> str | None:
        nonlocal gone
        gone = gone or (method != "GET" and "/runs/" in path and "REPLACED_BY" in path)
        return "forbidden" if gone else None

    store.before = before
    process = job.start(*flags, "--coverage", "full")
    try:
        _, errors = process.communicate(timeout=300)
    finally:
        store.before = lambda method, path: None
    assert gone
    assert process.returncode == 1, errors
    assert "403" in said(errors)
    finish(job.start(*flags))
    again = published(store)
    assert (again.manifest, again.tables) == (first.manifest, first.tables)
    assert current_runs(again.objects) == [first.run_id]
