"""The sample shard's real tables as the consumers have them: in a warehouse, with streams."""

import json
import pathlib
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.build_warehouse import run
from tests.sample_run import SAMPLE
from transforms.streams_parquet import STREAMS


def sample_streams() -> pa.Table:
    """Made-up numbers of streams for the sample's tracks: the licensors are the catalog's."""
    rng = random.Random(4)
    rows = []
    for line in (SAMPLE / "catalog.jsonl").read_text(errors="replace").splitlines():
        if line.startswith('{"track_id": "trk_0') and line.endswith("}"):
            row = json.loads(line)
            for month in ("2025-12", "2026-01"):
                streams = round(rng.paretovariate(0.8) * 10)
                licensor = row.get("licensor")
                rows.append({"track_id": row["track_id"], "month": month, "licensor": licensor, "streams": streams})
    return pa.Table.from_pylist(rows, schema=STREAMS)


@pytest.fixture(scope="session")
def warehouse(sample_output, tmp_path_factory) -> pathlib.Path:
    """To be read only."""
    folder = tmp_path_factory.mktemp("warehouse")
    pq.write_table(sample_streams(), folder / "streams.parquet")
    flags = {
        "--tables": sample_output,
        "--database": folder / "earmark.duckdb",
        "--streams": folder / "streams.parquet",
    }
    assert run([str(part) for flag in flags.items() for part in flag]) == 0
    return folder / "earmark.duckdb"
