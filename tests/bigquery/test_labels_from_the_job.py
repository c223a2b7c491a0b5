"""The main job with --bigquery_labels: its label rows are in a table of the run's own, those of its published files."""

import pyarrow.parquet as pq

from tests.bigquery.emulated_bigquery import PROJECT
from tests.bigquery.labels_job import elsewhere, is_load, job_flags
from tests.gcs.emulated_store import BUCKET
from transforms.table_schemas import TABLES
from transforms.write_bigquery import unpublished_table


def test_the_jobs_rows_are_in_a_table_of_its_own_and_repeated_they_are_not_doubled(
    server, new_dataset, monkeypatch, tmp_path
):
    from pipelines.categorize_tracks import run

    dataset = new_dataset()
    argv = job_flags(tmp_path, dataset)
    with elsewhere(server, monkeypatch, tmp_path) as store:

        def give_files(method, path, body):
            """Put what is in the emulated storage where the emulated BigQuery reads ``gs://`` names."""
            for name in store.names() if is_load(method, body) else ():
                if name.startswith("tmp/") and not name.endswith("/"):
                    copy = server.gcs_folder / BUCKET / name
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    copy.write_bytes(store.read(name))

        with server.doing(give_files):
            for _ in range(2):
                assert run(argv) == 0
                (manifest,) = (tmp_path / "out").glob("runs/*/manifest.json")
                table = unpublished_table(manifest.parent.name)
                assert server.tables(dataset) == {table}
                names = TABLES["track_labels"].names
                found = server.ask(f"SELECT {', '.join(names)} FROM `{PROJECT}.{dataset}.{table}` ORDER BY track_id")
                (path,) = (tmp_path / "out" / "track_labels").glob("*/*.parquet")
                rows = [tuple(row.values()) for row in pq.ParquetFile(path).read(columns=names).to_pylist()]
                assert found == rows
                assert [row[0] for row in rows] == ["t0", "t1"]
