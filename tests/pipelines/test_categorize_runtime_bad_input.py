import json
import pathlib
import shutil

import pytest

from models.litert_form import LITERT_FILE
from models.saved_model import METADATA_FILE, shipped_model_folder
from pipelines.categorize_tracks import run
from pipelines.command_line import exit_status


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(shipped_model_folder(), folder)
    return folder


def refused(capsys, tmp_path, runtime, model):
    (tmp_path / "catalog.jsonl").write_text('{"track_id": "t1", "audio_uri": "a.wav"}\n')
    (tmp_path / "config.yaml").write_text(f"model: {{runtime: {runtime}, folder: {model}, allow_unpromoted: true}}\n")
    argv = ["--catalog", tmp_path / "catalog.jsonl", "--output", tmp_path / "out", "--config", tmp_path / "config.yaml"]
    assert exit_status(run, [str(argument) for argument in argv]) == 2
    assert not (tmp_path / "out").exists()
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_a_runtime_that_is_none(capsys, tmp_path, model):
    line = refused(capsys, tmp_path, "onnx", model)
    assert "model.runtime: 'onnx'" in line
    assert "litert" in line


def test_a_model_without_the_form_that_is_asked_for(capsys, tmp_path, model):
    record = json.loads((model / METADATA_FILE).read_text())
    del record["litert"]
    (model / METADATA_FILE).write_text(json.dumps(record))
    assert "model.runtime litert: the model earmark-" in refused(capsys, tmp_path, "litert", model)


def test_a_file_that_is_not_the_models(capsys, tmp_path, model):
    pathlib.Path(model / LITERT_FILE).write_bytes(b"another")
    assert f"{LITERT_FILE} has the sha256" in refused(capsys, tmp_path, "litert", model)


def test_a_file_that_was_not_copied_along(capsys, tmp_path, model):
    (model / LITERT_FILE).unlink()
    assert f"{LITERT_FILE} cannot be read" in refused(capsys, tmp_path, "litert", model)
