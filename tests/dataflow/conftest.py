"""The store, the service and a worker's Python, one each for all tests of this folder."""

import json
import pathlib
from collections.abc import Iterator

import pytest

from tests.dataflow.service import DataflowService
from tests.dataflow.template import Template, write_template
from tests.dataflow.worker import WorkerPython
from tests.gcs.emulated_store import BUCKET, EmulatedStore, Job
from tests.gcs.published_output import AUDIO, FLAGS, GATES, put_audio

ROWS = [
    *({"track_id": f"t-{pathlib.PurePosixPath(uri).stem}", "audio_uri": uri} for uri in AUDIO),
    {"track_id": "t-missing", "audio_uri": "audio/none.mp3"},
    {"title": "a row without a track_id"},
]


@pytest.fixture(scope="session")
def store() -> Iterator[EmulatedStore]:
    emulated = EmulatedStore()
    put_audio(emulated)
    emulated.write("in/catalog.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS).encode())
    yield emulated
    emulated.close()


@pytest.fixture(scope="session")
def job(store: EmulatedStore, tmp_path_factory: pytest.TempPathFactory) -> Job:
    return Job(store, tmp_path_factory.mktemp("job"))


@pytest.fixture(scope="session")
def flags(job: Job) -> tuple[str, ...]:
    """A command without anything that Dataflow needs."""
    config = job.folder / "config.yaml"
    config.write_text(GATES)
    return ("--catalog", f"gs://{BUCKET}/in/catalog.jsonl", "--config", str(config), *FLAGS)


@pytest.fixture(scope="session")
def worker(job: Job, tmp_path_factory: pytest.TempPathFactory) -> WorkerPython:
    return WorkerPython(tmp_path_factory.mktemp("worker"), job)


@pytest.fixture
def service(store: EmulatedStore, worker: WorkerPython) -> Iterator[DataflowService]:
    stand_in = DataflowService(store, worker)
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="session")
def plain(job: Job, store: EmulatedStore, flags: tuple[str, ...]) -> Template:
    """A template with nothing but what is needed: from a checkout, without an image."""
    return write_template(job, store, *flags)


@pytest.fixture(scope="session")
def staged_package(plain: Template, store: EmulatedStore, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The package of this checkout as workers get it."""
    path = tmp_path_factory.mktemp("staged") / "workflow.tar.gz"
    path.write_bytes(plain.staged(store, path.name))
    return path
