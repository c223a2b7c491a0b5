"""From what ``--catalog`` names to validated rows and dead letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics

from transforms.catalog_bigquery import BigQuerySource, parse_bigquery, row_place
from transforms.catalog_files import CatalogChangedError, CatalogFile, CatalogReadError, check_state, match_files
from transforms.catalog_hints import in_one_line, missing_columns
from transforms.catalog_records import RecordContent, UnreadableRecord, parse_json_line, read_batches, read_records
from transforms.catalog_settings import AS_IN_CONTRACT, CatalogSettings, with_names_in_nfc
from transforms.catalog_validation import unreadable_record, validate_row
from transforms.records import CatalogRow, DeadLetter, RowTally

_NAMESPACE: Final = "ReadCatalog"
_READ: Final = "read"
_DEAD_LETTERS: Final = "dead_letters"


class CatalogContent(NamedTuple):
    """What a catalog holds, as PCollections.

    Attributes
    ----------
    rows
        ``CatalogRow``, each with the tally of its place.
    dead_letters
        ``DeadLetter`` of type ``invalid_row``.
    read
        ``RowTally`` of each non-blank record, made where it was read and before it was judged: the sum over ``rows``
        and ``dead_letters`` must equal the sum over this.
    """

    rows: beam.PCollection[CatalogRow]
    dead_letters: beam.PCollection[DeadLetter]
    read: beam.PCollection[RowTally]


class ReadCatalog(beam.PTransform):
    """Read and validate a catalog.

    Parameters
    ----------
    catalog
        A path or glob on any file system that Beam knows, of JSON lines, CSV or TSV (each also with ``.gz``) or
        Parquet files; ``bigquery://PROJECT.DATASET.TABLE``; or ``bigquery:SELECT …``.
    states
        From :func:`transforms.catalog_files.file_states`, taken before the catalog's digest was: the files must still
        be in these states when they have been read. Null: whatever is there is read.
    settings
        What the catalog calls its columns.

    Notes
    -----
    A file is read by one worker; its records are spread over all workers before they are parsed and validated. A file
    that cannot be read to its end fails the run with :class:`transforms.catalog_files.CatalogReadError`, one that
    changed with :class:`transforms.catalog_files.CatalogChangedError`.
    """

    def __init__(
        self, catalog: str, states: Mapping[str, str] | None = None, settings: CatalogSettings = AS_IN_CONTRACT
    ) -> None:
        super().__init__()
        self._catalog, self._settings = catalog, settings
        self._states = None if states is None else dict(states)

    def expand(self, pbegin: Any) -> CatalogContent:
        """Compose the reading, from files or from BigQuery."""
        source = parse_bigquery(self._catalog)
        if source is None:
            records = (
                pbegin
                | "Catalog" >> beam.Create([self._catalog])
                | "ListFiles" >> beam.ParDo(ListFiles(self._states))
                | "SpreadFiles" >> beam.Reshuffle()
                | "ReadFile" >> beam.ParDo(ReadFile(self._states, self._settings)).with_outputs(_READ, main="records")
            )
        else:
            records = (
                pbegin
                | "ReadTable" >> read_from_bigquery(source)
                | "NameRow" >> beam.ParDo(NameBigQueryRow(self._settings)).with_outputs(_READ, main="records")
            )
        validated = (
            records["records"]
            | "SpreadRecords" >> beam.Reshuffle()
            | "Validate" >> beam.ParDo(JudgeRecord(self._settings)).with_outputs(_DEAD_LETTERS, main="rows")
        )
        return CatalogContent(validated["rows"], validated[_DEAD_LETTERS], records[_READ])


def read_from_bigquery(source: BigQuerySource) -> beam.PTransform:
    """Read a source's rows as dicts."""
    from apache_beam.io.gcp.bigquery import ReadFromBigQuery

    # The Storage Read API needs no bucket for an export.
    if source.table is not None:
        return ReadFromBigQuery(table=source.table, method=ReadFromBigQuery.Method.DIRECT_READ)
    return ReadFromBigQuery(query=source.query, use_standard_sql=True, method=ReadFromBigQuery.Method.DIRECT_READ)


class ListFiles(beam.DoFn):
    """The files of a catalog, together, for their names must be distinct."""

    def __init__(self, states: dict[str, str] | None) -> None:
        self._states = states

    def process(self, catalog: str) -> Iterator[CatalogFile]:
        """List one catalog."""
        files = match_files(catalog)
        if not files:
            raise CatalogReadError(
                f"catalog {catalog} matches no file on the worker that reads it; a worker on another machine needs a"
                " path that it can reach, such as gs:// or s3://"
            )
        if self._states is not None:
            for file in files:
                check_state(file, self._states)
            if len(files) < len(self._states):
                raise CatalogChangedError(f"a file of catalog {catalog} has gone since the run began")
        yield from files


class ReadFile(beam.DoFn):
    """The records of one file, and the tally of each."""

    def __init__(self, states: dict[str, str] | None, settings: CatalogSettings) -> None:
        self._states, self._settings = states, settings
        self._files = Metrics.counter(_NAMESPACE, "files_read")
        self._rows = Metrics.counter(_NAMESPACE, "rows_read")

    def process(self, file: CatalogFile) -> Iterator[Any]:
        """Read one file: before each record, its tally."""
        for place, content in read_records(file, self._settings):
            self._rows.inc()
            yield beam.pvalue.TaggedOutput(_READ, RowTally.of_place(place))
            yield place, content
        self._end(file)

    def batches(self, file: CatalogFile) -> Iterator[tuple[int, Any]]:
        """Read a Parquet file by batches of Arrow's, each with the number of its first record."""
        for number, batch in read_batches(file, self._settings):
            self._rows.inc(batch.num_rows)
            yield number, batch
        self._end(file)

    def _end(self, file: CatalogFile) -> None:
        if self._states is not None:
            check_state(file, self._states)
        self._files.inc()


class NameBigQueryRow(beam.DoFn):
    """Place of each BigQuery row (a ``dict``), and its tally.

    Rows that are equal in all columns share a place; their tallies add up like any others. A row has every column of
    its table, so that one without a column that is required, or that the config names, fails the run.
    """

    def __init__(self, settings: CatalogSettings = AS_IN_CONTRACT) -> None:
        self._settings = settings
        self._rows = Metrics.counter(_NAMESPACE, "rows_read")

    def process(self, fields: dict[str, Any]) -> Iterator[Any]:
        """Name one row."""
        place = row_place(fields)
        fields = with_names_in_nfc(fields)
        if problem := missing_columns(list(fields), self._settings):
            raise CatalogReadError(f"the BigQuery catalog {in_one_line(problem)}")
        self._rows.inc()
        yield beam.pvalue.TaggedOutput(_READ, RowTally.of_place(place))
        yield place, fields


class JudgeRecord(beam.DoFn):
    """One row or dead letter for each record."""

    def __init__(self, settings: CatalogSettings) -> None:
        self._settings = settings
        self._valid = Metrics.counter(_NAMESPACE, "rows_valid")
        self._invalid = Metrics.counter(_NAMESPACE, "rows_invalid")

    def count_valid(self, rows: int) -> None:
        """Count rows that were judged elsewhere, by the column."""
        self._valid.inc(rows)

    def process(self, record: tuple[str, RecordContent]) -> Iterator[Any]:
        """Judge one record."""
        place, content = record
        if isinstance(content, bytes):
            content = parse_json_line(content, self._settings)
        judged: CatalogRow | DeadLetter
        if isinstance(content, UnreadableRecord):
            judged = unreadable_record(content.problem, content.raw, place)
        else:
            judged = validate_row(content, place, self._settings)
        if isinstance(judged, CatalogRow):
            self._valid.inc()
            yield judged
        else:
            self._invalid.inc()
            yield beam.pvalue.TaggedOutput(_DEAD_LETTERS, judged)
