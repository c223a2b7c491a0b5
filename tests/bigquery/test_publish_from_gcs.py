"""A run on an object store: BigQuery reads the files itself, one load job a table; this side reads them to compare.

The emulator has no access to a Cloud Storage, emulated or not: it reads ``gs://`` names from a folder, which here holds
copies of what is in the emulated store.
"""

import shutil
import subprocess
import sys

import pytest

from tests.bigquery.emulated_bigquery import DROP, PROJECT, ROOT
from tests.bigquery.publishing import DAY, flags, rows_in_bigquery, rows_of_files
from tests.gcs.emulated_store import BUCKET, EmulatedStore, Job
from tests.transforms.generated_tables import generate_run, manifest_of, write_with_beam
from transforms.bigquery_schema import BIGQUERY_TABLES
from transforms.publishing import Publication
from transforms.reconcile import read_run_summary
from transforms.table_schemas import TABLES

TABLES_URI = f"gs://{BUCKET}/out"


@pytest.fixture(scope="module")
def store():
    emulated = EmulatedStore()
    yield emulated
    emulated.close()


@pytest.fixture(scope="module")
def output(server, store, tmp_path_factory):
    """A run with several files per table, in the emulated store and where the emulated BigQuery looks for it."""
    folder = tmp_path_factory.mktemp("tables")
    run = generate_run(f"{DAY}-gcs", 40, run_date=DAY)
    with Publication(str(folder), str(DAY), run.run_id) as publication:
        staging = publication.prepare()
        write_with_beam(run, staging, shards=2)
        summary = read_run_summary(staging)
        publication.publish(summary.files, manifest_of(summary))
    shutil.copytree(folder, server.gcs_folder / BUCKET / "out")
    for path in folder.rglob("*"):
        if path.is_file():
            store.write(f"out/{path.relative_to(folder)}", path.read_bytes())
    return folder


def publish(server, store, dataset, tmp_path, **environment):
    argv = [sys.executable, "-m", "pipelines.publish_tables", *flags(server, TABLES_URI, dataset)]
    changed = {k: v for k, v in (Job(store, tmp_path).environment() | environment).items() if v is not None}
    return subprocess.run(argv, cwd=ROOT, env=changed, capture_output=True, text=True)


def test_every_row_arrives_in_one_load_job_a_table(server, store, new_dataset, output, tmp_path):
    dataset, before = new_dataset(), len(server.jobs)
    ended = publish(server, store, dataset, tmp_path)
    assert ended.returncode == 0, ended.stderr
    for table in TABLES:
        assert len(list((output / table).glob("*/*.parquet"))) == 2
        assert rows_in_bigquery(server, dataset, table) == rows_of_files(output, table)
    loads = [job for job in server.jobs[before:] if job.startswith("earmark-load")]
    assert sorted(job.split("-")[2] for job in loads) == sorted(BIGQUERY_TABLES)
    assert server.tables(dataset) == set(BIGQUERY_TABLES)


def test_a_load_of_names_is_not_sent_twice(server, store, new_dataset, output, tmp_path):
    dataset = new_dataset()
    with server.doing(lambda method, path, body: DROP if b"earmark-swap" in body and method == "POST" else None):
        assert publish(server, store, dataset, tmp_path).returncode == 2
    before = len(server.jobs)
    ended = publish(server, store, dataset, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert [job for job in server.jobs[before:] if job.startswith("earmark-load")] == []
    for table in TABLES:
        assert rows_in_bigquery(server, dataset, table) == rows_of_files(output, table)


def test_a_bucket_that_is_not_there(server, store, new_dataset, tmp_path):
    argv = [sys.executable, "-m", "pipelines.publish_tables", *flags(server, "gs://no-such-bucket/out", new_dataset())]
    environment = Job(store, tmp_path).environment()
    ended = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert "gs://no-such-bucket/out" in line


def test_no_credentials_for_the_bucket(server, store, new_dataset, tmp_path):
    nothing = dict.fromkeys(["STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST"])
    ended = publish(server, store, new_dataset(), tmp_path, **nothing)
    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert f"--tables '{TABLES_URI}' needs Google Cloud credentials" in line


def test_an_object_that_changed_after_it_was_read(server, store, new_dataset, output, tmp_path):
    """BigQuery loads what is there then; the comparison finds it."""
    dataset = new_dataset()
    (path, _) = sorted((server.gcs_folder / BUCKET / "out" / "track_segments").glob("*/*.parquet"))
    other = sorted((output / "track_segments").glob("*/*.parquet"))[1]
    kept = path.read_bytes()
    path.write_bytes(other.read_bytes())
    try:
        ended = publish(server, store, dataset, tmp_path)
    finally:
        path.write_bytes(kept)
    assert ended.returncode == 3, ended.stderr
    assert "track_segments: BigQuery loaded" in ended.stderr
    assert server.ask(f"SELECT COUNT(*) FROM `{PROJECT}.{dataset}.track_segments`") == [(0,)]
