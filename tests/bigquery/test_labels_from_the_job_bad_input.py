"""What is wrong with --bigquery_labels: before the work where it can be known, else in the words of BigQuery."""

import pytest

from models.errors import UserError
from pipelines.command_line import exit_status
from pipelines.unpublished_labels import labels_target, refused_labels
from tests.bigquery.labels_job import elsewhere, is_load, job_flags


@pytest.mark.parametrize(
    ("answer", "said"),
    [((400, "invalid", "The partition expiration is too short"), "400 invalid: The partition expiration is too short"),
     # The job is taken and fails: nobody put its files where the emulator reads them.
     (None, "invalid: Error while reading data, error message: IO Error: No files found")],
    ids=["the job is refused", "the job fails"],
)  # fmt: skip
def test_rows_that_bigquery_does_not_take(answer, said, server, new_dataset, monkeypatch, tmp_path, capsys):
    from pipelines.categorize_tracks import run

    argv = job_flags(tmp_path, new_dataset())
    with (
        elsewhere(server, monkeypatch, tmp_path),
        server.doing(lambda method, path, body: answer if is_load(method, body) else None),
    ):
        assert exit_status(run, argv) == 1
    told = capsys.readouterr().err
    assert f"earmark: --bigquery_labels: BigQuery refuses the label rows ({said}" in told
    assert told.rstrip().endswith("The partition is as it was; run the same command again.")
    assert "Traceback" not in told
    assert not list((tmp_path / "out").glob("[!.]*/run_date=*"))


def test_an_answer_that_is_not_bigquerys():
    text = "HttpError accessing <http://h/bigquery/v2/x>: response: <{'status': '400'}>, content <{\"a\": 1}>"
    assert '({"a": 1});' in refused_labels(text)


def test_other_failures_are_none_of_it():
    assert refused_labels("HttpError accessing <https://storage.example/b/x>: response: <>, content <{}>") is None


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
