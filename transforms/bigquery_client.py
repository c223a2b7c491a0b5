"""A data set in BigQuery: connecting to it, its tables, and jobs that are sent once whatever is killed.

Google's libraries (the extra ``gcp``) are imported where they are needed; what a user can mend is said in one sentence.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from models.errors import UserError
from transforms.bigquery_errors import Place, brief, reasons
from transforms.bigquery_schema import CLUSTERING, PARTITION_COLUMN, Column, bigquery_columns, merged_columns
from transforms.catalog_bigquery import require_google_credentials

if TYPE_CHECKING:
    from google.cloud import bigquery

#: Of each request, once connected; Google's default of ten minutes looks like a hang.
_RETRY_S: Final = 60.0
_CONNECT_S: Final = 20.0
#: How often one command sends a job anew that BigQuery itself failed.
_RESENDS: Final = 3
_TRANSIENT: Final = {"backendError", "internalError", "rateLimitExceeded", "jobBackendError", "jobInternalError"}
#: On each job, so that its cost can be told from others' in the bill.
_LABELS: Final = {"earmark": "publish_tables"}


class Dataset:
    """A data set that is there; made by :func:`connect`."""

    def __init__(self, client: bigquery.Client, place: Place, location: str) -> None:
        from google.cloud.bigquery import DEFAULT_RETRY

        self._client = client
        self.place = place
        self.location = location
        self._retry = DEFAULT_RETRY.with_timeout(_RETRY_S)

    def name(self, table: str) -> str:
        """A table's full name as SQL quotes it."""
        return f"`{self.place}.{table}`"

    def _table(self, table: str) -> Any:
        from google.api_core.exceptions import NotFound

        try:
            return self._client.get_table(f"{self.place}.{table}", retry=self._retry)
        except NotFound:
            return None

    def columns(self, table: str) -> list[Column] | None:
        """A table's columns; null when there is no such table.

        Raises
        ------
        UserError
            It is a view, or not partitioned as ours are.
        """
        found = self._table(table)
        if found is None:
            return None
        partitioned = found.time_partitioning
        if found.table_type != "TABLE" or partitioned is None or (partitioned.field, partitioned.type_) != (
            PARTITION_COLUMN, "DAY",
        ):  # fmt: skip
            raise UserError(
                f"{self.place}.{table} is no table partitioned by the day of {PARTITION_COLUMN}, as Earmark's are; "
                "publish to another data set, or take it away."
            )
        return [field.to_api_repr() for field in found.schema]

    def create(self, table: str, description: str) -> None:
        """Make a table of :data:`transforms.bigquery_schema.BIGQUERY_TABLES`, unless it is there."""
        from google.cloud import bigquery

        from transforms.bigquery_schema import BIGQUERY_TABLES

        made = bigquery.Table(f"{self.place}.{table}", _fields(bigquery_columns(BIGQUERY_TABLES[table])))
        made.description = description
        made.time_partitioning = bigquery.TimePartitioning(type_="DAY", field=PARTITION_COLUMN)
        made.clustering_fields = list(CLUSTERING[table]) or None
        self._client.create_table(made, exists_ok=True, retry=self._retry)

    def describe(self, table: str, live: Sequence[Column]) -> None:
        """Bring columns' descriptions up to date, and let those be null that may be by now."""
        wanted = merged_columns(table, live)
        if [(c["name"], c["mode"], c["description"]) for c in wanted] != [
            (c["name"], c.get("mode", "NULLABLE"), c.get("description", "")) for c in live
        ]:
            found = self._table(table)
            found.schema = _fields(wanted)
            self._client.update_table(found, ["schema"], retry=self._retry)

    def make_staging(self, table: str, columns: Sequence[Column], lifetime: datetime.timedelta) -> None:
        """Make a staging table, or let one that is there live as long from now."""
        from google.api_core.exceptions import Conflict
        from google.cloud import bigquery

        made = bigquery.Table(f"{self.place}.{table}", _fields(columns))
        made.expires = datetime.datetime.now(datetime.UTC) + lifetime
        made.labels = _LABELS
        try:
            self._client.create_table(made, retry=self._retry)
        except Conflict:
            self._client.update_table(made, ["expires"], retry=self._retry)

    def drop(self, table: str) -> None:
        """Delete a table, if it is there."""
        self._client.delete_table(f"{self.place}.{table}", not_found_ok=True, retry=self._retry)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query that only reads; gives its rows."""
        from google.cloud import bigquery

        config = bigquery.QueryJobConfig(labels=_LABELS, use_query_cache=False)
        return [tuple(row.values()) for row in self._client.query(sql, job_config=config, retry=self._retry).result()]

    def load(
        self,
        job: str,
        table: str,
        columns: Sequence[Column],
        source: Callable[[], Any] | Sequence[str],
        is_done: Callable[[], bool],
    ) -> bool:
        """Replace a staging table's rows by those of Parquet files, in one load job, unless such a job has done so.

        Returns
        -------
        bool
            Whether a job had to be sent.

        Parameters
        ----------
        job
            What the job is called, the same for the same rows; a number is added for each attempt.
        source
            Opens a file on this machine, which is sent; or the ``gs://`` names that BigQuery reads.
        is_done
            Looks whether an earlier job of this name has left the rows that it was to bring.
        """
        from google.cloud import bigquery

        options = bigquery.ParquetOptions()
        options.enable_list_inference = True
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            schema=_fields(columns),
            labels=_LABELS,
        )
        config.parquet_options = options
        given = {"destination": f"{self.place}.{table}", "job_config": config}

        def submit(job_id: str) -> Any:
            if callable(source):
                with source() as handle:
                    return self._client.load_table_from_file(handle, job_id=job_id, **given)
            return self._client.load_table_from_uri(source, job_id=job_id, retry=self._retry, **given)

        return self._run_once(job, submit, is_done)

    def run_script(self, job: str, sql: str, is_done: Callable[[], bool]) -> None:
        """Run SQL that changes something, unless a job of this name has run and ``is_done`` agrees."""
        from google.cloud import bigquery

        config = bigquery.QueryJobConfig(labels=_LABELS)
        submit = functools.partial(self._client.query, sql, job_config=config, retry=self._retry, job_retry=None)
        self._run_once(job, lambda job_id: submit(job_id=job_id), is_done)

    def _run_once(self, job: str, submit: Callable[[str], Any], is_done: Callable[[], bool]) -> bool:
        """Send a job whose id nobody has used; first wait for those of the same name that a killed command sent.

        BigQuery refuses a second job of one id. So a job is looked up before it is sent; one that is there is waited
        for, and sent under the next number when it failed, or when what it did is no longer so.
        """
        from google.api_core.exceptions import Conflict

        resends = 0
        attempt = 0
        while True:
            attempt += 1
            job_id = f"{job}-{attempt}"
            found, ours = self._find_job(job_id), False
            if found is None:
                try:
                    found, ours = submit(job_id), True
                except Conflict:  # sent by another command, or by a request of ours whose answer was lost
                    found = self._client.get_job(job_id, location=self.location, retry=self._retry)
            error = found.exception()
            if error is None and (ours or is_done()):
                return ours
            if error is not None and ours:
                if resends == _RESENDS or not reasons(error) & _TRANSIENT:
                    raise error
                resends += 1

    def _find_job(self, job_id: str) -> Any:
        from google.api_core.exceptions import NotFound

        try:
            return self._client.get_job(job_id, location=self.location, retry=self._retry)
        except NotFound:
            return None


def _fields(columns: Sequence[Column]) -> list[Any]:
    from google.cloud import bigquery

    return [bigquery.SchemaField.from_api_repr(column) for column in columns]


def connect(place: Place) -> Dataset:
    """Connect and look the data set up; call within :func:`plain_errors`.

    Raises
    ------
    UserError
        No credentials are set up, or there is no such data set. No login is started and no metadata server looked for.
    """
    import google.auth
    from google.api_core.exceptions import NotFound
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    if place.is_emulator:
        credentials = AnonymousCredentials()
    else:
        require_google_credentials(str(place), "--dataset")
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/bigquery"])
    options = {"api_endpoint": place.api_endpoint} if place.api_endpoint else None
    client = bigquery.Client(place.project, credentials=credentials, client_options=options)
    try:
        found = client.get_dataset(place.dataset, retry=None, timeout=_CONNECT_S)
    except NotFound as error:
        if not reasons(error):
            raise UserError(
                f"--api_endpoint {place.api_endpoint}: answers, and not as BigQuery does ({brief(error)}); give the "
                "address without a path, such as https://bigquery.googleapis.com."
            ) from error
        raise UserError(
            f"--dataset {place.dataset}: project {place.project} has no such data set; make it once, in the location "
            f"that its tables are to stay in: bq --location=EU mk --dataset {place.project}:{place.dataset}"
        ) from error
    # Jobs run where the data set is; a job of another location would not find it.
    location = str(found.location)
    client = bigquery.Client(place.project, credentials=credentials, client_options=options, location=location)
    return Dataset(client, place, location)
