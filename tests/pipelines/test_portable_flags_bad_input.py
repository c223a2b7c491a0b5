"""Flags for a portable engine that cannot work end with status 2 and one sentence, before any work."""

import socket

import pytest

from pipelines import portable_flags
from pipelines.categorize_tracks import run
from pipelines.command_line import exit_status
from tests.sample_run import SAMPLE


def complaint(tmp_path, capsys, *flags: str) -> str:
    output = tmp_path / "out"
    status = exit_status(run, ["--catalog", str(SAMPLE / "catalog.jsonl"), "--output", str(output), *flags])
    errors = capsys.readouterr().err
    assert status == 2, errors
    assert not output.exists()
    (line,) = errors.splitlines()
    return line


@pytest.mark.parametrize("runner", ["PortableRunner", "apache_beam.runners.portability.portable_runner.PortableRunner"])
def test_no_job_service_is_named(runner, tmp_path, capsys):
    line = complaint(tmp_path, capsys, "--runner", runner, "--environment_type=LOOPBACK")
    assert line == f"earmark: --runner {runner}: needs --job_endpoint, the HOST:PORT of the engine's job service."


@pytest.mark.parametrize(
    "endpoint", ["8099", "localhost:", ":8099", "localhost:http", "localhost:0", "localhost:65536"]
)
def test_an_endpoint_that_is_none(endpoint, tmp_path, capsys):
    line = complaint(tmp_path, capsys, "--runner=PortableRunner", f"--job_endpoint={endpoint}")
    assert line == f"earmark: --job_endpoint {endpoint}: is no HOST:PORT, such as localhost:8099."


def test_nobody_answers(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(portable_flags, "_WAIT_S", 0.1)
    with socket.socket() as bound:  # and not listening, so that no other process can
        bound.bind(("localhost", 0))
        endpoint = f"localhost:{bound.getsockname()[1]}"
        line = complaint(tmp_path, capsys, "--runner=FlinkRunner", f"--job_endpoint={endpoint}")
    assert line.startswith(f"earmark: --job_endpoint {endpoint}: no job service answers there (")
    assert line.endswith("; start it, or give its address.")


def test_an_external_environment_without_its_address(tmp_path, capsys):
    flags = ("--runner=FlinkRunner", "--flink_master=localhost:8081", "--environment_type=EXTERNAL")
    assert "--environment_type EXTERNAL: needs --environment_config, the HOST:PORT" in complaint(
        tmp_path, capsys, *flags
    )
