"""Wrong command lines and configs: exit status 2, one sentence with flag or key, value and mend, no work done."""

import pathlib
import subprocess
import sys

import pytest

from pipelines.categorize_tracks import run
from pipelines.command_line import exit_status

ROW = '{"track_id": "t1", "audio_uri": "a.wav"}\n'


@pytest.fixture
def catalog(tmp_path):
    path = tmp_path / "catalog.jsonl"
    path.write_text(ROW)
    return path


def refused(capsys, *argv) -> str:
    """The one line that the job prints when it refuses a command line."""
    assert exit_status(run, [str(argument) for argument in argv]) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("earmark: ")
    return lines[0]


BAD_FLAGS = [
    ([], ["--catalog"]),
    (["--catalog", "{c}"], ["--output"]),
    (["--output", "{o}"], ["--catalog"]),
    (["--catalog", "{c}", "--output", ""], ["--output", "empty"]),
    (["--catalog", "{c}", "--output", "{c}"], ["--output", "is a file"]),
    (["--catalog", "{c}", "--output", "{c}/below"], ["--output", "is a file"]),
    (["--catalog", "{c}", "--output", "ftp://host/out"], ["--output", "ftp://", "gs://"]),
    (["--catalog", "{t}/missing.jsonl", "--output", "{o}"], ["--catalog", "missing.jsonl"]),
    (["--catalog", "{t}/*.jsonlines", "--output", "{o}"], ["--catalog", "*.jsonlines"]),
    (["--catalog", "{t}", "--output", "{o}"], ["--catalog"]),
    (["--catalog", "http://host/c.jsonl", "--output", "{o}"], ["--catalog", "http://"]),
    (["--catalog", "{c}", "--output", "{o}", "--audio_root", "{t}/none"], ["--audio_root", "none", "folder"]),
    (["--catalog", "{c}", "--output", "{o}", "--audio_root", ""], ["--audio_root", "empty"]),
    (["--catalog", "{c}", "--output", "{o}", "--run_date", "22.11.2026"], ["--run_date", "22.11.2026", "YYYY-MM-DD"]),
    (["--catalog", "{c}", "--output", "{o}", "--run_date", "2026-02-30"], ["--run_date", "2026-02-30"]),
    (["--catalog", "{c}", "--output", "{o}", "--run_date", "20261122"], ["--run_date", "20261122"]),
    (["--catalog", "{c}", "--output", "{o}", "--coverage", "half"], ["--coverage", "half", "sampled", "full"]),
    (["--catalog", "{c}", "--output", "{o}", "--config", "{t}/none.yaml"], ["--config", "none.yaml"]),
    (["--catalog", "{c}", "--output", "{o}", "--config", "{t}"], ["--config", "cannot be read"]),
    (["--catalogue", "{c}", "--output", "{o}"], ["--catalogue: there is no such flag; did you mean --catalog?"]),
    (["--catalog={c}", "--outptu={o}"], ["--outptu: there is no such flag; did you mean --output?"]),
    (["--catalog", "{c}", "--output", "{o}", "--policy", "spotfy"], ["--policy", "did you mean spotify?"]),
    (["--catalog", "{c}", "--output", "{o}", "--policy", "{t}/none.yaml"], ["--policy", "none.yaml", "cannot be read"]),
    (
        ["--catalog", "{c}", "--output", "{o}", "--policy", "spotify", "--run_date", "2024-01-01"],
        ["--policy spotify", "2024-01-01", "2024-04-01"],
    ),
    (["--catalog", "{c}", "--output", "{o}", "--previous", "{t}/none"], ["--previous", "none", "is not there"]),
    (["--catalog", "{c}", "--output", "{o}", "--previous", "{c}"], ["--previous", "is a file"]),
    (["--catalog", "{c}", "--output", "{o}", "--previous", ""], ["--previous", "empty"]),
    (["--catalog", "{c}", "--output", "{o}", "--previous", "ftp://host/out"], ["--previous", "ftp://"]),
    (["--catalog", "{c}", "--output", "{o}", "--previous", "{t}", "--force"], ["--force", "--previous"]),
    (["--catalog", "{c}", "--output", "{o}", "--processes", "0"], ["--processes", "0"]),
    (["--catalog", "{c}", "--output", "{o}", "--processes", "two"], ["--processes", "two"]),
    (["--catalog", "{c}", "--output", "{o}", "--processes", "9999"], ["--processes", "9999"]),
    *(
        (["--catalog", "{c}", "--output", "{o}", flag, "{t}/" + "x" * 300], [flag, "too long"])
        for flag in ("--catalog", "--output", "--audio_root", "--config", "--policy")
    ),
    (["--catalog", "{c}", "--output", "{o}", "--runner", "DaskRunner"], ["--runner", "loses rows"]),
    (["--catalog", "{c}", "--output", "{o}", "--catalogue", "x"], ["--catalogue", "--catalog"]),
    (["--catalog", "{c}", "--output", "{o}", "--coverag", "full"], ["--coverag", "--coverage"]),
    (["--catalog", "{c}", "--output", "{o}", "--frobnicate"], ["--frobnicate"]),
    (["--catalog", "{c}", "--output", "{o}", "stray"], ["stray"]),
    (["--catalog", "{c}", "--output", "{o}", "--direct_num_workers", "many"], ["direct_num_workers", "many"]),
]


@pytest.mark.parametrize(("argv", "named"), BAD_FLAGS, ids=[" ".join(argv)[-60:] or "nothing" for argv, _ in BAD_FLAGS])
def test_bad_flag(argv, named, catalog, tmp_path, capsys):
    argv = [argument.format(c=catalog, o=tmp_path / "out", t=tmp_path) for argument in argv]
    message = refused(capsys, *argv)
    for text in named:
        assert text in message
    assert not (tmp_path / "out").exists()


BAD_CONFIGS = [
    ("coverage: half", ["coverage", "half"]),
    ("coverages: full", ["coverages", "did you mean 'coverage'"]),
    ("audio: {sampled_windows: 0}", ["audio.sampled_windows", "0"]),
    ("audio: {sampled_windows: six}", ["audio.sampled_windows", "six"]),
    ("audio: {sampled_windows: 6}", ["audio.max_sampled_windows", "27", "audio.sampled_windows (6)", "6, 18, 54, 162"]),
    ("audio: {max_sampled_windows: 12}", ["audio.max_sampled_windows", "12", "3, 9, 27, 81, 243", "power of 3"]),
    ("audio: {sampled_windows: 9, max_sampled_windows: 3}", ["audio.max_sampled_windows", "3", "9, 27"]),
    ("audio: {max_sampled_windows: 729}", ["audio.max_sampled_windows", "729", "300"]),
    ("audio: {max_sampled_windows: null}", ["audio.max_sampled_windows", "integer"]),
    ("decision: {settled_cost_share: 2}", ["decision.settled_cost_share", "2"]),
    ("audio: {window_s: 3}", ["audio.window_s", "no such key"]),
    ("audio: {min_duration_s: .nan}", ["audio.min_duration_s", "nan"]),
    ("audio: {min_duration_s: 9, max_duration_s: 8}", ["audio.min_duration_s", "9", "8"]),
    ("decision: {costs: {review: 0}}", ["decision.costs.review", "0"]),
    ("decision: {costs: {music_called_functional: -1}}", ["decision.costs.music_called_functional", "-1"]),
    ("decision: {costs: {music_as_functional: 2}}", ["decision.costs.music_as_functional", "no such key"]),
    ("decision: {silence_peak_dbfs: 3}", ["decision.silence_peak_dbfs", "3"]),
    ("decode: {timeout_s: soon}", ["decode.timeout_s", "soon"]),
    ("gates: {max_dead_letter_share: 5}", ["gates.max_dead_letter_share", "5"]),
    ("catalog: {columns: {trackid: id}}", ["catalog.columns.trackid", "no such key", "did you mean 'track_id'"]),
    ("catalog: {columns: {track_id: 7}}", ["catalog.columns.track_id", "7", "string"]),
    ("catalog: {columns: {track_id: ''}}", ["catalog.columns.track_id", "at least 1 character"]),
    ("catalog: {columns: [track_id]}", ["catalog.columns", "track_id"]),
    ("catalog: {column: {track_id: id}}", ["catalog.column", "did you mean 'columns'"]),
    ("catalog: {columns: {title: Titel}}", ["has no column 'Titel'", "catalog.columns.title"]),
    ("catalog: {duration_unit: h}", ["catalog.duration_unit", "'h'", "'ms', 's' or 'min'"]),
    ("gates: {max_dead_letters: 0.1}", ["gates.max_dead_letters"]),
    ("tables: {rows_per_file: 0}", ["tables.rows_per_file", "0"]),
    ("model: {folder: /no/such/model}", ["/no/such/model"]),
    ("model: {folder: " + "x" * 300 + "}", ["model folder xxx", "too long"]),
    ("model: {folder: ftp://host/model}", ["model.folder", "ftp://"]),
    ("coverage: full\ncoverage: sampled", ["coverage", "twice"]),
    ("1: full", ["1"]),
    ("- coverage", ["list"]),
    ("coverage: [", ["YAML"]),
    ("audio: 7", ["audio", "7"]),
]


@pytest.mark.parametrize(("text", "named"), BAD_CONFIGS, ids=[text for text, _ in BAD_CONFIGS])
def test_bad_config(text, named, catalog, tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text(text)
    message = refused(capsys, "--catalog", catalog, "--output", tmp_path / "out", "--config", config)
    for part in named:
        assert part in message
    assert not (tmp_path / "out").exists()


def test_config_that_is_no_text(catalog, tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in refused(capsys, "--catalog", catalog, "--output", tmp_path / "out", "--config", config)


def test_output_that_cannot_be_written(catalog, capsys):
    message = refused(capsys, "--catalog", catalog, "--output", "/proc/earmark")
    assert "/proc/earmark" in message
    assert "--output" in message


def test_the_process_ends_with_status_2_and_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "pipelines.categorize_tracks", "--catalog", "none.jsonl"]
    finished = subprocess.run(
        [*command, "--output", str(tmp_path / "out")],
        capture_output=True, text=True, check=False, cwd=pathlib.Path(__file__).parents[2],
    )  # fmt: skip
    assert finished.returncode == 2
    assert finished.stderr.count("\n") == 1
    assert "none.jsonl" in finished.stderr


@pytest.mark.parametrize("folder", [".staging", ".staging/run_date=2026-01-31/2026-01-30-0123456789ab.01234567"])
def test_a_staging_folder_of_another_run(folder, catalog, tmp_path, capsys):
    out = tmp_path / "out"
    flags = ["--catalog", catalog, "--output", out, "--run_date", "2026-01-31", "--staged", out / folder]
    assert f"--staged {out / folder}: is no staging folder of the run 2026-01-31-" in refused(capsys, *flags)
