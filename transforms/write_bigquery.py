"""Label rows straight from the Beam job into BigQuery, into a table of the run's own, before any gate has looked."""

from __future__ import annotations

import re
from typing import Any, Final

import apache_beam as beam
from apache_beam.io.gcp.bigquery import BigQueryDisposition, WriteToBigQuery

from transforms.bigquery_schema import CLUSTERING, PARTITION_COLUMN, bigquery_columns
from transforms.table_schemas import TABLES

_TABLE: Final = "track_labels"


def unpublished_table(run_id: str) -> str:
    """Name of the table for a run's rows; never that of a table that consumers read."""
    return f"unpublished_{_TABLE}_{re.sub('[^A-Za-z0-9]', '_', run_id)}"


class WriteUnpublishedLabels(beam.PTransform):
    """Rows of ``track_labels`` → a table that a repeated run replaces as a whole.

    By load jobs, which cost nothing and leave the table as it was until all files are there. Such a write has no output
    of rows that failed: one that BigQuery does not take fails the job, so nothing is lost in silence. Dead letters of
    the catalog do not come here; they have their own table.

    Parameters
    ----------
    dataset
        ``PROJECT:DATASET``.
    temp_location
        A folder on ``gs://`` for the files of the load jobs.
    """

    def __init__(self, dataset: str, run_id: str, temp_location: str) -> None:
        super().__init__()
        self._table = f"{dataset}.{unpublished_table(run_id)}"
        self._temp_location = temp_location

    def expand(self, rows: beam.PCollection) -> Any:
        """Write all rows; gives what Beam's own write gives."""
        return (
            rows
            | "AsJson" >> beam.Map(as_json)
            | "Load"
            >> WriteToBigQuery(
                self._table,
                schema={"fields": bigquery_columns(TABLES[_TABLE])},
                method=WriteToBigQuery.Method.FILE_LOADS,
                create_disposition=BigQueryDisposition.CREATE_IF_NEEDED,
                write_disposition=BigQueryDisposition.WRITE_TRUNCATE,
                custom_gcs_temp_location=self._temp_location,
                additional_bq_parameters={
                    "timePartitioning": {"type": "DAY", "field": PARTITION_COLUMN},
                    "clustering": {"fields": list(CLUSTERING[_TABLE])},
                },
            )
        )


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    """A row as BigQuery reads it from JSON: the date as text."""
    return row | {PARTITION_COLUMN: row[PARTITION_COLUMN].isoformat()}
