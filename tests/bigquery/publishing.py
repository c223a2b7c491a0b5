"""Small runs for one date, the flags that publish them, and what a reader of BigQuery finds."""

import datetime
import pathlib
import re

import pyarrow.parquet as pq

from tests.bigquery.emulated_bigquery import PROJECT, EmulatedBigQuery
from tests.transforms.generated_tables import generate_run
from tests.transforms.published_tables import publish
from transforms.table_schemas import TABLES

DAY = datetime.date(2026, 1, 31)


def make_run(output: pathlib.Path, name: str, tracks: int, day: datetime.date = DAY) -> str:
    """Publish a generated run to a folder; gives its run_id."""
    run_id = f"{day}-{name}"
    publish(output, generate_run(run_id, tracks, run_date=day))
    return run_id


def flags(server: EmulatedBigQuery, tables: pathlib.Path | str, dataset: str, day: datetime.date = DAY) -> list[str]:
    return ["--tables", str(tables), "--run_date", str(day), "--project", PROJECT, "--dataset", dataset,
            "--api_endpoint", server.address]  # fmt: skip


def rows_of_files(output: pathlib.Path, table: str, day: datetime.date = DAY) -> list[str]:
    paths = sorted((output / table / f"run_date={day}").glob("*.parquet"))
    return sorted(repr(sorted(row.items())) for path in paths for row in pq.ParquetFile(path).read().to_pylist())


def rows_in_bigquery(server: EmulatedBigQuery, dataset: str, table: str, day: datetime.date = DAY) -> list[str]:
    names = TABLES[table].names
    sql = f"SELECT {', '.join(names)} FROM `{PROJECT}.{dataset}.{table}` WHERE run_date = DATE '{day}'"
    return sorted(repr(sorted(zip(names, row, strict=True))) for row in server.ask(sql))


def is_job(step: str, table: str = "") -> object:
    """Whether a request sends the job of a step: ``load`` or ``swap``."""
    wanted = re.compile(rf'"jobId": ?"earmark-{step}-{table}'.encode())

    def found(method: str, path: str, body: bytes) -> bool:
        return method == "POST" and path.partition("?")[0].endswith("/jobs") and bool(wanted.search(body))

    return found
