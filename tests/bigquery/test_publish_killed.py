"""kill -9 at the worst moments of a publication, a reader polling all the while.

The reader sees the old run or the new one, and the same command again leaves the new one, no row lost or doubled.
"""

import threading
import time

import pytest

from tests.bigquery.emulated_bigquery import DROP, LOSE, PROJECT, kill_when, start
from tests.bigquery.publishing import DAY, flags, is_job, make_run, rows_in_bigquery, rows_of_files
from transforms.bigquery_schema import BIGQUERY_TABLES
from transforms.table_schemas import TABLES

RUNS = {"a": 12, "b": 18}


def uploads(table):
    """Whether a request is the first of those that send a table's file."""
    return is_job("load", table)


def last_of_upload(method, path, body):
    return method == "PUT" and "upload_id=" in path


def compares(method, path, body):
    return b"MD5" in body and b"staging_track_labels" in body


def deletes_second_staging_table():
    seen = []

    def found(method, path, body):
        if method == "DELETE":
            seen.append(path)
        return len(seen) == 2

    return found


#: What is killed when; whether the request is carried out; whether the new run stands in BigQuery then.
MOMENTS = {
    "before a file is sent": (uploads("track_segments"), DROP, False),
    "when a file was loaded, before the answer": (last_of_upload, LOSE, False),
    "while checksums are compared": (compares, DROP, False),
    "before the swap": (is_job("swap"), DROP, False),
    "when it was swapped, before the answer": (is_job("swap"), LOSE, True),
    "while staging tables are deleted": (deletes_second_staging_table(), DROP, True),
}


class Reader(threading.Thread):
    """Asks again and again, in one query, which run and how many rows each table holds."""

    def __init__(self, server, dataset):
        super().__init__(daemon=True)
        self._ask, self._stopped = server.ask, threading.Event()
        day = f"run_date = DATE '{DAY}'"
        self._sql = " UNION ALL ".join(
            f"SELECT '{table}', MIN(run_id), MAX(run_id), COUNT(*) FROM `{PROJECT}.{dataset}.{table}` WHERE {day}"
            for table in TABLES
        )
        self.seen = set()
        self.polls = 0

    def run(self):
        while not self._stopped.is_set():
            self.seen.add(tuple(sorted(self._ask(self._sql))))
            self.polls += 1
            time.sleep(0.15)

    def stop(self):
        self._stopped.set()
        self.join()


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    folders = {name: tmp_path_factory.mktemp(name) for name in RUNS}
    for name, folder in folders.items():
        make_run(folder, name, RUNS[name])
    return folders


@pytest.fixture(scope="module")
def dataset(server, new_dataset, outputs):
    name = new_dataset()
    finish(server, outputs["a"], name)
    return name


def finish(server, output, dataset):
    process = start(*flags(server, output, dataset))
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def snapshot(outputs, name):
    run_id = f"{DAY}-{name}"
    return tuple(sorted((table, run_id, run_id, len(rows_of_files(outputs[name], table))) for table in TABLES))


def standing(server, dataset):
    return {table: rows_in_bigquery(server, dataset, table) for table in TABLES}


# Each moment begins where the one before has ended, so that runs that were replaced come back too.
@pytest.mark.parametrize("number", range(len(MOMENTS)), ids=list(MOMENTS))
def test_killed_then_run_again(server, dataset, outputs, number):
    old, new = ("a", "b") if number % 2 == 0 else ("b", "a")
    moment, then, is_swapped = list(MOMENTS.values())[number]
    rows = {name: {table: rows_of_files(outputs[name], table) for table in TABLES} for name in RUNS}
    assert standing(server, dataset) == rows[old]
    reader = Reader(server, dataset)
    reader.start()
    try:
        kill_when(server, moment, then, *flags(server, outputs[new], dataset))
        assert standing(server, dataset) == rows[new if is_swapped else old]
        finish(server, outputs[new], dataset)
    finally:
        reader.stop()
    assert standing(server, dataset) == rows[new]
    assert reader.polls > 3
    assert reader.seen == {snapshot(outputs, old), snapshot(outputs, new)}
    assert server.tables(dataset) == set(BIGQUERY_TABLES)


def test_a_load_that_was_carried_out_is_not_sent_again(server, new_dataset, outputs):
    dataset = new_dataset()
    given = flags(server, outputs["a"], dataset)
    kill_when(server, compares, DROP, *given)
    before = len(server.jobs)
    finish(server, outputs["a"], dataset)
    again = [job for job in server.jobs[before:] if job.startswith("earmark-load")]
    # dead_letters to track_labels were loaded; the published run's record was not.
    assert [job.split("-")[2] for job in again] == ["published_runs"]
