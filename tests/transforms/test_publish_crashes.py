"""Killed at any moment and started again, a run leaves one whole partition; a reader never sees anything else."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.transforms.generated_tables import generate_run
from tests.transforms.publish_trials import STEPS
from tests.transforms.published_state import read_table, rows_by_table
from transforms.table_schemas import TABLES

ROOT = pathlib.Path(__file__).parents[2]


def rounds(output: pathlib.Path) -> pathlib.Path:
    """A file with a byte for each time that all tables were looked at."""
    return output.with_name(f"{output.name}.rounds")


def start(output: pathlib.Path, trials: str) -> subprocess.Popen[str]:
    output.mkdir(exist_ok=True)
    rounds(output).touch()
    return subprocess.Popen(
        [sys.executable, "-m", "tests.transforms.publish_trials", str(output), trials],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def results(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


def poll(output: pathlib.Path, process: subprocess.Popen[str], runs: int, pause_s: float) -> dict[str, list[str]]:
    """Read all tables again and again until the process ends; the sequence of runs that each table was seen to hold.

    Fails when a table holds anything but the rows of one run, or is not there after it once was.
    """
    known = {
        table: {tuple(rows_by_table(run)[table]): run.run_id for run in (generate_run(f"run-{i}") for i in range(runs))}
        for table in TABLES
    }
    seen: dict[str, list[str]] = {table: [] for table in TABLES}
    while process.poll() is None:
        for table in TABLES:
            try:
                rows = read_table(output, table)
            except FileNotFoundError:
                continue
            if rows is None:
                assert not seen[table], f"{table} has gone"
                continue
            assert tuple(rows) in known[table], f"{table} holds {len(rows)} rows of no single run: {rows[:3]}"
            seen[table].append(known[table][tuple(rows)])
        with rounds(output).open("ab") as stream:
            stream.write(b".")
        time.sleep(pause_s)
    return seen


@pytest.mark.parametrize(("trials", "count"), [("moments", 10), ("beam_moments", 1)])
def test_killed_at_random_moments_while_a_reader_polls(tmp_path, trials, count):
    process = start(tmp_path / "out", trials)
    try:
        seen = poll(tmp_path / "out", process, count + 1, pause_s=0.002 if trials == "moments" else 0.05)
    finally:
        if process.poll() is None:
            process.kill()
    found = results(process)
    assert [trial["problems"] for trial in found] == [[]] * count
    # Most are; on a busy machine a run may be over before its moment comes.
    assert count == 1 or any(trial["killed"] for trial in found)
    for table, runs in seen.items():
        numbers = [int(run.removeprefix("run-")) for run in runs]
        assert numbers == sorted(numbers), f"{table} went back"
        assert sorted(set(numbers)) == list(range(count + 1)), f"{table} was not looked at after each run"


def test_killed_behind_every_step(tmp_path):
    found = results(start(tmp_path / "out", "steps"))
    assert [trial["trial"] for trial in found] == list(STEPS)
    assert all(trial["killed"] for trial in found)
    assert [trial["problems"] for trial in found] == [[]] * len(STEPS)
    for trial in found:
        done = STEPS.index(trial["trial"])
        expected = {table: "new" if STEPS.index(f"table {table}") <= done else "before" for table in TABLES}
        assert trial["seen"] == expected, trial["trial"]
        assert trial["finished"] == ["new" if done >= STEPS.index("planned") else "before"], trial["trial"]


def test_killed_between_two_renames_where_names_cannot_be_exchanged(tmp_path):
    found = results(start(tmp_path / "out", "between_renames"))
    assert [trial["trial"] for trial in found] == ["dead_letters", "track_labels"]
    assert all(trial["killed"] and trial["absent"] for trial in found)
    assert [trial["problems"] for trial in found] == [[]] * 2
