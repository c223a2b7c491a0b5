"""What a reader finds in an output folder, and whether it is one whole publication."""

from __future__ import annotations

import hashlib
import json
import pathlib

import pyarrow.parquet as pq

from tests.transforms.generated_tables import RUN_DATE, GeneratedRun, sorted_rows
from transforms.table_schemas import TABLES

PARTITION = f"run_date={RUN_DATE}"


def read_table(output: pathlib.Path, table: str) -> list[str] | None:
    """A table as a naive reader sees it: list the files, then open each; null when there are none.

    Raises
    ------
    FileNotFoundError
        A file went away between the two: the reader has to start again.
    """
    files = sorted((output / table / PARTITION).glob("*.parquet"))
    if not files:
        return None
    return sorted_rows([row for file in files for row in pq.ParquetFile(file).read().to_pylist()])


def rows_by_table(run: GeneratedRun) -> dict[str, list[str]]:
    return {table: sorted_rows(rows) for table, rows in run.tables.items()}


def problems(output: pathlib.Path, run: GeneratedRun) -> list[str]:
    """Everything by which the output folder differs from one whole publication of ``run`` and nothing else."""
    found = []
    expected = rows_by_table(run)
    papers = output / "runs" / run.run_id
    if not (papers / "manifest.json").exists():
        return [f"run {run.run_id} has no manifest"]
    manifest = json.loads((papers / "manifest.json").read_text())
    for table in TABLES:
        folder = output / table / PARTITION
        if read_table(output, table) != expected[table]:
            found.append(f"rows of {table}")
        listed = {entry["path"]: entry for entry in manifest["files"] if entry["table"] == table}
        present = {f"{table}/{PARTITION}/{path.name}": path for path in folder.iterdir() if path.name != "_SUCCESS"}
        if listed.keys() != present.keys():
            found.append(f"{table} holds {sorted(present)}, its manifest lists {sorted(listed)}")
        for name in listed.keys() & present.keys():
            if hashlib.sha256(present[name].read_bytes()).hexdigest() != listed[name]["sha256"]:
                found.append(f"content of {name}")
        if json.loads((folder / "_SUCCESS").read_text())["run_id"] != run.run_id:
            found.append(f"_SUCCESS of {table}")
    if not (papers / "_SUCCESS").exists() or (papers / "REPLACED_BY").exists():
        found.append(f"run {run.run_id} does not claim to be current")
    for other in (output / "runs").iterdir():
        if other != papers and (other / "_SUCCESS").exists() and not (other / "REPLACED_BY").exists():
            found.append(f"run {other.name} claims to be current too")
    # Files only: through Beam's file systems, which know objects and no folders, empty folders stay on a local disk.
    if any(path.is_file() for path in (output / ".staging" / PARTITION).rglob("*")):
        found.append("leftovers in staging")
    outside = (path for path in output.rglob(".*") if not {".staging", ".locks"} & set(path.parts))
    found += [f"leftover {path}" for path in outside]
    return found
