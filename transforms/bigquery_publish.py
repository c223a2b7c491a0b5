"""Publishing a run to BigQuery: load jobs into staging tables, counts and checksums compared, one transaction for all.

A transaction of several statements is what BigQuery has that is atomic over several tables: a query that begins before
its COMMIT reads every table as it was, one that begins after it reads all of the new partition, also when it joins
tables. Copy jobs onto partitions (``table$YYYYMMDD``) are atomic for one table each, and would follow one another.

``published_runs`` is changed in the same transaction, so it always tells which run the other tables hold. It decides
what is left to do, never the ids of old jobs alone: a run that was published, replaced and is published again has its
old jobs still.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from models.errors import RunFailedError, UserError
from transforms.bigquery_client import Dataset
from transforms.bigquery_errors import brief
from transforms.bigquery_parts import Part, content_sha256, parts_of
from transforms.bigquery_schema import (
    BIGQUERY_TABLES,
    PARTITION_COLUMN,
    PUBLISHED_RUNS,
    Column,
    missing_columns,
    relaxed_columns,
    sql_type,
)
from transforms.published_runs import PublishedRun
from transforms.table_checksums import Checksum, checksum_from_row, checksum_sql

#: Of a staging table, should nobody delete it.
STAGING_LIFETIME: Final = datetime.timedelta(days=1)
#: BigQuery takes a statement of one megabyte; each part is an INSERT with all its columns in the script.
_MAX_PARTS: Final = 500
_ROLLED_BACK: Final = "would not have"
_STAGING: Final = "staging_"
_TABLE_MEANING: Final = "Written by Earmark's publish_tables, a partition at a time; docs/tables.md describes it."


class DifferenceError(Exception):
    """What BigQuery holds is not what the files hold; nothing was swapped, or the swap has to be looked at."""


class BigQueryPublication:
    """The publishing of one run.

    Parameters
    ----------
    dataset
        From :func:`transforms.bigquery_client.connect`.
    run
        From :func:`transforms.published_runs.read_published_run`.
    tables
        ``--tables``, for messages.
    on_step
        Called with the name of each step when it is done.
    """

    def __init__(
        self, dataset: Dataset, run: PublishedRun, tables: str, on_step: Callable[[str], None] = lambda step: None
    ) -> None:
        self._dataset = dataset
        self._run = run
        self._tables = tables
        self._on_step = on_step
        self._day = f"{PARTITION_COLUMN} = DATE '{run.run_date.isoformat()}'"

    def publish(self) -> bool:
        """Bring the run's partition into BigQuery; false when it was there already, row for row.

        Raises
        ------
        UserError
            A table's columns do not fit, or a file is not what the manifest says; nothing was changed.
        DifferenceError
            Counts or checksums differ.
        RunFailedError
            Another publication of the same run took the staging tables away, and the run is not there.
        """
        from google.api_core.exceptions import NotFound

        live = self._check_columns()
        parts = parts_of(self._run, self._tables)
        if len(parts) > _MAX_PARTS:
            raise UserError(
                f"--tables {self._tables}: the run has {len(parts)} files, and from a local disk at most {_MAX_PARTS} "
                "can be published; copy the folder to a bucket and give that, or raise tables.rows_per_file."
            )
        self._on_step(f"read {len(parts)} files and their checksums")
        if live[PUBLISHED_RUNS] is not None and self._is_published(parts):
            self._clear(parts)
            return False
        self._make_tables(live)
        try:
            for part in parts:
                self._load(part)
            self._on_step("loaded into staging tables, counts and checksums compared")
            self._swap(parts)
        except (NotFound, DifferenceError) as error:
            # Two publications of the same run share their staging tables; the first to swap deletes them.
            if self._is_published(parts):
                self._clear(parts)
                return False
            if isinstance(error, DifferenceError) or _STAGING not in str(error):
                raise
            raise RunFailedError(
                f"--dataset {self._dataset.place.dataset}: another publication of run {self._run.run_id} took the "
                f"staging tables away ({brief(error)}); nothing was swapped here, run the same command again."
            ) from error
        self._on_step("swapped")
        self._clear(parts)
        return True

    # What there is.

    def _check_columns(self) -> Mapping[str, list[Column] | None]:
        """The columns of each table in BigQuery; null for one that is not there."""
        live = {table: self._dataset.columns(table) for table in BIGQUERY_TABLES}
        for table, columns in live.items():
            if columns is not None:
                missing_columns(table, columns)
        return live

    def _is_published(self, parts: list[Part]) -> bool:
        """Whether the partition is this run's, by the record that each swap leaves and by its rows."""
        record = self._dataset.name(PUBLISHED_RUNS)
        found = self._dataset.query(f"SELECT run_id, content_sha256 FROM {record} WHERE {self._day}")  # noqa: S608
        return found == [(self._run.run_id, content_sha256(self._run.files))] and all(
            self._checksum(f"{self._dataset.name(table)} WHERE {self._day}", table) == checksum
            for table, checksum in _by_table(parts).items()
        )

    def _checksum(self, relation: str, table: str, part: Part | None = None) -> Checksum:
        sql = checksum_sql(BIGQUERY_TABLES[table], relation, "bigquery", part.columns if part else None)
        return checksum_from_row(self._dataset.query(sql)[0])

    # What is done.

    def _make_tables(self, live: Mapping[str, list[Column] | None]) -> None:
        for table, columns in live.items():
            if columns is None:
                self._dataset.create(table, _TABLE_MEANING)
                continue
            name = self._dataset.name(table)
            for column in missing_columns(table, columns):
                statement = f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {column['name']} {sql_type(column)}"
                self._dataset.query(statement)
            for relaxed in relaxed_columns(table, columns):
                self._dataset.query(f"ALTER TABLE {name} ALTER COLUMN {relaxed} DROP NOT NULL")
            self._dataset.describe(table, columns)
        self._on_step("tables and columns are there")

    def _load(self, part: Part) -> None:
        staging, columns = self._staging(part), part.bigquery_columns()
        self._dataset.make_staging(staging, columns, STAGING_LIFETIME)

        def loaded() -> Checksum:
            return self._checksum(self._dataset.name(staging), part.table, part)

        job = self._job("load", [part])
        ours = self._dataset.load(job, staging, columns, part.source, lambda: loaded() == part.checksum)
        if ours and (found := loaded()) != part.checksum:
            raise DifferenceError(
                f"{part.table}: BigQuery loaded {found}, the files of run {self._run.run_id} have {part.checksum}; "
                f"nothing was swapped. What was loaded stands in {self._dataset.place}.{staging} for a day."
            )

    def _swap(self, parts: list[Part]) -> None:
        from google.api_core.exceptions import GoogleAPICallError

        try:
            self._dataset.run_script(
                self._job("swap", parts), self._swap_sql(parts), functools.partial(self._is_published, parts)
            )
        except GoogleAPICallError as error:
            if _ROLLED_BACK not in str(error):
                raise
            raise DifferenceError(
                f"{brief(error)}: rows went from a staging table after they were compared; nothing was swapped. Run "
                "the same command again."
            ) from error

    def _swap_sql(self, parts: list[Part]) -> str:
        """One transaction: the partition's old rows out, the staged ones in, their number looked at."""
        statements = ["BEGIN TRANSACTION"]
        for table, checksum in _by_table(parts).items():
            name = self._dataset.name(table)
            statements.append(f"DELETE FROM {name} WHERE {self._day}")  # noqa: S608 - names of ours, checked ones
            for part in parts:
                if part.table == table:
                    columns = ", ".join(part.columns)
                    source = self._dataset.name(self._staging(part))
                    statements.append(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {source}")  # noqa: S608
            count = f"(SELECT COUNT(*) FROM {name} WHERE {self._day})"  # noqa: S608
            problem = f"{table} {_ROLLED_BACK} {checksum.rows} rows"
            # An error ends the script, which rolls the transaction back.
            statements.append(f"SELECT IF({count} = {checksum.rows}, TRUE, ERROR('{problem}'))")
        return ";\n".join([*statements, "COMMIT TRANSACTION"]) + ";"

    def _clear(self, parts: list[Part]) -> None:
        for part in parts:
            self._dataset.drop(self._staging(part))
        self._on_step("staging tables deleted")

    # What it is called: the same for the same files, run, place and columns.

    def _staging(self, part: Part) -> str:
        return f"{_STAGING}{part.table}_{self._run.run_date:%Y%m%d}_{self._digest(part)}"

    def _job(self, step: str, parts: list[Part]) -> str:
        what = parts[0].table if step == "load" else "all"
        digest = hashlib.sha256("".join(self._digest(part) for part in parts).encode()).hexdigest()[:16]
        return f"earmark-{step}-{what}-{self._run.run_date:%Y%m%d}-{digest}"

    @functools.cache  # noqa: B019 - one publication per process
    def _digest(self, part: Part) -> str:
        key = [str(self._dataset.place), part.table, self._run.run_id, part.content_sha256, part.bigquery_columns()]
        return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]


def _by_table(parts: list[Part]) -> dict[str, Checksum]:
    """The checksum of each table, parts added up; a table without files has no rows."""

    def of(table: str) -> Iterator[Checksum]:
        return (part.checksum for part in parts if part.table == table)

    return {table: sum(of(table), Checksum()) for table in BIGQUERY_TABLES}
