"""Runs on an object store compared with each other, with local ones and with a staged one."""

import json
import pathlib
import subprocess
import sys

import pytest

from tests.gcs.emulated_store import BUCKET, ROOT, EmulatedStore, Job
from tests.pipelines.published_run import publish_run, stage_run
from tests.transforms.compared_runs import label
from transforms.run_summary import SUMMARY_NAME, to_text

STAGED = "compared/.staging/run_date=2026-11-25/now.1"
GATES = f"""
from transforms.change_gates import read_change_gates
from transforms.gates import GateSettings
output, staged = "gs://{BUCKET}/compared", "gs://{BUCKET}/{STAGED}"
changes = read_change_gates(output, "2026-11-25", staged, GateSettings())
print(*[reading.message for reading in changes.readings], changes.how_to_see, sep="\\n")
"""


def labels(functional: int) -> list[dict]:
    return [label(f"t{number:03d}", "functional" if number < functional else "music") for number in range(100)]


@pytest.fixture(scope="module")
def output(store: EmulatedStore, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Two published runs and a staged one, in a local folder and on the store."""
    folder = tmp_path_factory.mktemp("compared")
    publish_run(folder, "2026-11-23", run_id="a", labels=labels(10))
    publish_run(folder, "2026-11-24", run_id="b", labels=labels(15))
    staged = folder / STAGED.removeprefix("compared/")
    _, summary, manifest = stage_run(str(staged), "2026-11-25", run_id="now", labels=labels(40))
    (staged / SUMMARY_NAME).write_text(to_text(summary.to_json()))
    (staged / "manifest.json").write_text(to_text(manifest))
    for path in folder.rglob("*"):
        if path.is_file():
            store.write(f"compared/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return folder


def compare(job: Job, before: str, after: str, output: pathlib.Path, *flags: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pipelines.compare_runs", "--before", before, "--after", after]
    return subprocess.run(
        [*command, "--output", str(output), *flags], env=job.environment(), cwd=ROOT, capture_output=True, text=True
    )


def test_the_same_bytes_as_of_local_runs(job: Job, output: pathlib.Path, tmp_path: pathlib.Path) -> None:
    mixed = (str(output), f"gs://{BUCKET}/compared", tmp_path / "mixed", "--before_run_date", "2026-11-23")
    assert (done := compare(job, *mixed)).returncode == 0, done.stderr
    assert compare(job, str(output), str(output), tmp_path / "local").returncode == 0
    names = {path.name for path in (tmp_path / "local").iterdir()}
    assert {"comparison.html", "comparison.json", "changed_tracks.parquet"} <= names
    for name in names:
        assert (tmp_path / "mixed" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name


def test_a_staged_run_is_held_against_the_gates_and_can_be_looked_at(
    job: Job, output: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GATES], env=job.environment(), cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "25 of 100 tracks with a label in both runs changed category since run_date 2026-11-24" in done.stdout
    command = f"--before gs://{BUCKET}/compared --before_run_date 2026-11-24 --after gs://{BUCKET}/{STAGED}"
    assert command in done.stdout
    done = compare(job, f"gs://{BUCKET}/compared", f"gs://{BUCKET}/{STAGED}", tmp_path, "--max_changed_share", "0.1")
    assert done.returncode == 3, done.stderr
    record = json.loads((tmp_path / "comparison.json").read_text())
    assert (record["after"]["run_id"], record["tracks"]["music_to_functional"]) == ("now", 25)


def test_a_store_that_has_no_such_run(job: Job, output: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for before, words in (
        (f"gs://{BUCKET}/nothing", "holds no published run"),
        ("gs://no-such-bucket/out", "cannot be listed"),
    ):
        done = compare(job, before, str(output), tmp_path / "c")
        assert done.returncode == 2
        assert f"--before {before}" in done.stderr
        assert words in done.stderr
    assert not (tmp_path / "c").exists()
