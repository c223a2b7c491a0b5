"""Publishes made-up tables as a run, for benchmarks of what reads published runs."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.publish_manifest import build_manifest
from transforms.publishing import Publication
from transforms.records import RowTally
from transforms.run_summary import RunSummary, StagedFile
from transforms.table_schemas import TABLES


def track_ids(numbers: np.ndarray) -> pa.Array:
    return pa.array([f"trk_{number:08d}" for number in numbers.tolist()])


def publish_tables(
    output: pathlib.Path,
    run_id: str,
    run_date: str,
    tables: Mapping[str, pa.Table],
    *,
    model_version: str = "benchmark",
    policies: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Publish tables, each without its lineage columns or with them; one that is not given is empty."""
    lineage = {"model_version": model_version, "taxonomy_version": "1", "run_id": run_id, "run_date": run_date}
    with Publication(str(output), run_date, run_id) as publication:
        staging = pathlib.Path(publication.prepare())
        files = []
        for name, schema in TABLES.items():
            table = tables.get(name, schema.empty_table())
            for column, value in lineage.items():
                if column not in table.column_names:
                    repeated = pa.DictionaryArray.from_arrays(np.zeros(len(table), np.int32), [value])
                    table = table.append_column(column, repeated.cast(pa.string()).cast(schema.field(column).type))
            path = staging / name / "part-0.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(table.select(schema.names).cast(schema), path, compression="zstd")
            with path.open("rb") as stream:
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            files.append(StagedFile(name, f"{name}/{path.name}", len(table), path.stat().st_size, sha256))
        counts = {file.table: RowTally(file.rows, 0) for file in files}
        summary = RunSummary(run_id, run_date, tables=counts, files=tuple(files))
        manifest = build_manifest(
            summary, [], model={"model_version": model_version}, config={}, catalog={}, policies=policies
        )
        publication.publish(files, manifest)


def write_streams(folder: pathlib.Path, tracks: int, months: int, rng: np.random.Generator) -> int:
    """One row per track and month, one file per month; one track in a hundred has no label."""
    folder.mkdir(parents=True)
    order = rng.permutation(tracks + tracks // 100)[:tracks]
    ids = track_ids(order)
    licensor = pa.array([f"Licensor {number:03d}" for number in rng.integers(0, 200, tracks).tolist()])
    for number in range(months):
        month = f"2026-{11 - number:02d}" if number < 11 else f"2025-{23 - number:02d}"
        streams = np.minimum(rng.zipf(1.4, tracks), 10**8)
        table = {"track_id": ids, "month": pa.array([month] * tracks), "licensor": licensor, "streams": streams}
        pq.write_table(pa.table(table), folder / f"{month}.parquet", compression="zstd")
    return tracks * months
