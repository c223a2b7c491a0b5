"""A job that is submitted and waited for: what becomes of each end that a job can have."""

import signal
import subprocess

import pytest

from tests.dataflow.conftest import ROWS
from tests.dataflow.service import JOB_ID, DataflowService
from tests.dataflow.template import CLOUD
from tests.dataflow.worker import WorkerPython
from tests.gcs.emulated_store import EmulatedStore, Job
from tests.gcs.published_output import OUTPUT, published


def start(job: Job, service: DataflowService, *flags: str) -> subprocess.Popen:
    return job.start(*flags, *CLOUD, f"--dataflow_endpoint={service.endpoint}", NO_PROXY="127.0.0.1,localhost")


def submit(job: Job, service: DataflowService, *flags: str) -> tuple[int, str, str]:
    process = start(job, service, *flags)
    output, errors = process.communicate()
    return process.returncode, output, errors


def test_a_job_that_is_done_is_published(
    job: Job, flags: tuple[str, ...], service: DataflowService, store: EmulatedStore, worker: WorkerPython
) -> None:
    status, output, errors = submit(job, service, *flags)
    assert status == 0, errors + service.worker_said
    # The worker's own copy did the work, of code and of weights.
    assert str(worker.packages / "models" / "__init__.py") in service.worker_said
    found = published(store)
    labels = {row["track_id"] for row in found.tables["track_labels"].to_pylist()}
    dead = {row["track_id"]: row["error_type"] for row in found.tables["dead_letters"].to_pylist()}
    assert dead == {"t-empty": "empty_audio", "t-missing": "missing_audio", None: "invalid_row"}
    assert labels == {row["track_id"] for row in ROWS[:-1]} - dead.keys()
    assert found.run_id in output
    assert f"Dataflow job {JOB_ID} has started" in errors
    assert len(service.created) == 1


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_job_that_ends_otherwise_is_not(
    job: Job, flags: tuple[str, ...], service: DataflowService, store: EmulatedStore, state: str
) -> None:
    before = store.generations(OUTPUT)
    service.outcome = f"JOB_STATE_{state}"
    status, output, errors = submit(job, service, *flags)
    assert status == 1
    assert f"earmark: Dataflow job {JOB_ID}" in errors
    assert f"State: {state}" in errors
    assert "nothing was published" in errors
    assert (service.message in errors) == (state == "FAILED")
    assert "Traceback" not in errors
    assert "Published" not in output
    assert store.generations(OUTPUT) == before


def test_sigterm_cancels_the_job(
    job: Job, flags: tuple[str, ...], service: DataflowService, store: EmulatedStore
) -> None:
    """As a scheduler ends a task, which it may start again: two jobs would be paid for."""
    before = store.generations(OUTPUT)
    service.outcome = "JOB_STATE_RUNNING"
    process = start(job, service, *flags)
    assert service.watched.wait(timeout=300)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert service.state == "JOB_STATE_CANCELLED"
    assert f"Dataflow job {JOB_ID} is cancelled" in errors
    assert "nothing was published by halves" in errors
    assert {name for name in store.generations(OUTPUT) if not name.startswith(".locks/")} == before.keys()
