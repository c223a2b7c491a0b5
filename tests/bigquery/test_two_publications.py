"""Two publications of one run at once: whoever comes second finds its staging tables gone."""

import pytest

from models.errors import RunFailedError
from pipelines.publish_tables import run
from tests.bigquery.emulated_bigquery import PROJECT, start
from tests.bigquery.publishing import flags, rows_in_bigquery, rows_of_files
from transforms.bigquery_schema import BIGQUERY_TABLES
from transforms.table_schemas import TABLES


def once_when_it_compares(action):
    """Acts before the first query that compares a staging table is carried out."""
    waiting = [action]

    def before(method, path, body):
        if waiting and b"MD5" in body and b"staging_track_labels" in body:
            waiting.pop()()

    return before


def test_the_second_says_that_it_is_published(server, new_dataset, output, capsys):
    dataset = new_dataset()

    def publish_meanwhile():
        process = start(*flags(server, output, dataset))
        _, errors = process.communicate()
        assert process.returncode == 0, errors

    with server.doing(once_when_it_compares(publish_meanwhile)):
        assert run(flags(server, output, dataset)) == 0
    assert "Already published, and unchanged" in capsys.readouterr().out
    assert server.tables(dataset) == set(BIGQUERY_TABLES)
    for table in TABLES:
        assert rows_in_bigquery(server, dataset, table) == rows_of_files(output, table)


def test_without_a_published_run_it_is_to_be_run_again(server, new_dataset, output):
    dataset = new_dataset()

    def take_away():
        for table in server.tables(dataset) - set(BIGQUERY_TABLES):
            server.client.delete_table(f"{PROJECT}.{dataset}.{table}")

    with server.doing(once_when_it_compares(take_away)), pytest.raises(RunFailedError) as error:
        run(flags(server, output, dataset))
    assert f"--dataset {dataset}: another publication of run" in str(error.value)
    assert "run the same command again" in str(error.value) and "http" not in str(error.value)
    assert run(flags(server, output, dataset)) == 0
    assert rows_in_bigquery(server, dataset, "track_labels") == rows_of_files(output, "track_labels")
