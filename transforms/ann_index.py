"""An approximate index of the neighbours in ``track_search``: a file of Spotify's ``voyager``."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import UserError

#: The file beside the index that says which tracks each number of it stands for.
TRACKS_SUFFIX: Final = ".tracks.parquet"
TRACKS_OF_INDEX: Final = pa.schema(
    [
        pa.field("index_id", pa.int64(), False, {"description": "Number in the index, one for each distinct audio."}),
        pa.field("track_id", pa.string(), False, {"description": "A track with that audio."}),
        pa.field("model_version", pa.string(), False, {"description": "The model of the embeddings."}),
    ]
)
_ROWS_PER_BATCH: Final = 50_000


def check_ann_index(path: Path) -> None:
    """Refuse what cannot be done, before any work.

    Raises
    ------
    UserError
        ``voyager`` is not installed, or ``path`` (``--ann_index``) is a folder.
    """
    if importlib.util.find_spec("voyager") is None:
        raise UserError(f"--ann_index {path}: needs voyager; run pip install -e '.[search]' in Earmark's folder.")
    if path.is_dir():
        raise UserError(f"--ann_index {path}: is a folder; give a file, such as {path}/tracks.voy.")


def write_ann_index(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Write ``path`` and ``path`` + ``.tracks.parquet``, each of them whole.

    Each distinct audio stands once in the index: a hundred ids over one noise would be a hundred equal neighbours.

    Parameters
    ----------
    connection
        Of a warehouse.

    Returns
    -------
    int
        Number of audios.

    Raises
    ------
    UserError
        ``track_search`` has no rows, so that the size of an embedding is unknown.
    """
    from voyager import Index, Space

    tracks = connection.sql(
        "SELECT DENSE_RANK() OVER (ORDER BY audio_sha256) - 1 AS index_id, track_id, model_version "
        "FROM track_search ORDER BY index_id, track_id"
    ).to_arrow_table()
    if not len(tracks):
        raise UserError(f"--ann_index {path}: track_search has no rows to index; label some tracks first.")
    reader = connection.sql(
        "SELECT MIN_BY(embedding, track_id) AS embedding FROM track_search GROUP BY audio_sha256 ORDER BY audio_sha256"
    ).to_arrow_reader(_ROWS_PER_BATCH)
    index: Any = None
    count = 0
    for batch in reader:
        # A copy: voyager takes no array that is read-only, as Arrow's are.
        vectors = np.array(batch.column("embedding").flatten()).reshape(batch.num_rows, -1)
        if index is None:
            index = Index(Space.Cosine, num_dimensions=vectors.shape[1])
        index.add_items(vectors, list(range(count, count + batch.num_rows)))
        count += batch.num_rows
    path.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        index.save(str(building / "index"))
        pq.write_table(tracks.cast(TRACKS_OF_INDEX), building / "tracks", compression="zstd")
        (building / "tracks").replace(f"{os.fspath(path)}{TRACKS_SUFFIX}")
        (building / "index").replace(path)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return count
