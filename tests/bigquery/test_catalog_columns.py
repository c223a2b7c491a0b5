"""Columns of a catalog in BigQuery, asked of the emulator before any work."""

import pytest
from google.cloud import bigquery

from tests.bigquery.emulated_bigquery import PROJECT
from transforms.catalog_bigquery import parse_bigquery
from transforms.catalog_bigquery_columns import source_columns


@pytest.fixture(scope="module")
def table(server, new_dataset):
    name = f"{PROJECT}.{new_dataset()}.tracks"
    server.client.create_table(bigquery.Table(name, [bigquery.SchemaField(n, "STRING") for n in ("Nr", "file_path")]))
    return name


def columns(server, catalog):
    return source_columns(parse_bigquery(catalog), server.client)


def test_those_of_a_table(server, table):
    assert columns(server, f"bigquery://{table}") == ["Nr", "file_path"]


def test_what_is_not_told_is_not_known(server, table):
    assert columns(server, f"bigquery://{table}_gone") is None
    assert columns(server, "bigquery:SELECT nothing FROM nowhere.at_all") is None


def test_those_of_a_query(server, table):
    found = columns(server, f"bigquery:SELECT Nr AS track_id, file_path FROM `{table}`")
    assert found == ["track_id", "file_path"]
