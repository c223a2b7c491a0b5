"""A disk that runs full under a job that reads published tables: one sentence, status 1, and nothing half written."""

import resource
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.pipelines.published_run import publish_run


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    for date, run_id in (("2026-11-23", "a"), ("2026-11-24", "b")):
        publish_run(folder / "out", date, "spotify", run_id=run_id, tracks=30)
    row = {"track_id": "t", "month": "2026-11", "licensor": "A", "streams": 5}
    pq.write_table(pa.Table.from_pylist([row]), folder / "streams.parquet")
    return folder


JOBS = {
    "compare_runs": ["--before", "{t}/out", "--after", "{t}/out", "--output", "{new}"],
    "preview_payout": [
        "--tables",
        "{t}/out",
        "--streams",
        "{t}/streams.parquet",
        "--policy",
        "spotify",
        "--output={new}",
    ],
    "build_warehouse": ["--tables", "{t}/out", "--database", "{new}/w.duckdb"],
}


@pytest.mark.parametrize("job", list(JOBS))
def test_one_sentence_and_status_1(job, tables, tmp_path):
    new = tmp_path / "new"
    argv = [text.format(t=tables, new=new) for text in JOBS[job]]
    # Anybody can set this limit, and only root can mount a small disk.
    ended = subprocess.run(
        [sys.executable, "-m", f"pipelines.{job}", *argv], capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500)),
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("earmark: No room is left on a disk: --")
    assert str(new) in line and line.endswith("Then run the same command again.")
    assert {path.name for path in new.iterdir()} <= {".w.duckdb.lock"}


def test_duckdbs_own_words():
    import duckdb

    from pipelines.full_disk import is_full_disk

    assert is_full_disk(duckdb.IOException('IO Error: Could not write file "w.duckdb": No space left on device'))
    assert not is_full_disk(duckdb.IOException('IO Error: Could not read file "w.duckdb": Input/output error'))
