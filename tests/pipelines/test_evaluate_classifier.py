"""The evaluation job on a manifest of sample recordings, and its refusals."""

import csv
import json
import pathlib

import pyarrow.parquet as pq
import pytest

from pipelines.command_line import exit_status
from pipelines.evaluate_classifier import run

SAMPLE = pathlib.Path(__file__).parents[2] / "sample"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """A few of the sample's clear recordings of each category, with a broken file among them."""
    catalog = {}
    for line in (SAMPLE / "catalog.jsonl").read_bytes().splitlines():
        try:
            row = json.loads(line)
            catalog[row["track_id"]] = row["audio_uri"]
        except (ValueError, KeyError, TypeError):
            continue
    with (SAMPLE / "expected.csv").open(newline="") as file:
        clear = [row for row in csv.DictReader(file) if row["clear"] == "true" and not row["expected_error_type"]]
    path = tmp_path_factory.mktemp("evaluation") / "manifest.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "subtype", "split", "package"])
        for category in ("music", "functional", "speech"):
            for row in [row for row in clear if row["expected_category"] == category][:4]:
                writer.writerow([SAMPLE / catalog[row["track_id"]], category, "some", "held-out", "sample"])
        (path.parent / "broken.mp3").write_text("no audio")
        writer.writerow(["broken.mp3", "music", "broken", "held-out", "sample"])
    return path


def test_figures_labels_and_dead_letters_are_written(manifest, tmp_path):
    assert run(["--manifest", str(manifest), "--output", str(tmp_path)]) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    tracks = metrics["tracks_5_s_and_longer"]["tracks"] + metrics["tracks_below_5_s"]["tracks"]
    assert tracks == 12
    assert metrics["tracks_5_s_and_longer"]["balanced_accuracy"] > 0.6
    assert [letter["error_type"] for letter in metrics["dead_letters"]] == ["unreadable_audio"]
    told = pq.read_table(tmp_path / "labels.parquet").to_pylist()
    assert len(told) == 12
    right = sum(row["category"] == row["true_category"] for row in told)
    confusion = [metrics[part]["confusion"] for part in ("tracks_5_s_and_longer", "tracks_below_5_s")]
    assert right == sum(matrix[name][name] for matrix in confusion for name in matrix)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--manifest", "none.csv", "--output", "{o}"], ["--manifest none.csv", "cannot be read"]),
        (["--manifest", "{m}", "--output", "{o}", "--split", "dev"], ["--split dev", "held-out"]),
        (["--manifest", "{m}", "--output", "{o}", "--model", "{o}"], ["earmark_model.json"]),
        (["--manifest", "{m}", "--output", "{m}"], ["--output"]),
        (["--manifest", "{m}", "--output", "{o}", "--baseline", "x"], ["--baseline"]),
        (["--manifest", "{m}"], ["--output"]),
    ],
)
def test_refusals(flags, named, manifest, tmp_path, capsys):
    assert exit_status(run, [flag.format(m=manifest, o=tmp_path) for flag in flags]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for text in named:
        assert text in message
