"""A catalog read straight into buckets of track ids: files on their way, for catalogs that no memory holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.carried_rows import spill
from transforms.catalog_bigquery import parse_bigquery
from transforms.catalog_columns import plain_rows
from transforms.catalog_files import CatalogFile, CatalogFormat, format_of
from transforms.catalog_reading import JudgeRecord, ListFiles, NameBigQueryRow, ReadFile, read_from_bigquery
from transforms.catalog_records import batch_rows
from transforms.catalog_settings import CatalogSettings
from transforms.catalog_validation import CONTRACT_COLUMNS
from transforms.global_window import in_global_window
from transforms.records import NO_ROWS, CatalogRow, DeadLetter, RowTally, key_hash

#: Rows that one file on the way holds at most, and rows that are held as Python objects meanwhile.
_ROWS_PER_SPILL: Final = 100_000
_ROWS_AT_ONCE: Final = 10_000

_DEAD_LETTERS: Final = "dead_letters"
_READ: Final = "read"

#: Catalog rows in Arrow's format: the contract's columns, the tally, and ``key_hash`` of the track id.
CATALOG_BATCH: Final = pa.schema(
    [
        *(
            (column, {"duration_ms": pa.int64(), "genres": pa.list_(pa.string())}.get(column, pa.string()))
            for column in CONTRACT_COLUMNS
        ),
        ("tally_rows", pa.int64()),
        ("tally_digest", pa.uint64()),
        ("track_hash", pa.uint64()),
    ]
)


class CatalogBuckets(NamedTuple):
    """What the reading gives, as PCollections.

    Attributes
    ----------
    paths
        Files of catalog rows, for :func:`transforms.carried_rows.read_buckets`: the bucket of a row is the hash of its
        track id modulo the number of buckets.
    dead_letters
        ``DeadLetter`` of type ``invalid_row``.
    read
        ``RowTally`` of all records, in sums, made before any was judged.
    """

    paths: beam.PCollection[str]
    dead_letters: beam.PCollection[DeadLetter]
    read: beam.PCollection[RowTally]


class ReadCatalogBuckets(beam.PTransform):
    """Read and validate a catalog as :class:`~transforms.catalog_reading.ReadCatalog` does, into buckets.

    Parameters
    ----------
    catalog, states, settings
        As for ``ReadCatalog``.
    staging_dir
        Where the files on the way go.
    buckets
        How many.
    """

    def __init__(
        self,
        catalog: str,
        states: Mapping[str, str] | None,
        settings: CatalogSettings,
        staging_dir: str,
        buckets: int,
    ) -> None:
        super().__init__()
        self._states = None if states is None else dict(states)
        self._settings = settings
        self._catalog, self._staging_dir, self._buckets = catalog, staging_dir, buckets

    def expand(self, pbegin: Any) -> CatalogBuckets:
        """Compose the reading, from files or from BigQuery."""
        source = parse_bigquery(self._catalog)
        if source is None:
            records = (
                pbegin
                | "Catalog" >> beam.Create([self._catalog])
                | "ListFiles" >> beam.ParDo(ListFiles(self._states))
                | "SpreadFiles" >> beam.Reshuffle()
            )
        else:
            records = (
                pbegin
                | "ReadTable" >> read_from_bigquery(source)
                | "NameRow" >> beam.ParDo(NameBigQueryRow(self._settings)).with_outputs(_READ, main="records")
            )["records"]
        split = records | "Split" >> beam.ParDo(
            _Split(self._states, self._settings, self._staging_dir, self._buckets)
        ).with_outputs(_DEAD_LETTERS, _READ, main="paths")
        return CatalogBuckets(split["paths"], split[_DEAD_LETTERS], split[_READ])


class _Split(beam.DoFn):
    """Takes a :class:`CatalogFile`, or place and content of a record."""

    def __init__(
        self, states: dict[str, str] | None, settings: CatalogSettings, staging_dir: str, buckets: int
    ) -> None:
        self._staging_dir, self._buckets, self._settings = staging_dir, buckets, settings
        self._reader, self._judge = ReadFile(states, settings), JudgeRecord(settings)

    def start_bundle(self) -> None:
        self._rows: list[CatalogRow] = []
        self._batches: list[pa.Table] = []
        self._read = NO_ROWS

    def process(self, element: CatalogFile | tuple[str, Any]) -> Iterator[Any]:
        if not isinstance(element, CatalogFile):
            yield from self._add(element, RowTally.of_place(element[0]))
            return
        if format_of(element.path) is CatalogFormat.PARQUET:
            yield from self._add_columns(element)
            return
        tally = NO_ROWS
        for output in self._reader.process(element):
            if isinstance(output, beam.pvalue.TaggedOutput):
                tally = output.value
            else:
                yield from self._add(output, tally)

    def _add(self, record: tuple[str, Any], tally: RowTally) -> Iterator[Any]:
        self._read += tally
        yield from self._judged(record)
        yield from self._full()

    def _judged(self, record: tuple[str, Any]) -> Iterator[Any]:
        for judged in self._judge.process(record):
            if isinstance(judged, beam.pvalue.TaggedOutput):
                yield judged
            else:
                self._rows.append(judged)

    def _add_columns(self, file: CatalogFile) -> Iterator[Any]:
        for first, batch in self._reader.batches(file):
            places = [f"{file.name}:{number}" for number in range(first, first + batch.num_rows)]
            digests = np.array([key_hash(place) for place in places], np.uint64)
            self._read += RowTally(len(places), int(np.add.reduce(digests)))  # modulo 2**64, as a tally is
            plain, columns = plain_rows(batch, self._settings)
            self._judge.count_valid(int(plain.sum()))
            made = {
                **columns,
                "tally_rows": pa.repeat(pa.scalar(1, pa.int64()), int(plain.sum())),
                "tally_digest": pa.array(digests[plain]),
                "track_hash": pa.array(
                    [key_hash(track_id) for track_id in columns["track_id"].to_pylist()], pa.uint64()
                ),
            }
            self._batches.append(
                pa.Table.from_arrays([made[name] for name in CATALOG_BATCH.names], schema=CATALOG_BATCH)
            )
            others = np.flatnonzero(~plain)
            if len(others):
                rows = _rows_at(batch, others)
                for index, fields in zip(others.tolist(), rows, strict=True):
                    yield from self._judged((places[index], fields))
            yield from self._full()

    def _full(self) -> Iterator[Any]:
        """What there is to give after so many rows."""
        if self._read.rows >= _ROWS_AT_ONCE:
            self._batch()
            yield beam.pvalue.TaggedOutput(_READ, self._take_tally())
            if sum(batch.num_rows for batch in self._batches) >= _ROWS_PER_SPILL:
                yield self._spill()

    def _batch(self) -> None:
        self._batches.append(to_batch(self._rows))
        self._rows = []

    def _spill(self) -> str:
        rows = pa.concat_tables(self._batches)
        self._batches = []
        buckets = (rows["track_hash"].to_numpy() % np.uint64(self._buckets)).astype(np.int64)
        return spill(self._staging_dir, rows, buckets, self._buckets)

    def finish_bundle(self) -> Iterator[Any]:
        self._batch()
        yield in_global_window(self._spill())
        yield in_global_window(beam.pvalue.TaggedOutput(_READ, self._take_tally()))

    def _take_tally(self) -> RowTally:
        tally, self._read = self._read, NO_ROWS
        return tally


def to_batch(rows: Sequence[CatalogRow]) -> pa.Table:
    """Put catalog rows into Arrow's format."""
    columns = {column: [getattr(row, column) for row in rows] for column in CONTRACT_COLUMNS}
    columns["tally_rows"] = [row.tally.rows for row in rows]
    columns["tally_digest"] = [row.tally.digest for row in rows]
    columns["track_hash"] = [key_hash(row.track_id) for row in rows]
    return pa.Table.from_arrays(
        [pa.array(columns[field.name], type=field.type) for field in CATALOG_BATCH], schema=CATALOG_BATCH
    )


def to_rows(batch: pa.Table) -> Iterator[CatalogRow]:
    """Invert :func:`to_batch`."""
    names = [field.name for field in dataclasses.fields(CatalogRow) if field.name != "tally"]
    for fields in batch.to_pylist():
        values = {name: fields[name] for name in names}
        values["genres"] = tuple(values["genres"])
        yield CatalogRow(**values, tally=RowTally(fields["tally_rows"], fields["tally_digest"]))


def _rows_at(batch: pa.RecordBatch, places: npt.NDArray[np.intp]) -> list[dict[str, Any]]:
    """Some rows of a batch as records."""
    try:
        return batch_rows(batch.take(pa.array(places)))
    except pa.ArrowNotImplementedError:  # of text or bytes held as views, be it in a column that nobody uses
        rows = batch_rows(batch)
        return [rows[place] for place in places.tolist()]
