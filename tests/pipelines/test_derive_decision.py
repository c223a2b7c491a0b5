"""The derivation as a command: what it prints and writes, and that the main job reads it."""

import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.model_folder_hashes import file_sha256
from models.saved_model import check_model_folder, shipped_model_folder
from pipelines.derive_decision import run
from pipelines.job_config import load_config
from tests.models.labels_at_will import label_columns, sure

VERSION = check_model_folder(shipped_model_folder()).model_version


def write_labels(path: pathlib.Path, **columns) -> pathlib.Path:
    """Labels of which the functional ones below 0.995 are music; a silent one and unsure ones among them."""
    rng = np.random.default_rng(0)
    rows = [("music", sure("functional", 0.99))] * 12 + [("functional", sure("functional", 0.9985))] * 60
    rows += [(name, tuple(rng.dirichlet([1, 1, 1]))) for name in ("music", "functional", "speech") * 20]
    flags = [["silence_by_level"] if i == 20 else [] for i in range(len(rows))]
    made = label_columns(rows, **{"flags": flags, "model_version": [VERSION] * len(rows), **columns})
    pq.write_table(pa.table({**made, "title": [None] * len(rows)}), path)
    return path


def test_the_cheapest_rule_is_written_as_a_config_with_where_it_comes_from(tmp_path, capsys):
    labels = write_labels(tmp_path / "labels.parquet")
    output = tmp_path / "decision.yaml"
    assert run(["--labels", str(labels), "--output", str(output), "--folds", "3"]) == 0
    decision = load_config(str(output)).decision
    assert 0.99 < decision.min_confidence.functional <= 0.9985
    assert decision.costs == load_config(None).decision.costs
    text = output.read_text()
    assert file_sha256(labels) in text
    assert "132 tracks of 6 packages" in text
    told = capsys.readouterr().out
    for words in ("never below", "fitted shares and confidences", "isotonic per category", "Cheapest: costs, fitted"):
        assert words in told
    record = json.loads((tmp_path / "decision.json").read_text())
    assert record["chosen"] == "costs, fitted shares and confidences"
    assert record["rules"]["costs"]["music_called_functional_auto"] == 12
    assert record["curve"][0]["review_share"] == 0
    assert record["curve"][-1]["wrong_label_cost_per_1000"] == 0
    again = tmp_path / "again.yaml"
    assert run(["--labels", str(labels), "--output", str(again), "--folds", "3"]) == 0
    assert again.read_text() == text


def test_costs_come_from_the_config(tmp_path):
    labels = write_labels(tmp_path / "labels.parquet")
    config = tmp_path / "config.yaml"
    config.write_text("decision: {costs: {music_called_functional: 0.5}, max_music_in_functional: 0.35}\n")
    output, curve = tmp_path / "decision.yaml", tmp_path / "curve.json"
    flags = ["--labels", labels, "--output", output, "--config", config, "--curve", curve, "--folds", "2"]
    assert run([str(flag) for flag in flags]) == 0
    decision = load_config(str(output)).decision
    # Music called functional costs less than a review here, so nothing is to be gained.
    assert decision.min_confidence.functional == 0
    assert decision.max_music_in_functional == 0.35
    assert json.loads(curve.read_text())["costs"]["music_called_functional"] == 0.5


@pytest.mark.parametrize(("version", "known"), [("another-1.0", False), (VERSION + ".int8", True)])
def test_labels_of_an_unknown_model_do_without_its_calibration(version, known, tmp_path, capsys):
    labels = write_labels(tmp_path / "labels.parquet", model_version=[version] * 132)
    assert run(["--labels", str(labels), "--output", str(tmp_path / "decision.yaml"), "--folds", "2"]) == 0
    assert ("when --model names the model" in capsys.readouterr().out) != known


def test_short_tracks_can_be_left_out(tmp_path):
    labels = write_labels(tmp_path / "labels.parquet", duration_s=[1.0] * 72 + [30.0] * 60)
    output = tmp_path / "decision.yaml"
    assert run(["--labels", str(labels), "--output", str(output), "--folds", "2", "--min_duration_s", "5"]) == 0
    assert "60 tracks of 6 packages" in output.read_text()
    assert "5 s and longer" in output.read_text()
