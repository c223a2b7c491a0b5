"""Dataflow without the libraries for it: the one thing about it that can be tried without them."""

import json
import sys

import pytest

from models.errors import UserError
from pipelines.categorize_options import parse
from pipelines.dataflow_flags import dataflow_flags, refuse_flags_of_dataflow


def test_the_google_libraries_are_missing(monkeypatch):
    for name in ("google.cloud", "google.cloud.dataflow"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=r"needs the Google Cloud libraries; run pip install -e '\.\[gcp\]'"):
        dataflow_flags(["--runner=DataflowRunner"], {})


@pytest.mark.parametrize("flags", [[], ["--runner", "FlinkRunner"]])
@pytest.mark.parametrize(
    "flag",
    [
        ["--template_location", "gs://bucket/template"], ["--staging_location=gs://bucket/staging"], ["--update"],
        ["--flexrs_goal", "COST_OPTIMIZED"], ["--dataflow_service_options=enable_prime"],
        ["--service_account_email", "worker@project.iam.gserviceaccount.com"],
    ],
)  # fmt: skip
def test_flags_that_only_dataflow_reads_are_not_ignored_elsewhere(tmp_path, flags, flag):
    (tmp_path / "catalog.jsonl").write_text(json.dumps({"track_id": "t", "audio_uri": "a.wav"}) + "\n")
    argv = ["--catalog", str(tmp_path / "catalog.jsonl"), "--output", str(tmp_path / "out"), *flags, *flag]
    with pytest.raises(UserError, match=rf"^{flag[0].partition('=')[0]}\b.*: only .* --runner DataflowRunner"):
        parse(argv)
    assert not (tmp_path / "out").exists()


def test_flags_that_others_read_too_pass():
    flags = [
        "--project=p",
        "--region=europe-west1",
        "--temp_location=gs://bucket/tmp",
        "--num_workers=2",
        "--job_name=j",
    ]
    refuse_flags_of_dataflow(flags)
    refuse_flags_of_dataflow([])
