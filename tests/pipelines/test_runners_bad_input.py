"""Runners that are none, and engines that cannot be had: one sentence, and nothing is published."""

from __future__ import annotations

import pathlib

import pytest

from pipelines.categorize_tracks import run
from pipelines.command_line import exit_status
from tests.sample_run import SAMPLE


def told(output: pathlib.Path, capsys: pytest.CaptureFixture[str], *flags: str, status: int) -> str:
    argv = ["--catalog", str(SAMPLE / "catalog.jsonl"), "--output", str(output), "--run_date", "2026-01-31", *flags]
    assert exit_status(run, argv) == status
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    (line,) = [line for line in errors.splitlines() if line.startswith("earmark: ")]
    return line


@pytest.mark.parametrize(
    "runner",
    ["DirectRunner2", "flnk", "InteractiveRunner", "no.such.module.Runner", "pathlib.NoRunner", "pathlib.Path",
     ".Runner", ""],
)  # fmt: skip
def test_a_runner_that_is_none(tmp_path, capsys, runner):
    line = told(tmp_path / "out", capsys, f"--runner={runner}", status=2)
    assert line.startswith(f"earmark: --runner {runner}: ")
    for name in ("Direct", "Portable", "Prism", "Flink", "Spark", "Dataflow"):
        assert f"{name}Runner" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("runner", "flag"),
    [("FlinkRunner", "flink_job_server_jar"), ("spark", "spark_job_server_jar"), ("PrismRunner", "prism_location")],
)
@pytest.mark.parametrize("place", ["none", "."])
def test_a_jar_or_binary_that_is_not_there(tmp_path, capsys, runner, flag, place):
    line = told(tmp_path / "out", capsys, "--runner", runner, f"--{flag}", str(tmp_path / place), status=2)
    assert line.startswith(f"earmark: --{flag} {tmp_path / place}: is no file; ")
    assert "docs/distributed.md" in line
    assert not (tmp_path / "out").exists()


@pytest.fixture
def broken(tmp_path: pathlib.Path) -> pathlib.Path:
    """A program that ends at once."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    return program


ENGINES = [
    # Nobody listens on port 9, so the jar cannot be fetched.
    (["--runner=FlinkRunner", "--flink_job_server_jar=http://127.0.0.1:9/none.jar"], "Flink", "Unable to fetch"),
    (["--runner=FlinkRunner", "--flink_job_server_jar={p}", "--job_server_java_launcher=/none/java"], "Flink", "/none"),
    (["--runner=SparkRunner", "--spark_submit_uber_jar"], "Spark", "spark_rest_url must be set"),
    (["--runner=PrismRunner", "--prism_location={p}"], "Prism", "failed to start up with error 7"),
]


@pytest.mark.parametrize(("flags", "engine", "reason"), ENGINES, ids=[f"{engine}: {why}" for _, engine, why in ENGINES])
def test_an_engine_that_cannot_be_had(tmp_path, capsys, broken, flags, engine, reason):
    given = [flag.format(p=broken) for flag in flags]
    line = told(tmp_path / "out", capsys, *given, f"--jar_cache_dir={tmp_path / 'jars'}", status=1)
    assert line.startswith(f"earmark: --runner {engine}Runner: the job could not be given to its engine (")
    assert reason in line and "nothing was published" in line and "docs/distributed.md" in line
    assert len(line) < 600
    left = [path.parent.name for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert left == [".locks"]  # no tables, and an empty staging folder, which the next run of the date clears


def test_a_bug_of_a_local_run_keeps_its_traceback(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr("apache_beam.runners.portability.fn_api_runner.FnApiRunner.run_pipeline", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        run(["--catalog", str(SAMPLE / "catalog.jsonl"), "--output", str(tmp_path / "out")])
