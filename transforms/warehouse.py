"""The local warehouse: one DuckDB file with the rows of every current partition and the views of ``sql/``.

Rows are copied, not linked: a view over the Parquet files would hold this machine's paths, would fail in the middle of
a query when a run replaces a partition, and could join two tables of different runs.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb
import pyarrow.parquet as pq

from models.errors import UserError
from transforms.ann_index import write_ann_index
from transforms.published_runs import PublishedRun, open_checked
from transforms.streams_parquet import MOST_STREAMS, STREAMS, read_streams
from transforms.table_schemas import TABLES
from transforms.track_search import write_track_search
from transforms.warehouse_tables import (
    MARK,
    PUBLISHED_RUNS,
    count_rows,
    create_table,
    fitted_batches,
    insert,
    refuse_mixed_models,
    runs_batch,
    sql_text,
)
from transforms.warehouse_views import read_views

#: Of the file's format: what DuckDB 1.2 and all later ones can open.
_STORAGE_VERSION: Final = "v1.2.0"


@dataclasses.dataclass(frozen=True, slots=True)
class WarehouseCounts:
    """What is in a warehouse: current labels, those that ``track_search`` holds, and all rows of streams."""

    tracks: int
    searchable: int
    streams: int


class Warehouse:
    """The building of a warehouse file; a context manager that holds its lock and clears up.

    The new file is made in a folder beside the old one and takes its place in one step, so that a reader finds the old
    rows or the new ones. Readers that have the old file open keep it until they open the file anew.

    Parameters
    ----------
    database
        The file; its folder is made when missing.
    """

    def __init__(self, database: str) -> None:
        self._given = database
        self._path = Path(database).resolve()  # a link goes on pointing to it
        self.building_folder = self._path.with_name(f".{self._path.name}.building")
        self._lock: int | None = None

    def __enter__(self) -> Warehouse:
        if self._path.is_dir():
            raise UserError(
                f"--database {self._given}: is a folder; give a file, such as {self._given}/earmark.duckdb."
            )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock_path = self._path.with_name(f".{self._path.name}.lock")
            self._lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UserError(
                f"--database {self._given}: cannot be written ({error.strerror}); give a file in a folder that can."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._release()
            raise UserError(
                f"--database {self._given}: another build_warehouse is at work on it; wait for it."
            ) from error
        try:
            self._check_old_file()
            shutil.rmtree(self.building_folder, ignore_errors=True)  # a killed build's
            self.building_folder.mkdir()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, *unused: object) -> None:
        shutil.rmtree(self.building_folder, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _check_old_file(self) -> None:
        """Refuse to replace a file that is no warehouse, holds somebody's own tables, or is being written."""
        if not self._path.exists():
            return
        try:
            with duckdb.connect(str(self._path), read_only=True) as connection:
                objects = connection.execute(
                    "SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal "
                    "UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
                ).fetchall()
        except duckdb.Error as error:
            if "lock" in str(error):
                raise UserError(
                    f"--database {self._given}: another process has it open for writing; close it there, or open it "
                    "with duckdb -readonly, which a refresh does not mind."
                ) from error
            raise UserError(
                f"--database {self._given}: is no DuckDB file that can be read, and is left alone; give another path."
            ) from error
        own = [name for name, comment in objects if not (comment or "").startswith(MARK)]
        if own:
            raise UserError(
                f"--database {self._given}: holds {own[0]!r}, which is not Earmark's and would be lost; keep it in a "
                "file of its own, or give another path."
            )
        if not objects:
            raise UserError(f"--database {self._given}: is a DuckDB file without Earmark's tables; give another path.")

    def build(
        self,
        tables: str,
        runs: Sequence[PublishedRun],
        stream_files: Sequence[str] = (),
        search_output: Path | None = None,
        ann_index: Path | None = None,
    ) -> WarehouseCounts:
        """Make the new file and put it in the place of the old one.

        Parameters
        ----------
        tables
            What the user gave, for messages.
        runs
            From :func:`transforms.published_runs.read_published_runs`.
        stream_files
            From :func:`transforms.streams_parquet.find_stream_files`.
        search_output
            A folder for ``track_search.parquet``, when one is wanted.
        ann_index
            A file for the index of :func:`transforms.ann_index.write_ann_index`, when one is wanted.

        Raises
        ------
        UserError
            A partition changed meanwhile, has an unknown form, or mixes models; a file of streams has bad values.
        """
        path = self.building_folder / "warehouse.duckdb"
        with duckdb.connect(str(path), config={"storage_compatibility_version": _STORAGE_VERSION}) as connection:
            for name, schema in {**TABLES, "published_runs": PUBLISHED_RUNS, "streams": STREAMS}.items():
                create_table(connection, name, schema)
            for batch in read_streams(stream_files):
                insert(connection, "streams", STREAMS, [batch])
            ((total,),) = connection.execute("SELECT coalesce(sum(streams), 0)::HUGEINT FROM streams").fetchall()
            if total > MOST_STREAMS:
                raise UserError(f"--streams: the rows add up to {total} streams, which is more than there can be.")
            for run in runs:
                for file in run.files:
                    with open_checked(file, tables, run) as handle, pq.ParquetFile(handle) as parquet:
                        insert(connection, file.table, TABLES[file.table], fitted_batches(parquet, file))
            insert(connection, "published_runs", PUBLISHED_RUNS, [runs_batch(runs)])
            refuse_mixed_models(connection, tables)
            for view in read_views():
                connection.execute(view.statement)
                connection.execute(f'COMMENT ON VIEW "{view.name}" IS {sql_text(MARK + view.purpose)}')
            counts = WarehouseCounts(
                *(count_rows(connection, name) for name in ("current_labels", "track_search", "streams"))
            )
            connection.execute("CHECKPOINT")
            if search_output is not None:
                write_track_search(connection, search_output)
            if ann_index is not None:
                write_ann_index(connection, ann_index)
        self._replace(path)
        return counts

    def _replace(self, path: Path) -> None:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        # A writer that was killed may have left its log, which DuckDB would play into the new file.
        self._path.with_name(f"{self._path.name}.wal").unlink(missing_ok=True)
        path.replace(self._path)
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
