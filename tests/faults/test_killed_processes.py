"""Processes of a run that are killed or told to stop: the old partition stands, and the next run completes it.

``tests/kill`` has the main process killed at random moments while a reader looks on.
"""

import os
import pathlib
import signal

import pytest

from tests.faults.disturbed_job import Job, finish, one_sentence, said
from tests.job_processes import decoders, running, wait_until_gone

WORKER = "transforms.local_worker"


def test_a_worker_process_killed(job: Job, old_partition: pathlib.Path, undisturbed: dict[str, bytes]) -> None:
    old = job.begin_with(old_partition)
    process = job.start_held("--processes", "2")
    os.kill(running(process.pid, WORKER)[-1], signal.SIGKILL)
    job.release()
    status, errors = finish(process)
    assert status == 1, errors
    assert "A worker process was killed or died" in said(errors)
    assert job.published() == old
    job.run("--processes", "2")
    assert job.published() == undisturbed


def test_the_main_process_killed(job: Job, old_partition: pathlib.Path, undisturbed: dict[str, bytes]) -> None:
    old = job.begin_with(old_partition)
    process = job.start_held("--processes", "2")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until_gone(process.pid, within_s=20)
    assert job.published() == old
    job.decoder_faults({})
    job.run()
    assert job.published() == undisturbed


def test_a_decoder_killed_from_outside(job: Job, undisturbed: dict[str, bytes]) -> None:
    process = job.start_held()
    os.kill(decoders(process.pid)[0], signal.SIGKILL)
    job.release()
    status, errors = finish(process)
    assert status == 0, errors
    assert job.published().keys() >= {path for path in undisturbed if path.startswith("runs/")}
    job.decoder_faults({})
    job.run()
    assert job.published() == undisturbed


@pytest.mark.parametrize("flags", [("--processes", "2"), ()])
@pytest.mark.parametrize(("number", "to_all"), [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGTERM, False)])
def test_stopped_by_a_signal(number: signal.Signals, to_all: bool, flags: tuple[str, ...], job: Job) -> None:
    """Ctrl-C goes to the whole group of processes, a scheduler's SIGTERM often to the first only."""
    process = job.start_held(*flags)
    (os.killpg if to_all else os.kill)(process.pid, number)
    status, errors = finish(process, within_s=120)
    assert status == 128 + number
    assert f"stopped by {number.name}" in one_sentence(errors)
    assert errors.endswith(f"{one_sentence(errors)}\n")  # nobody has anything to say behind it
    assert job.published() == {}
    assert list(job.temporary.iterdir()) == []
