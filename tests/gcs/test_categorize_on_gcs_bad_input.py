"""What a user gets wrong about an object store: one line and status 2, before any work."""

import pathlib

import pytest

from models.saved_model import shipped_model_folder
from tests.gcs.emulated_store import BUCKET, EmulatedStore, Job

ROW = '{"track_id": "a", "audio_uri": "a.mp3"}\n'


def refusal(job: Job, *flags: str, **environment: str | None) -> str:
    process = job.start(*flags, **environment)
    _, errors = process.communicate()
    assert process.returncode == 2, errors
    (line,) = errors.splitlines()
    return line


@pytest.fixture
def catalog(tmp_path: pathlib.Path) -> str:
    (tmp_path / "catalog.jsonl").write_text(ROW)
    return str(tmp_path / "catalog.jsonl")


def test_an_output_bucket_that_does_not_exist(job: Job, catalog: str) -> None:
    line = refusal(job, "--catalog", catalog, "--output", "gs://no-such-bucket/out")
    assert "--output gs://no-such-bucket/out: cannot be listed" in line
    assert "404" in line


@pytest.mark.parametrize("flag", ["--output", "--audio_root"])
def test_no_credentials(job: Job, catalog: str, flag: str, tmp_path: pathlib.Path) -> None:
    flags = {"--catalog": catalog, "--output": str(tmp_path / "out"), flag: f"gs://{BUCKET}/folder"}
    nothing = dict.fromkeys(["STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST"])
    line = refusal(job, *(word for pair in flags.items() for word in pair), **nothing)
    assert f"{flag} 'gs://{BUCKET}/folder' needs Google Cloud credentials" in line


def test_a_catalog_that_is_not_there(job: Job, store: EmulatedStore) -> None:
    line = refusal(job, "--catalog", f"gs://{BUCKET}/none.jsonl", "--output", f"gs://{BUCKET}/refused")
    assert f"--catalog gs://{BUCKET}/none.jsonl does not exist" in line
    assert store.generations("refused") == {}


def test_a_model_folder_without_a_model(job: Job, store: EmulatedStore, catalog: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "config.yaml").write_text(f"model: {{folder: 'gs://{BUCKET}/no-model'}}\n")
    config = ("--config", str(tmp_path / "config.yaml"))
    line = refusal(job, "--catalog", catalog, "--output", f"gs://{BUCKET}/refused", *config)
    assert f"model.folder gs://{BUCKET}/no-model: earmark_model.json cannot be read" in line
    assert store.generations("refused") == {}


def test_a_model_that_changed_since_its_promotion(
    job: Job, store: EmulatedStore, catalog: str, tmp_path: pathlib.Path
) -> None:
    model = pathlib.Path(shipped_model_folder())
    for path in model.rglob("*"):
        if path.is_file():
            content = path.read_bytes() + (b" " if path.name == "variables.index" else b"")
            store.write(f"changed-model/{path.relative_to(model)}", content)
    (tmp_path / "config.yaml").write_text(f"model: {{folder: 'gs://{BUCKET}/changed-model'}}\n")
    config = ("--config", str(tmp_path / "config.yaml"))
    line = refusal(job, "--catalog", catalog, "--output", f"gs://{BUCKET}/refused", *config)
    assert f"model folder gs://{BUCKET}/changed-model: variables/variables.index is changed since the promotion" in line
    assert store.generations("refused") == {}
