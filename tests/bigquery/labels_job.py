"""The main job with --bigquery_labels against the emulated BigQuery, with an emulated Cloud Storage for its files.

Beam's own BigQuery client knows one address alone; here it is made with another. The rest is Beam's: files on the
storage, load jobs that name them, and waiting.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Iterator

import pytest
from apache_beam.io.gcp import bigquery_tools
from apache_beam.io.gcp.internal.clients import bigquery

from tests.bigquery.emulated_bigquery import PROJECT, ROOT, EmulatedBigQuery
from tests.gcs.emulated_store import BUCKET, EmulatedStore, Job


@contextlib.contextmanager
def elsewhere(
    server: EmulatedBigQuery, monkeypatch: pytest.MonkeyPatch, folder: pathlib.Path
) -> Iterator[EmulatedStore]:
    """Google's addresses on loopback: storage, BigQuery, and credentials that nobody checks."""
    store = EmulatedStore()
    for name, value in Job(store, folder).environment().items():
        # Beam's client for BigQuery needs a package of its own where a proxy is named, loopback or not.
        if not name.lower().endswith("_proxy"):
            monkeypatch.setenv(name, value)

    def client(options):
        address = f"{server.address}/bigquery/v2/"
        return bigquery.BigqueryV2(url=address, get_credentials=False, response_encoding="utf8")

    monkeypatch.setattr(bigquery_tools.BigQueryWrapper, "_bigquery_client", staticmethod(client))
    with contextlib.closing(store):
        yield store


def is_load(method: str, body: bytes) -> bool:
    """Whether a request sends a load job for files on the storage."""
    return method == "POST" and b'"sourceUris"' in body


def job_flags(folder: pathlib.Path, dataset: str) -> list[str]:
    """The command line of a run over three rows, of which two can be labelled."""
    uris = ["audio/sleep/10-crickets.opus", "audio/silence/01-room.wav", "audio/none.mp3"]
    lines = [json.dumps({"track_id": f"t{number}", "audio_uri": uri}) for number, uri in enumerate(uris)]
    (folder / "catalog.jsonl").write_text("\n".join(lines))
    (folder / "config.yaml").write_text("gates: {max_dead_letter_share: 0.5, max_review_share: 1.0}\n")
    flags = ["--catalog", "catalog.jsonl", "--config", "config.yaml", "--output", "out"]
    argv = [part if part.startswith("--") else str(folder / part) for part in flags]
    argv += ["--audio_root", str(ROOT / "sample"), "--run_date", "2026-01-31", "--project", PROJECT]
    return [*argv, "--bigquery_labels", f"{PROJECT}:{dataset}", "--temp_location", f"gs://{BUCKET}/tmp"]
