"""Publishing to BigQuery: every row arrives, a second time nothing changes, and columns may be added."""

import datetime

import pytest

from pipelines.publish_tables import run
from tests.bigquery.emulated_bigquery import PROJECT
from tests.bigquery.publishing import DAY, flags, is_job, make_run, rows_in_bigquery, rows_of_files
from transforms.bigquery_schema import BIGQUERY_TABLES, CLUSTERING, bigquery_columns, sql_type
from transforms.table_schemas import TABLES


@pytest.mark.parametrize("table", TABLES)
def test_every_row_of_the_files_is_there(server, dataset, output, table):
    expected = rows_of_files(output, table)
    assert expected
    assert rows_in_bigquery(server, dataset, table) == expected


@pytest.mark.parametrize("table", BIGQUERY_TABLES)
def test_tables_are_made_from_the_declared_schemas(server, dataset, table):
    found = server.client.get_table(f"{PROJECT}.{dataset}.{table}")
    columns = [(f.name, sql_type(f.to_api_repr()), f.mode, f.description) for f in found.schema]
    declared = bigquery_columns(BIGQUERY_TABLES[table])
    assert columns == [(c["name"], sql_type(c), c["mode"], c["description"]) for c in declared]
    assert (found.time_partitioning.field, found.time_partitioning.type_) == ("run_date", "DAY")
    assert tuple(found.clustering_fields or ()) == CLUSTERING[table]


def test_no_staging_table_is_left(server, dataset):
    assert server.tables(dataset) == set(BIGQUERY_TABLES)


def test_a_second_time_no_job_changes_anything(server, dataset, output, capsys):
    requests, jobs = len(server.requests), len(server.jobs)
    assert run(flags(server, output, dataset)) == 0
    assert "Already published" in capsys.readouterr().out
    sent = server.requests[requests:]
    assert not [request for request in sent if "/upload/" in request or request.startswith("PATCH")]
    assert [job for job in server.jobs[jobs:] if "-swap-" in job or "-load-" in job] == []


def test_published_runs_says_which_run_the_partition_holds(server, dataset):
    found = server.ask(
        f"SELECT run_id, run_date, model_version, labels, dead_letters FROM `{PROJECT}.{dataset}.published_runs`"
    )
    assert found == [(f"{DAY}-first", DAY, "m1", 24, 4)]


def test_another_run_replaces_its_date_alone_and_the_first_can_come_back(server, new_dataset, output, tmp_path):
    dataset, other_day = new_dataset(), DAY + datetime.timedelta(days=1)
    make_run(tmp_path, "second", 30)
    make_run(tmp_path, "later", 6, other_day)
    assert run(flags(server, output, dataset)) == 0
    assert run(flags(server, tmp_path, dataset, other_day)) == 0
    assert run(flags(server, tmp_path, dataset)) == 0
    for table in TABLES:
        assert rows_in_bigquery(server, dataset, table) == rows_of_files(tmp_path, table)
        assert rows_in_bigquery(server, dataset, table, other_day) == rows_of_files(tmp_path, table, other_day)
    # The first run's jobs are there already, under their first numbers.
    assert run(flags(server, output, dataset)) == 0
    for table in TABLES:
        assert rows_in_bigquery(server, dataset, table) == rows_of_files(output, table)


def test_a_partition_that_somebody_changed_is_published_anew(server, new_dataset, output):
    dataset = new_dataset()
    assert run(flags(server, output, dataset)) == 0
    server.ask(f"DELETE FROM `{PROJECT}.{dataset}.track_labels` WHERE track_id = 'träck-0003'")
    assert run(flags(server, output, dataset)) == 0
    assert rows_in_bigquery(server, dataset, "track_labels") == rows_of_files(output, "track_labels")


def test_rows_that_differ_in_staging_are_not_swapped_in(server, new_dataset, output, tmp_path, capsys):
    dataset = new_dataset()
    make_run(tmp_path, "second", 30)
    assert run(flags(server, output, dataset)) == 0
    changes = {
        "DELETE FROM {} WHERE track_id = 'träck-0003'": "29 rows",
        "UPDATE {} SET title = 'Ruin' WHERE track_id = 'träck-0003'": "30 rows with checksum",
    }
    for change, told in changes.items():

        def spoil(method, path, body, change=change):
            if b"staging_track_labels" in body and b"MD5" in body:
                (staging,) = [name for name in server.tables(dataset) if name.startswith("staging_track_labels")]
                server.ask(change.format(f"`{PROJECT}.{dataset}.{staging}`"))

        with server.doing(spoil):
            assert run(flags(server, tmp_path, dataset)) == 3
        told_us = capsys.readouterr().err
        assert f"track_labels: BigQuery loaded {told}" in told_us
        assert "nothing was swapped" in told_us
        for staging in server.tables(dataset) - set(BIGQUERY_TABLES):
            server.client.delete_table(f"{PROJECT}.{dataset}.{staging}")
    for table in TABLES:
        assert rows_in_bigquery(server, dataset, table) == rows_of_files(output, table)


def test_rows_lost_after_they_were_compared_roll_the_transaction_back(server, new_dataset, output, tmp_path, capsys):
    dataset = new_dataset()
    make_run(tmp_path, "second", 30)
    assert run(flags(server, output, dataset)) == 0
    swap = is_job("swap")

    def spoil(method, path, body):
        if swap(method, path, body):
            (staging,) = [name for name in server.tables(dataset) if name.startswith("staging_track_labels")]
            server.ask(f"DELETE FROM `{PROJECT}.{dataset}.{staging}` WHERE track_id = 'träck-0003'")

    with server.doing(spoil):
        assert run(flags(server, tmp_path, dataset)) == 3
    assert "track_labels would not have 30 rows" in capsys.readouterr().err
    for table in TABLES:
        assert rows_in_bigquery(server, dataset, table) == rows_of_files(output, table)
    # The failed job keeps its id: the next command takes the next number.
    assert run(flags(server, tmp_path, dataset)) == 0
    assert rows_in_bigquery(server, dataset, "track_labels") == rows_of_files(tmp_path, "track_labels")
