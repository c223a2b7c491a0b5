"""The form of the model that a run labels with: chosen at its start, told in its rows, and light on a CPU."""

import json
import pathlib
import subprocess
import sys

import pyarrow.dataset as ds
import pytest

from models.litert_form import LITERT_SUFFIX
from models.saved_model import check_model_folder, shipped_model_folder
from pipelines.categorize_options import parse

AUDIO = pathlib.Path(__file__).parents[2] / "sample" / "audio"
VERSION = check_model_folder(shipped_model_folder()).model_version


@pytest.fixture
def catalog(tmp_path):
    path = tmp_path / "catalog.jsonl"
    files = ("baby/02-white-noise.mp3", "russian/01-first.mp3", "words/01-ord.ogg")
    path.write_text("".join(json.dumps({"track_id": name, "audio_uri": name}) + "\n" for name in files))
    return path


def arguments(catalog, output, runtime):
    config = output.parent / f"{runtime}.yaml"
    config.write_text(f"model: {{runtime: {runtime}}}\n")
    argv = ["--catalog", catalog, "--audio_root", AUDIO, "--output", output, "--run_date", "2026-01-31"]
    return [str(argument) for argument in (*argv, "--config", config)]


def test_two_forms_are_two_runs_with_two_versions(catalog, tmp_path):
    litert, saved_model = (parse(arguments(catalog, tmp_path / "out", form)) for form in ("litert", "saved_model"))
    assert (litert.runtime, saved_model.runtime) == ("litert", "saved_model")
    assert (litert.model.model_version, saved_model.model.model_version) == (VERSION + LITERT_SUFFIX, VERSION)
    assert litert.run_id != saved_model.run_id


def test_auto_is_the_form_that_it_chooses(catalog, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    options = {form: parse(arguments(catalog, tmp_path / "out", form)) for form in ("auto", "litert")}
    assert options["auto"].runtime == "litert"
    assert options["auto"].run_id == options["litert"].run_id


def test_a_cluster_run_decides_before_it_starts(catalog, tmp_path):
    flags = ["--runner", "FlinkRunner"]
    assert parse([*arguments(catalog, tmp_path / "out", "auto"), *flags]).runtime == "litert"
    assert parse([*arguments(catalog, tmp_path / "out", "saved_model"), *flags]).runtime == "saved_model"


def test_a_run_with_litert_never_imports_tensorflow(catalog, tmp_path):
    code = (
        "import sys; from pipelines.categorize_tracks import run; status = run(sys.argv[1:]);"
        "loaded = {name.split('.')[0] for name in sys.modules};"
        "assert 'ai_edge_litert' in loaded and not loaded & {'tensorflow', 'keras'}, sorted(loaded);"
        "sys.exit(status)"
    )
    command = [sys.executable, "-c", code, *arguments(catalog, tmp_path / "out", "litert")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "TensorFlow" not in done.stderr
    rows = ds.dataset(tmp_path / "out" / "track_labels", format="parquet").to_table().to_pylist()
    assert {row["track_id"]: row["category"] for row in rows} == {
        "baby/02-white-noise.mp3": "functional", "russian/01-first.mp3": "speech", "words/01-ord.ogg": "speech",
    }  # fmt: skip
    assert {row["model_version"] for row in rows} == {VERSION + LITERT_SUFFIX}
