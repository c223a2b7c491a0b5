"""The main job, stopped and killed at any moment: readers see old or new, and a re-run completes it."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import pyarrow.parquet as pq
import pytest

from tests.job_processes import wait_until_gone
from transforms.table_schemas import TABLES

ROOT = pathlib.Path(__file__).parents[2]
RUN_DATE = "2026-01-31"
#: Before this part of its time a run only loads its libraries: killed there it has done nothing yet.
BEGINS = 0.35
KILLS = 7


def write_catalog(path: pathlib.Path, track_ids: list[str]) -> pathlib.Path:
    audio = sorted((ROOT / "sample" / "audio").rglob("*.opus"))[:3]
    uris = [str(path.relative_to(ROOT / "sample")) for path in audio]
    lines = [{"track_id": track_id, "audio_uri": uris[i % 3]} for i, track_id in enumerate(track_ids)]
    lines.append({"track_id": f"{track_ids[0]}-missing", "audio_uri": "audio/none.mp3"})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def start(catalog: pathlib.Path, output: pathlib.Path, *flags: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.categorize_tracks", "--catalog", str(catalog), "--output", str(output),
         "--audio_root", str(ROOT / "sample"), "--run_date", RUN_DATE, *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def track_ids(output: pathlib.Path, table: str) -> list[str] | None:
    """The table's track ids as a reader finds them; None when there is no partition."""
    folder = output / table / f"run_date={RUN_DATE}"
    for _ in range(100):
        files = sorted(folder.glob("*.parquet"))
        try:
            tables = [pq.read_table(file, columns=["track_id"], partitioning=None) for file in files]
        except FileNotFoundError:
            continue  # exchanged between listing and opening
        return [track_id for table in tables for track_id in table["track_id"].to_pylist()] if files else None
    raise AssertionError(f"{folder} kept changing")


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_it_labels_ends_the_job_and_publishes_nothing(number, tmp_path):
    """``tests/faults`` has those that come while it labels."""
    process = start(write_catalog(tmp_path / "a.jsonl", ["a1", "a2", "a3"]), tmp_path / "out", "--coverage", "full")
    staging = tmp_path / "out" / ".staging"
    while not staging.exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert f"stopped by {number.name}" in errors
    assert "Traceback" not in errors
    assert not list((tmp_path / "out").glob("*/run_date=*/*.parquet"))
    wait_until_gone(process.pid)


def test_kill_9_at_random_moments_then_a_rerun(tmp_path):
    output = tmp_path / "out"
    old = write_catalog(tmp_path / "old.jsonl", ["a1", "a2", "a3"])
    new = write_catalog(tmp_path / "new.jsonl", ["b1", "b2", "b3", "b4"])
    finish(start(old, output))
    before = {table: track_ids(output, table) for table in TABLES}
    assert before["track_labels"] == ["a1", "a2", "a3"]
    assert before["dead_letters"] == ["a1-missing"]

    seen: list[dict[str, list[str] | None]] = []
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            seen.append({table: track_ids(output, table) for table in TABLES})
            time.sleep(0.01)

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        began = time.monotonic()
        finish(start(new, tmp_path / "elsewhere"))
        whole_run_s = time.monotonic() - began
        rng = random.Random(20261122)
        for _ in range(KILLS):
            process = start(new, output)
            time.sleep(rng.uniform(BEGINS, 1.0) * whole_run_s)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        finish(start(new, output))
    finally:
        stop.set()
        reader.join()

    after = {table: track_ids(output, table) for table in TABLES}
    assert after["track_labels"] == ["b1", "b2", "b3", "b4"]
    assert after["dead_letters"] == ["b1-missing"]
    for table in TABLES:
        assert {json.dumps(view[table]) for view in seen} <= {json.dumps(before[table]), json.dumps(after[table])}
    assert not list(output.glob(".staging/*/*"))
    manifests = [path for path in output.glob("runs/*/manifest.json") if not (path.parent / "REPLACED_BY").exists()]
    assert len(manifests) == 1
    listed = {file["path"] for file in json.loads(manifests[0].read_text())["files"]}
    assert listed == {str(path.relative_to(output)) for path in output.glob("*/run_date=*/*.parquet")}


def test_kill_9_of_a_run_that_carries_labels_then_a_rerun_with_other_workers(tmp_path):
    output, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    finish(start(write_catalog(tmp_path / "old.jsonl", ["a1", "a2", "a3"]), output, "--run_date", "2026-01-30"))
    before = contents(output)
    new = write_catalog(tmp_path / "new.jsonl", ["a1", "a2", "a0", "a3", "a4"])
    previous = ("--previous", str(output))
    began = time.monotonic()
    finish(start(new, elsewhere, *previous))
    whole_run_s = time.monotonic() - began
    rng = random.Random(20261125)
    for _ in range(KILLS // 2):
        process = start(new, output, *previous)
        time.sleep(rng.uniform(BEGINS, 1.0) * whole_run_s)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    finish(start(new, output, *previous, "--processes", "2"))
    after = contents(output)
    assert before.items() <= after.items()
    assert {path: data for path, data in after.items() if RUN_DATE in path} == contents(elsewhere)
    assert not list(output.glob(".staging/*/*"))
    labels = pq.read_table(output / "track_labels" / f"run_date={RUN_DATE}", partitioning=None)
    assert dict(zip(labels["track_id"].to_pylist(), labels["label_source"].to_pylist(), strict=True)) == {
        "a0": "audio", "a1": "carried", "a2": "carried", "a3": "audio", "a4": "audio",
    }  # fmt: skip


def contents(output: pathlib.Path) -> dict[str, bytes]:
    """Bytes of every table's files, by path."""
    return {str(path.relative_to(output)): path.read_bytes() for path in output.glob("*/run_date=*/*.parquet")}
