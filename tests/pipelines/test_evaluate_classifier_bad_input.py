"""Wrong arguments end the evaluation job with exit status 2 and one sentence; audio that is none does not stop it."""

import csv
import json

import pytest

from pipelines.command_line import exit_status
from pipelines.evaluate_classifier import run

HEADER = "path,label,subtype,split,package"


@pytest.fixture
def manifest(tmp_path):
    """A manifest whose only file is no audio."""
    (tmp_path / "noise.mp3").write_text("no audio")
    (tmp_path / "manifest.csv").write_text(f"{HEADER}\nnoise.mp3,functional,noise,held-out,p\n")
    return tmp_path / "manifest.csv"


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--manifest", "none.csv", "--output", "{o}"], ["--manifest none.csv", "cannot be read"]),
        (["--manifest", "{m}", "--output", "{o}", "--split", "dev"], ["--split dev", "held-out"]),
        (["--manifest", "{m}", "--output", "{o}", "--model", "{o}"], ["earmark_model.json"]),
        (["--manifest", "{m}", "--output", "{m}"], ["--output"]),
        (["--manifest", "{m}", "--output", "{o}", "--baseline", "nowhere"], ["nowhere", "earmark_model.json"]),
        (["--manifest", "{m}", "--output", "/proc/evaluation"], ["--output /proc/evaluation", "cannot be written"]),
        (["--manifest", "{m}", "--output", "{o}/" + "x" * 300], ["--output", "too long"]),
        (["--manifest", "x" * 300, "--output", "{o}"], ["--manifest", "too long"]),
        (["--manifest", "{m}"], ["--output"]),
    ],
)
def test_refusals(flags, named, manifest, tmp_path, capsys):
    assert exit_status(run, [flag.format(m=manifest, o=tmp_path) for flag in flags]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for text in named:
        assert text in message


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("mix_db", "loud", "mix_db 'loud' is no number"),
        ("loudness_lufs", "nan", "loudness_lufs 'nan' is no number"),
        ("bitrate_kbps", "128k", "bitrate_kbps '128k' is no number"),
        ("expected_decision", "auto", "expected_decision 'auto' is unknown"),
    ],
)
def test_optional_columns_are_checked(column, value, named, manifest, tmp_path, capsys):
    manifest.write_text(f"{HEADER},{column}\nnoise.mp3,functional,noise,held-out,p,{value}\n")
    assert exit_status(run, ["--manifest", str(manifest), "--output", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert f"line 2: {named}" in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_manifest_without_one_readable_file_gives_empty_figures_and_status_3(manifest, tmp_path, capsys):
    assert run(["--manifest", str(manifest), "--output", str(tmp_path / "out")]) == 3
    assert f"Nothing was evaluated: all 1 recordings of {manifest} are dead letters" in capsys.readouterr().err
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert record["figures"]["all"]["tracks"] == 0
    assert record["figures"]["all"]["balanced_accuracy"] == {"value": None, "low": None, "high": None}
    assert record["mean_windows"] is None
    assert [letter["error_type"] for letter in record["dead_letters"]] == ["unreadable_audio"]
    assert "Dead letters" in (tmp_path / "out" / "evaluation.html").read_text()


def test_a_field_longer_than_pythons_csv_takes_by_itself(manifest, tmp_path, capsys):
    before = csv.field_size_limit(131_072)  # a catalog that was read in this process may have raised it
    manifest.write_text(
        f"{HEADER}\nnoise.mp3,functional,{'x' * 200_000},held-out,p\nnone.mp3,functional,a,held-out,p\n"
    )
    assert exit_status(run, ["--manifest", str(manifest), "--output", str(tmp_path / "out")]) == 2
    csv.field_size_limit(before)
    assert "manifest.csv: a row cannot be read (field larger than" in capsys.readouterr().err
