"""All SQL of sql/, the README and docs/warehouse.md, in DuckDB and in the emulator: the same rows.

VECTOR_SEARCH is not in the emulator: the two queries that use it run with an exact search in its place.
"""

import datetime
import decimal
import pathlib
import random
import re

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery

from pipelines.build_warehouse import run as build_warehouse
from pipelines.publish_tables import run
from tests.bigquery.emulated_bigquery import PROJECT, ROOT
from tests.bigquery.publishing import flags, make_run
from tests.consumers.conftest import sample_streams
from transforms.bigquery_schema import bigquery_columns
from transforms.bigquery_views import qualified, read_bigquery_sql
from transforms.streams_parquet import STREAMS
from transforms.table_schemas import TABLES
from transforms.warehouse_views import SQL_FOLDER, VIEWS

EXAMPLES = sorted(path.stem for path in (SQL_FOLDER / "examples").glob("*.sql"))
DAYS = [datetime.date(2026, 1, 31), datetime.date(2026, 2, 28)]


def two_runs(folder: pathlib.Path) -> tuple[pathlib.Path, pa.Table]:
    """Two dates with many of the tracks in both, their labels drawn anew, and streams of some."""
    output = folder / "out"
    for day, tracks in zip(DAYS, (40, 60), strict=True):
        make_run(output, "made-up", tracks, day)
    rng = random.Random(1)
    streams = [
        {"track_id": f"träck-{number:04d}", "month": month, "licensor": rng.choice(["A", "B", None]), "streams": 10 + n}
        for month in ("2026-01", "2026-02")
        for n, number in enumerate(rng.sample(range(70), 50))
    ]
    return output, pa.Table.from_pylist(streams, schema=STREAMS)


class Both:
    """The same tables in DuckDB and in the emulator."""

    def __init__(self, server, dataset: str, folder: pathlib.Path, output: pathlib.Path, streams: pa.Table) -> None:
        self._client, self.place = server.client, f"{PROJECT}.{dataset}"
        self.is_made_up = len(list((output / "track_labels").glob("run_date=*"))) > 1
        path = folder / "streams.parquet"
        pq.write_table(streams, path)
        database = folder / "earmark.duckdb"
        arguments = ["--tables", str(output), "--database", str(database), "--streams", str(path)]
        assert build_warehouse(arguments) == 0
        self._duckdb = duckdb.connect(str(database), read_only=True)
        fields = [bigquery.SchemaField.from_api_repr(column) for column in bigquery_columns(STREAMS)]
        config = bigquery.LoadJobConfig(source_format="PARQUET", schema=fields)
        with path.open("rb") as file:
            self._client.load_table_from_file(file, f"{self.place}.streams", job_config=config).result()
        for folder in sorted((output / "track_labels").glob("run_date=*")):
            day = datetime.date.fromisoformat(folder.name.removeprefix("run_date="))
            last = [] if folder != max((output / "track_labels").glob("run_date=*")) else ["--views"]
            assert run([*flags(server, output, dataset, day), *last]) == 0

    def duckdb(self, sql: str) -> list[tuple]:
        return self._duckdb.execute(sql).fetchall()

    def bigquery(self, sql: str, **parameters: str) -> list[tuple]:
        given = [bigquery.ScalarQueryParameter(name, "STRING", value) for name, value in parameters.items()]
        config = bigquery.QueryJobConfig(query_parameters=given) if given else None
        return [tuple(row.values()) for row in self._client.query(sql, job_config=config).result()]

    def columns(self, relation: str) -> list[str]:
        return [row[0] for row in self.duckdb(f"DESCRIBE {relation}")]


@pytest.fixture(scope="module", params=["sample", "two runs"])
def both(request, server, new_dataset, tmp_path_factory) -> Both:
    folder = tmp_path_factory.mktemp("both")
    if request.param == "sample":
        given = request.getfixturevalue("sample_output"), sample_streams()
    else:
        given = two_runs(folder)
    return Both(server, new_dataset(), folder, *given)


def same(first: list[tuple], second: list[tuple], *, ordered: bool = False) -> None:
    """Compare rows; numbers to six digits, since the engines add up in another order, and DuckDB in 32 bits."""
    if not ordered:
        first, second = (
            sorted(rows, key=lambda row: repr([roughly(value) for value in row])) for rows in (first, second)
        )
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert list(one) == [approximate(value) for value in other]


def roughly(value):
    return f"{float(value):.2g}" if isinstance(value, float | decimal.Decimal) else value


def approximate(value):
    """Something that equals the same value of the other engine."""
    if isinstance(value, float | decimal.Decimal):
        return pytest.approx(float(value), rel=1e-6, abs=1e-9)
    if isinstance(value, list) and value and isinstance(value[0], float):
        return pytest.approx(value, rel=1e-6, abs=1e-9)
    return value


@pytest.mark.parametrize("name", [*TABLES, *VIEWS])
def test_tables_and_views(both, name):
    sql = f"SELECT {', '.join(both.columns(name))} FROM {name}"
    rows = both.duckdb(sql)
    assert rows or both.is_made_up
    same(rows, both.bigquery(qualified(sql, both.place)))


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(both, name):
    in_duckdb = (SQL_FOLDER / "examples" / f"{name}.sql").read_text()
    in_bigquery = read_bigquery_sql(name).statement
    parameters = {}
    if both.is_made_up:
        in_duckdb = in_duckdb.replace("trk_0001", "träck-0001")
    if "@track_id" in in_bigquery:
        parameters["track_id"] = re.search(r"WHERE track_id = '(.*?)'", in_duckdb)[1]
    if "VECTOR_SEARCH(" in in_bigquery:
        in_bigquery = with_exact_search(in_bigquery)
    same(
        both.duckdb(in_duckdb), both.bigquery(qualified(in_bigquery, both.place), **parameters),
        ordered="ORDER BY" in in_duckdb,
    )  # fmt: skip


def documented() -> list[str]:
    pages = [ROOT / "README.md", ROOT / "docs" / "warehouse.md"]
    blocks = [block for page in pages for block in re.findall(r"```sql\n(.*?)```", page.read_text(), flags=re.DOTALL)]
    statements = re.sub("--.*", "", ";".join(blocks)).split(";")
    return [statement.strip() for statement in statements if statement.strip()]


@pytest.mark.parametrize("number", range(len(documented())))
def test_sql_of_the_docs(both, number):
    # The README's queries read Parquet files, which DuckDB alone does by a function.
    sql = re.sub(r"read_parquet\('out/(\w+)/run_date=[-0-9]+/\*\.parquet'\)", r"\1", documented()[number])
    same(both.duckdb(sql), both.bigquery(qualified(sql, both.place)))


def with_exact_search(statement: str) -> str:
    """Put a comparison of all rows in the place of VECTOR_SEARCH: each row asked about, with its nearest."""
    start = statement.index("VECTOR_SEARCH(")
    (base, column, asked, top_k, _), end = arguments_of(statement, start + len("VECTOR_SEARCH("))
    base = re.sub(r"^TABLE (\w+)$", r"(SELECT * FROM \1)", base)
    column = column.strip("'")
    product = (
        f"SELECT SUM(x * y) / SQRT(SUM(x * x) * SUM(y * y)) FROM UNNEST(b.{column}) AS x WITH OFFSET AS i "
        f"INNER JOIN UNNEST(q.{column}) AS y WITH OFFSET AS j ON i = j"
    )
    compared = f"SELECT b AS base, q AS query, 1 - ({product}) AS distance FROM {base} AS b CROSS JOIN {asked} AS q"
    searched = (
        f"(SELECT * FROM ({compared}) AS compared WHERE TRUE "
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY query.{column} ORDER BY distance) <= {top_k.split()[-1]})"
    )
    return statement[:start] + searched + statement[end:]


def arguments_of(text: str, start: int) -> tuple[list[str], int]:
    """The arguments of a function from behind its opening parenthesis, and where it ends."""
    depth, begin, found = 0, start, []
    for position in range(start, len(text)):
        if text[position] == "(":
            depth += 1
        elif text[position] == ")":
            if depth == 0:
                return [*found, text[begin:position].strip()], position + 1
            depth -= 1
        elif text[position] == "," and depth == 0:
            found.append(text[begin:position].strip())
            begin = position + 1
    raise ValueError("the parenthesis is not closed")
