"""Which columns a table or query in BigQuery has, asked before any work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from transforms.catalog_bigquery import BigQuerySource

if TYPE_CHECKING:
    from google.cloud import bigquery

#: Of each request: the columns are told again when the first row is read, so that nothing hangs on an answer.
_TIMEOUT_S: Final = 20.0


def source_columns(source: BigQuerySource, client: bigquery.Client | None = None) -> list[str] | None:
    """Names of the columns of a source; null when BigQuery does not tell.

    Parameters
    ----------
    client
        By default one with the application default credentials. A query is not run for this: BigQuery plans it, which
        costs nothing.
    """
    from google.cloud import bigquery

    try:
        client = client or bigquery.Client()
        if source.query is not None:
            plan = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
            fields = client.query(source.query, plan, retry=None, timeout=_TIMEOUT_S, job_retry=None).schema
        else:
            project, _, rest = str(source.table).rpartition(":")
            dataset, _, name = rest.partition(".")
            table = bigquery.DatasetReference(project, dataset).table(name)
            fields = client.get_table(table, retry=None, timeout=_TIMEOUT_S).schema
    except Exception:  # the machine that starts a job need not be one that may read the catalog
        return None
    return [field.name for field in fields or ()] or None
