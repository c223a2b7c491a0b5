"""Flags of a run on a portable engine, as far as they are checked before any work."""

import pathlib
import socket

import pytest

from pipelines.categorize_options import parse
from tests.sample_run import SAMPLE


@pytest.fixture
def endpoint():
    """Where a job service listens; nobody says more to it before the work starts."""
    with socket.create_server(("localhost", 0)) as server:
        yield f"localhost:{server.getsockname()[1]}"


def options(endpoint: str, *flags: str):
    return parse(["--catalog", "catalog.jsonl", "--output", "out", "--job_endpoint", endpoint, *flags])


@pytest.mark.parametrize(
    "pool", [["--environment_config=localhost:50000"], ["--environment_options=external_service_address=localhost:1"]]
)
def test_paths_are_made_absolute_for_workers_that_were_started_elsewhere(endpoint, pool, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("catalog.jsonl", "audio"):
        pathlib.Path(name).symlink_to(SAMPLE / name)
    parsed = options(endpoint, "--runner=PortableRunner", "--environment_type=EXTERNAL", *pool, "--audio_root=audio")
    assert not parsed.local
    # As they were given, links and all: a worker may find other things behind them.
    assert [parsed.catalog, parsed.audio_root, parsed.output] == [
        str(tmp_path / name) for name in ("catalog.jsonl", "audio", "out")
    ]
    assert pathlib.Path(parsed.model_folder).is_absolute()


def test_where_a_run_works_does_not_change_its_id(endpoint, monkeypatch):
    monkeypatch.chdir(SAMPLE)
    date = "--run_date=2026-01-31"
    local = parse(["--catalog", "catalog.jsonl", "--output", "out", date])
    assert options(endpoint, "--runner=FlinkRunner", date).run_id == local.run_id
    assert (local.catalog, local.audio_root, local.output) == ("catalog.jsonl", ".", "out")
