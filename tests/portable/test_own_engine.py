"""An engine that Beam starts for the job, since the flags name none: it ends with the job, however that ends."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.job_processes import running, wait_until_gone
from tests.portable.engine import END_TIMEOUT_S, ENVIRONMENT, ROOT, RUN_DATE, prism, wait_for


@contextlib.contextmanager
def started(folder: pathlib.Path, *flags: str) -> Iterator[subprocess.Popen]:
    """The main job on two rows, in a session of its own, of which nothing is left at the end of the block."""
    catalog = folder / "catalog.csv"
    catalog.write_text("track_id,audio_uri\na,audio/endgame/01-advanced-simulacra.opus\nmissing,audio/none.mp3\n")
    config = folder / "config.yaml"
    config.write_text("decode: {child_module: tests.faults.commanded_decoder}\ngates: {max_review_share: 1.0}\n")
    (folder / "decoder-faults.json").write_text("{}")
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.categorize_tracks", "--catalog", str(catalog), "--audio_root", "sample",
         "--output", str(folder / "out"), "--config", str(config), "--run_date", RUN_DATE, *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
        env=ENVIRONMENT | {"HOME": str(folder)},
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def engine_flags() -> list[str]:
    return ["--runner=PrismRunner", f"--prism_location={prism()}"]


def test_it_is_stopped_after_a_run_that_published(tmp_path, engine_flags):
    with started(tmp_path, *engine_flags) as job:
        _, errors = job.communicate()
        assert job.returncode == 0, errors
        wait_until_gone(job.pid)
    assert "Traceback" not in errors
    assert list((tmp_path / "out").glob("runs/*/_SUCCESS"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_stopped_when_a_signal_ends_the_job_at_work(number, tmp_path, engine_flags):
    with started(tmp_path, *engine_flags) as job:
        (tmp_path / "decoder-faults.json").write_text('{"*": "wait"}')
        wait_for(lambda: list(tmp_path.glob("reached-*")), "a decoder at work")
        job.send_signal(number)
        _, errors = job.communicate(timeout=END_TIMEOUT_S)
        wait_until_gone(job.pid)
    assert job.returncode == 128 + number, errors
    assert "the job on the engine was cancelled" in errors
    assert f"stopped by {number.name}; nothing was published by halves" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(("runner", "number"), [("PrismRunner", signal.SIGTERM), ("FlinkRunner", signal.SIGINT)])
def test_it_is_stopped_when_a_signal_comes_before_it_answers(runner, number, tmp_path):
    """The program in its place starts, and never listens."""
    program = tmp_path / "engine"
    program.write_text("#!/bin/sh\nexec sleep 86399\n")
    program.chmod(0o755)
    flags = {
        "PrismRunner": [f"--prism_location={program}"],
        "FlinkRunner": [f"--flink_job_server_jar={program}", f"--job_server_java_launcher={program}"],
    }
    with started(tmp_path, f"--runner={runner}", *flags[runner]) as job:
        wait_for(lambda: running(job.pid, "86399"), "the program in the engine's place")
        job.send_signal(number)
        _, errors = job.communicate(timeout=END_TIMEOUT_S)
        wait_until_gone(job.pid)
    assert job.returncode == 128 + number, errors
    assert f"stopped by {number.name}" in errors
    assert "Traceback" not in errors
