"""The main job with --bigquery_labels: its label rows are in a table of the run's own, those of its published files.

Beam's own BigQuery client knows one address alone; here it is made with another. The rest is Beam's: files on an
emulated Cloud Storage, load jobs that name them, and waiting.
"""

import json

import pyarrow.parquet as pq
import pytest
from apache_beam.io.gcp import bigquery_tools
from apache_beam.io.gcp.internal.clients import bigquery

from models.errors import UserError
from pipelines.unpublished_labels import labels_target
from tests.bigquery.emulated_bigquery import PROJECT, ROOT
from tests.gcs.emulated_store import BUCKET, EmulatedStore, Job
from transforms.table_schemas import TABLES
from transforms.write_bigquery import unpublished_table


@pytest.fixture
def elsewhere(server, monkeypatch, tmp_path):
    """Google's addresses on loopback: storage, BigQuery, and credentials that nobody checks."""
    store = EmulatedStore()
    for name, value in Job(store, tmp_path).environment().items():
        # Beam's client for BigQuery needs a package of its own where a proxy is named, loopback or not.
        if not name.lower().endswith("_proxy"):
            monkeypatch.setenv(name, value)

    def client(options):
        address = f"{server.address}/bigquery/v2/"
        return bigquery.BigqueryV2(url=address, get_credentials=False, response_encoding="utf8")

    monkeypatch.setattr(bigquery_tools.BigQueryWrapper, "_bigquery_client", staticmethod(client))

    def give_files(method, path, body):
        """Put what is in the emulated storage where the emulated BigQuery reads ``gs://`` names."""
        if method == "POST" and b'"sourceUris"' in body:
            for name in store.names():
                if name.startswith("tmp/") and not name.endswith("/"):
                    copy = server.gcs_folder / BUCKET / name
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    copy.write_bytes(store.read(name))

    with server.doing(give_files):
        yield
    store.close()


def test_the_jobs_rows_are_in_a_table_of_its_own_and_repeated_they_are_not_doubled(
    server, new_dataset, elsewhere, tmp_path
):
    from pipelines.categorize_tracks import run

    dataset = new_dataset()
    uris = ["audio/sleep/10-crickets.opus", "audio/silence/01-room.wav", "audio/none.mp3"]
    lines = [json.dumps({"track_id": f"t{number}", "audio_uri": uri}) for number, uri in enumerate(uris)]
    (tmp_path / "catalog.jsonl").write_text("\n".join(lines))
    (tmp_path / "config.yaml").write_text("gates: {max_dead_letter_share: 0.5, max_review_share: 1.0}\n")
    flags = ["--catalog", "catalog.jsonl", "--config", "config.yaml", "--output", "out"]
    argv = [part if part.startswith("--") else str(tmp_path / part) for part in flags]
    argv += ["--audio_root", str(ROOT / "sample"), "--run_date", "2026-01-31", "--project", PROJECT]
    argv += ["--bigquery_labels", f"{PROJECT}:{dataset}", "--temp_location", f"gs://{BUCKET}/tmp"]
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


@pytest.mark.parametrize(
    ("value", "beam_flags", "sentence"),
    [("dataset", [], "names no data set; write it as PROJECT:DATASET"),
     ("my-project:d`x", [], "names no data set"),
     ("my-project:d", [], "--temp_location gs://BUCKET/tmp"),
     ("my-project:d", ["--temp_location", "scratch"], "--temp_location gs://BUCKET/tmp")],
)  # fmt: skip
def test_a_flag_that_cannot_be_is_refused(value, beam_flags, sentence):
    with pytest.raises(UserError) as refusal:
        labels_target(value, beam_flags)
    assert sentence in str(refusal.value)


def test_without_credentials_it_is_refused(monkeypatch, tmp_path):
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    with pytest.raises(UserError, match="--bigquery_labels 'my-project:d' needs Google Cloud credentials"):
        labels_target("my-project:d", ["--temp_location=gs://b/tmp"])
