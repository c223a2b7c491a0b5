"""``track_search`` as one Parquet file: what a search or recommendation index takes in."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.table_schemas import TRACK_EMBEDDINGS, TRACK_LABELS

_FROM_LABELS: Final = (
    "track_id", "title", "artist", "release_id", "category", "functional_type", "decision", "confidence", "flags",
    "audio_sha256", "duplicate_of",
)  # fmt: skip

#: The columns of the view ``track_search``: those of two tables, with their types and meanings.
TRACK_SEARCH: Final = pa.schema(
    [
        *(TRACK_LABELS.field(name) for name in _FROM_LABELS),
        TRACK_EMBEDDINGS.field("embedding"),
        *(TRACK_LABELS.field(name) for name in ("model_version", "run_date")),
    ]
)
FILE_NAME: Final = "track_search.parquet"
_ROWS_PER_GROUP: Final = 50_000


def write_track_search(connection: duckdb.DuckDBPyConnection, folder: Path) -> int:
    """Write the view, ordered by track_id, to ``folder/track_search.parquet``, whole or not at all.

    Returns
    -------
    int
        Number of rows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = ", ".join(f'"{name}"' for name in TRACK_SEARCH.names)
    result = connection.sql(f"SELECT {names} FROM track_search ORDER BY track_id")  # noqa: S608 - our own names
    reader = result.to_arrow_reader(_ROWS_PER_GROUP)
    building = folder / f".{FILE_NAME}.building"
    rows = 0
    try:
        with pq.ParquetWriter(building, TRACK_SEARCH, compression="zstd") as writer:
            for batch in reader:
                columns = [batch.column(f.name).cast(f.type) for f in TRACK_SEARCH]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=TRACK_SEARCH))
                rows += batch.num_rows
        building.replace(folder / FILE_NAME)
    finally:
        building.unlink(missing_ok=True)
    return rows
