"""The main job on a portable engine when parts of it are killed at work: nothing is published, a re-run mends it."""

import os
import signal

import grpc
import pytest
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from tests.portable.engine import END_TIMEOUT_S, Engine, ended, finish, is_running, start_job, wait_for
from tests.sample_run import CONFIG, POLICIES, files

CATALOG = "sample/catalog.jsonl"
CONFIG_FLAG = f"--config={CONFIG}"
FLAGS = [CONFIG_FLAG, *(f"--policy={policy}" for policy in POLICIES)]


def kill_worker(engine: Engine, job) -> None:
    os.kill(engine.workers()[0], signal.SIGKILL)


def kill_pool_and_worker(engine: Engine, job) -> None:
    """What is left of a machine that is lost."""
    worker = engine.workers()[0]
    engine.pools[0].kill()
    os.kill(worker, signal.SIGKILL)


def kill_job_service(engine: Engine, job) -> None:
    engine.jobs.kill()


def cancel_on_engine(engine: Engine, job) -> None:
    with grpc.insecure_channel(engine.jobs.address) as channel:
        request = beam_job_api_pb2.CancelJobRequest(job_id="job-001")
        beam_job_api_pb2_grpc.JobServiceStub(channel).Cancel(request)


def stop_job(engine: Engine, job) -> None:
    job.send_signal(signal.SIGTERM)


FAULTS = {
    kill_worker: (1, ["The job failed on the engine", "SDK worker disconnected", "nothing was published"]),
    kill_pool_and_worker: (1, ["The job failed on the engine", "SDK worker disconnected", "nothing was published"]),
    kill_job_service: (1, ["The job service was lost", "nothing was published", "run the same command again"]),
    cancel_on_engine: (1, ["The job failed on the engine", "CANCELLED", "nothing was published"]),
    stop_job: (128 + signal.SIGTERM, ["the job on the engine was cancelled", "nothing was published by halves"]),
}


def visible(output) -> dict[str, bytes]:
    """What a reader may come upon."""
    return {name: data for name, data in files(output).items() if not name.startswith(".")}


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """An output folder with a published partition, the same date's as the killed runs'."""
    folder = tmp_path_factory.mktemp("killed")
    catalog = folder / "old.csv"
    catalog.write_text("track_id,audio_uri\nold,audio/endgame/01-advanced-simulacra.opus\nmissing,audio/none.mp3\n")
    finish(start_job(catalog, folder / "out", CONFIG_FLAG))
    assert visible(folder / "out")
    return folder / "out"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_part_of_it_is_killed_while_audio_is_decoded(fault, output, tmp_path):
    before = visible(output)
    with Engine(tmp_path / "engine") as engine, ended(start_job(CATALOG, output, CONFIG_FLAG, *engine.flags())) as job:
        wait_for(lambda: engine.decoders() and list(output.glob(".staging/*/*/*/part-*")), "decoders, a staged file")
        processes = [*engine.workers(), *engine.decoders()]
        fault(engine, job)
        _, errors = job.communicate(timeout=END_TIMEOUT_S)
        wait_for(lambda: not any(map(is_running, processes)), "no worker or decoder is left", END_TIMEOUT_S)
    status, sentences = FAULTS[fault]
    assert job.returncode == status, errors
    for sentence in sentences:
        assert sentence in errors
    assert "Traceback" not in errors
    assert visible(output) == before
    assert list(output.glob(".staging/*/*/*/part-*")), "nothing was staged: the fault came too early to mean something"


def test_a_rerun_on_the_engine_publishes_the_bytes_of_a_local_run(output, sample_output, tmp_path):
    """It follows a ``kill -9`` of the job itself, whose work the engine goes on with beside that of the re-run."""
    with Engine(tmp_path / "engine") as engine:
        with ended(start_job(CATALOG, output, *FLAGS, *engine.flags())):
            wait_for(engine.decoders, "decoders")
            (killed,) = output.glob(".staging/*/*")
        finish(start_job(CATALOG, output, *FLAGS, *engine.flags()))
        wait_for(lambda: not engine.workers(), "the end of both jobs", END_TIMEOUT_S)
    rerun = visible(output)
    (replaced,) = [name.split("/")[1] for name in rerun if name.endswith("/REPLACED_BY")]
    assert {name: data for name, data in rerun.items() if replaced not in name} == visible(sample_output)
    assert set(output.glob(".staging/*/*")) <= {killed}
