"""Arguments of publish_tables that are refused before anything is connected to; no BigQuery is needed."""

import importlib.util

import pytest

from models.errors import UserError
from pipelines.publish_tables import run
from tests.pipelines.published_run import publish_run

RIGHT = {
    "--run_date": "2026-01-31",
    "--project": "my-project",
    "--dataset": "d",
    "--api_endpoint": "http://127.0.0.1:9",
}


def refusal(tables, **changed: str) -> str:
    given = {"--tables": str(tables)} | RIGHT | {f"--{name}": value for name, value in changed.items()}
    with pytest.raises(UserError) as error:
        run([part for flag in given.items() for part in flag])
    return str(error.value)


@pytest.mark.parametrize(
    ("flag", "value", "sentence"),
    [("project", "My Project", "'My Project' is no project id"),
     ("project", "p`; DROP", "is no project id"),
     ("dataset", "my-project.d", "'my-project.d' is no data set; give its name alone"),
     ("dataset", "d`", "is no data set"),
     ("api_endpoint", "localhost:9050", "'localhost:9050' is no address"),
     ("run_date", "31.01.2026", "'31.01.2026' is no date")],
)  # fmt: skip
def test_bad_arguments(tmp_path, flag, value, sentence):
    assert sentence in refusal(tmp_path, **{flag: value})


def test_a_flag_that_is_missing():
    with pytest.raises(UserError, match="--tables"):
        run([part for flag in RIGHT.items() for part in flag])


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "https://127.0.0.1:9"])
def test_a_date_that_was_not_published_is_told_before_credentials_are_missed(tmp_path, monkeypatch, endpoint):
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-credentials"))
    publish_run(tmp_path / "out", "2026-01-30", tracks=2)
    told = refusal(tmp_path / "out", api_endpoint=endpoint)
    assert "holds no published run of 2026-01-31; there are 2026-01-30" in told
    assert "is not there; give the --output folder" in refusal(tmp_path / "none", api_endpoint=endpoint)
    if endpoint.startswith("https") and importlib.util.find_spec("google.cloud") is not None:
        assert "needs Google Cloud credentials" in refusal(
            tmp_path / "out", api_endpoint=endpoint, run_date="2026-01-30"
        )
