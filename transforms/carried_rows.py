"""Table rows that travel by the thousand: as a file in Arrow's format, with what they count, not one by one."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from transforms.records import RowTally
from transforms.run_summary import LINEAGE_COLUMNS
from transforms.table_schemas import TABLES
from transforms.whole_files import whole_file, write_whole_file

#: Rows and digest of their track ids per kind of cell; lists, because they are added to in place.
Cells = dict[tuple[str | None, ...], list[int]]

_LABEL_COLUMNS: Final = ("category", "functional_type", "decision", "label_source")
_FOLDER: Final = ".carried"
#: Of files on their way: a row of text takes a third of the room then.
_COMPRESSION: Final = pa.Codec("zstd", compression_level=1)
#: Rows that are held as one batch, or as Python objects, at once.
ROWS_AT_ONCE: Final = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class CarriedRows:
    """Rows of one table that go to one of its files, in the table's sort order.

    Attributes
    ----------
    shard
        Number of that file.
    table
        Name of the table.
    path
        Where they lie, in Arrow's stream format and without lineage.
    rows, bytes
        How many, and what they take in memory.
    lineage
        Values of their lineage columns.
    cells
        What :class:`~transforms.reconcile.Reconcile` counts of them.
    """

    shard: int
    table: str
    path: str
    rows: int
    bytes: int
    lineage: Mapping[str, Any]
    cells: Cells

    def batches(self) -> Iterator[pa.Table]:
        """Read the rows, a small part at a time."""
        schema = TABLES[self.table]
        for rows in read_parts(self.path):
            columns = [
                pa.repeat(pa.scalar(self.lineage[field.name], field.type), rows.num_rows)
                if field.name in self.lineage
                else rows[field.name]
                for field in schema
            ]
            yield pa.Table.from_arrays(columns, schema=schema)


class PartsWriter:
    """A file of rows that are written a part at a time, in Arrow's stream format.

    Whoever leaves the ``with`` block by an error leaves no file that an element names.

    Attributes
    ----------
    path
        Where the file is once the block has ended.
    """

    def __init__(self, folder: str, schema: pa.Schema, options: pa.ipc.IpcWriteOptions | None = None) -> None:
        # A name of its own: a bundle that runs twice leaves a file that no element names.
        name = f"{_FOLDER}/{uuid.uuid4().hex}.arrow"
        self.path = str(FileSystems.join(folder, *name.split("/")))
        self._file, self._schema, self._stack = whole_file(folder, name), schema, contextlib.ExitStack()
        self._options = options or pa.ipc.IpcWriteOptions(compression=_COMPRESSION)

    def __enter__(self) -> Self:
        stream = self._stack.enter_context(self._file)
        file = pa.PythonFile(stream, mode="w")
        self._writer = self._stack.enter_context(pa.ipc.new_stream(file, self._schema, options=self._options))
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def write(self, part: pa.Table) -> None:
        """Add rows in the file's schema."""
        self._writer.write_table(part, max_chunksize=ROWS_AT_ONCE)


class CarriedRowsWriter(PartsWriter):
    """Writes the rows of one file of a table, in the table's sort order, with the new run's lineage.

    Parameters
    ----------
    folder
        The staging folder.
    table
        Whose rows.
    shard
        Number of the file.
    lineage
        Values of the lineage columns.
    """

    def __init__(self, folder: str, table: str, shard: int, lineage: Mapping[str, Any]) -> None:
        own = pa.schema([field for field in TABLES[table] if field.name not in lineage])
        # Vectors do not become smaller.
        super().__init__(folder, own, pa.ipc.IpcWriteOptions() if table == "track_embeddings" else None)
        self._table, self._shard, self._lineage = table, shard, lineage
        self._rows, self._bytes, self._cells = 0, 0, Cells()
        self._lineage_bytes = sum(4 + len(str(value)) for value in lineage.values())

    def add(self, rows: pa.Table, hashes: npt.NDArray[np.uint64]) -> None:
        """Add rows without lineage, and the ``key_hash`` of the track id of each."""
        part = pa.Table.from_arrays([rows[field.name].cast(field.type) for field in self._schema], schema=self._schema)
        self.write(part)
        self._rows, self._bytes = self._rows + len(part), self._bytes + part.nbytes + len(part) * self._lineage_bytes
        merge_cells(self._cells, count_cells(self._table, part, hashes, self._lineage))

    def carried(self) -> CarriedRows:
        """What was written, once the block has ended."""
        return CarriedRows(self._shard, self._table, self.path, self._rows, self._bytes, self._lineage, self._cells)


def read_parts(path: str) -> Iterator[pa.Table]:
    """Read the file of a :class:`PartsWriter`, a part at a time."""
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
        for batch in pa.ipc.open_stream(pa.PythonFile(stream, mode="r")):
            if batch.num_rows:
                yield pa.Table.from_batches([batch])


def merge_cells(cells: Cells, others: Cells) -> None:
    """Add the counts of ``others``."""
    for cell, (rows, digest) in others.items():
        add_to_cell(cells, cell, RowTally(rows, digest))


def spill(folder: str, rows: pa.Table, buckets: npt.NDArray[np.int64], count: int) -> str:
    """Write rows to a file of their own, those of a bucket together, and give its path.

    Parameters
    ----------
    folder
        The staging folder; the file is cleared with it.
    rows
        In an order that stays within a bucket.
    buckets
        Bucket of each row, 0 to ``count`` - 1, shape (rows,).
    count
        Number of buckets.
    """
    order = np.argsort(buckets, kind="stable")
    ordered = rows.combine_chunks()
    if count > 1 and len(order):
        ordered = ordered.take(pa.array(order))
    ends = np.searchsorted(buckets[order], np.arange(count), side="right")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression=_COMPRESSION)) as writer:
        first = 0
        for behind in ends.tolist():
            batches = ordered.slice(first, behind - first).to_batches()
            writer.write_batch(batches[0] if batches else _no_rows(rows.schema))
            first = behind
    path = f"{_FOLDER}/{uuid.uuid4().hex}.arrow"
    write_whole_file(folder, path, memoryview(sink.getvalue()))
    return str(FileSystems.join(folder, *path.split("/")))


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], type=field.type) for field in schema], schema=schema)


def read_buckets(paths: Sequence[str], buckets: Sequence[int]) -> pa.Table:
    """Read buckets of every file; in no certain order, for the names of the files are drawn at random."""
    batches = []
    for path in sorted(paths):
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
            spilled = pa.ipc.open_file(pa.PythonFile(stream, mode="r"))
            batches += [spilled.get_batch(bucket) for bucket in buckets]
    return pa.Table.from_batches(batches).combine_chunks()


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Give a column as one array."""
    return column.combine_chunks()


def mask_of(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.bool_]:
    """Give a column of true and false as an array of numpy's."""
    values = whole(column) if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=bool)


def cells_of(table: str, row: Mapping[str, Any]) -> Iterator[tuple[str | None, ...]]:
    """Name the cells that a row counts in."""
    yield ("rows",)
    yield ("lineage", *(str(row[column]) for column in LINEAGE_COLUMNS))
    if table == "track_labels":
        yield ("label", *(row[column] for column in _LABEL_COLUMNS))
        for flag in row["flags"]:
            yield "flag", flag
    elif table == "dead_letters":
        yield "error_type", str(row["error_type"])
    elif table == "royalty_treatments":
        yield "policy", f"{row['policy_id']} {row['policy_version']}"


def add_to_cell(cells: Cells, cell: tuple[str | None, ...], tally: RowTally) -> None:
    """Count rows in a cell."""
    rows, digest = cells.get(cell, (0, 0))
    total = RowTally(rows, digest) + tally
    cells[cell] = [total.rows, total.digest]


_CELL_COLUMNS: Final = {"track_labels": _LABEL_COLUMNS, "royalty_treatments": ("policy_id", "policy_version")}


def count_cells(
    table: str, rows: pa.Table, hashes: npt.NDArray[np.uint64], lineage: Mapping[str, Any] | None = None
) -> Cells:
    """Count many rows of one lineage, as :func:`cells_of` and :func:`add_to_cell` would one by one.

    Parameters
    ----------
    rows
        Rows of ``table``.
    hashes
        ``key_hash`` of each row's track id, shape (rows,).
    lineage
        Values of the lineage columns that the rows do not have.
    """
    cells: Cells = {}
    if not rows.num_rows:
        return cells
    known = dict(lineage or {})
    columns = [name for name in (*_CELL_COLUMNS.get(table, ()), *LINEAGE_COLUMNS) if name not in known]
    codes = np.zeros(rows.num_rows, np.int64)
    for column in columns:
        encoded = whole(rows[column]).dictionary_encode(null_encoding="encode")
        codes = codes * (len(encoded.dictionary) + 1) + encoded.indices.to_numpy()
    _, firsts, groups = np.unique(codes, return_index=True, return_inverse=True)
    digests = np.zeros(len(firsts), np.uint64)
    np.add.at(digests, groups, hashes)  # modulo 2**64, as a tally is
    numbers = np.bincount(groups, minlength=len(firsts))
    kinds = rows.select(columns).take(pa.array(firsts)).to_pylist() if columns else [{}]
    if table == "track_labels":
        known = {**known, "flags": ()}
        lists = whole(rows["flags"])
        flags, of_rows = pc.list_flatten(lists).dictionary_encode(), pc.list_parent_indices(lists).to_numpy()
        for code, name in enumerate(flags.dictionary.to_pylist()):
            of_flag = hashes[of_rows[flags.indices.to_numpy() == code]]
            add_to_cell(cells, ("flag", name), RowTally(len(of_flag), int(of_flag.sum(dtype=np.uint64))))
    for kind, number, digest in zip(kinds, numbers.tolist(), digests.tolist(), strict=True):
        for cell in cells_of(table, kind | known):
            add_to_cell(cells, cell, RowTally(number, digest))
    return cells
