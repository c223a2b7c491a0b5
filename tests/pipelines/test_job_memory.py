"""What keeps a job's memory small: where Arrow takes its own, and how stages hand on their output."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from apache_beam.runners.worker.data_plane import ClosableOutputStream

from pipelines import categorize_tracks

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize(("chosen", "pool"), [({}, "system"), ({"ARROW_DEFAULT_MEMORY_POOL": "mimalloc"}, "mimalloc")])
def test_arrow_shares_the_heap_of_the_process_unless_told_otherwise(chosen, pool):
    environment = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    code = "import pipelines, pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment | chosen, cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == pool


class _StartedError(Exception):
    """Ends the job where Beam would begin."""


def test_stages_of_the_main_job_hand_on_their_output_in_small_parts(tmp_path, monkeypatch):
    parts: list[bytes] = []

    def look(pipeline):
        stream = ClosableOutputStream.create(parts.append, parts.append, 0)
        for _ in range(1_000):
            stream.write(b"x" * 1_000)
            stream.maybe_flush()
        raise _StartedError

    monkeypatch.setattr(categorize_tracks, "start_job", look)
    (tmp_path / "catalog.jsonl").write_text(json.dumps({"track_id": "t", "audio_uri": "t.wav"}))
    (tmp_path / "t.wav").touch()
    flags = ["--catalog", str(tmp_path / "catalog.jsonl"), "--output", str(tmp_path / "out")]
    with pytest.raises(_StartedError):
        categorize_tracks.run(flags)
    assert len(parts) >= 3
