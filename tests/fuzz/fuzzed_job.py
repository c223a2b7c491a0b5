"""The main job over a fuzzed catalog: how many cases, which seed, and what became of them."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping

import pyarrow.dataset as ds

from tests.job_processes import wait_until_gone

ROOT = pathlib.Path(__file__).parents[2]
RUN_DATE = "2026-01-31"
SEED = int(os.environ.get("FUZZ_SEED", "20261125"))
FILES = int(os.environ.get("FUZZ_FILES", "5000"))
ROWS = int(os.environ.get("FUZZ_ROWS", "2400"))
#: Failing cases are kept here.
KEPT = pathlib.Path(os.environ.get("FUZZ_OUT", ROOT / "out" / "fuzz"))

CONFIG = """\
decode: {timeout_s: 20, cpu_limit_s: 5, processes: 2}
gates: {max_dead_letter_share: null, max_review_share: null, max_label_drift: null, min_labels: 0}
"""


def run_job(catalog: str, audio_root: pathlib.Path, folder: pathlib.Path, within_s: float, *flags: str) -> Mapping:
    """Run the job to its end; gives the summary of the manifest. It must publish, whatever is in the files."""
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(CONFIG)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.categorize_tracks", "--catalog", catalog, "--audio_root", str(audio_root),
         "--output", str(folder / "out"), "--config", str(folder / "config.yaml"), "--run_date", RUN_DATE, *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, start_new_session=True, env=environment,
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    wait_until_gone(process.pid)
    assert process.returncode == 0, errors.decode("utf-8", "replace")[-5000:]
    for stream in (output, errors):
        assert b"\x1b" not in stream, "what a stranger wrote reached the terminal as it was"
    (manifest,) = (folder / "out" / "runs").glob("*/manifest.json")
    return json.loads(manifest.read_text())["summary"]


def table(folder: pathlib.Path, name: str) -> list[dict]:
    """All rows of a published table, in the order of the files."""
    files = sorted((folder / "out" / name / f"run_date={RUN_DATE}").glob("*.parquet"))
    return ds.dataset([str(path) for path in files], format="parquet", partitioning=None).to_table().to_pylist()


def table_bytes(folder: pathlib.Path) -> dict[str, bytes]:
    out = folder / "out"
    return {str(path.relative_to(out)): path.read_bytes() for path in out.glob("*/run_date=*/*.parquet")}
