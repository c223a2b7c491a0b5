"""The main job held against the run before, track by track."""

from __future__ import annotations

import json
import shlex

import pyarrow.parquet as pq
import pytest

from pipelines.compare_runs import run as compare
from tests.pipelines.published_run import publish_run
from tests.sample_run import RUN_DATE, job
from tests.transforms.compared_runs import label

TRACKS = 55
GATES = ("max_changed_share", "max_music_to_functional_share")


@pytest.fixture
def catalog(tmp_path):
    """Many ids over one recording of crickets, so that it is decoded once."""
    row = {"audio_uri": "audio/sleep/10-crickets.opus"}
    path = tmp_path / "catalog.jsonl"
    path.write_text("".join(json.dumps(row | {"track_id": f"t{number}"}) + "\n" for number in range(TRACKS)))
    return path


def earlier(output, music: int) -> None:
    """A run of the day before, in which so many of the tracks were music."""
    labels = [label(f"t{number}", "music" if number < music else "functional") for number in range(TRACKS)]
    publish_run(output, "2026-01-30", "spotify", run_id="before", labels=labels, dead_letters=[])


def test_songs_that_became_noise_stop_the_run_and_can_be_looked_at(catalog, tmp_path, capsys, monkeypatch):
    output = tmp_path / "out"
    earlier(output, music=TRACKS)
    config = tmp_path / "config.yaml"
    config.write_text("gates: {max_label_drift: null, max_review_share: 1.0}\n")
    assert job(catalog, output, "--config", config) == 3
    message = capsys.readouterr().err
    assert "max_music_to_functional_share: 55 of 55 tracks with a label in both runs that were music became" in message
    assert not (output / "track_labels" / f"run_date={RUN_DATE}").exists()
    (command,) = [line for line in message.splitlines() if line.startswith("To see the tracks: ")]
    monkeypatch.chdir(tmp_path)
    assert compare(shlex.split(command)[7:]) == 0
    record = json.loads((tmp_path / "comparison" / "comparison.json").read_text())
    assert record["confusion"]["music"] == {"music": 0, "functional": TRACKS, "speech": 0}
    assert record["after"]["run_date"] == RUN_DATE
    assert record["after"]["policies"].keys() == {"spotify", "deezer"}
    rows = pq.read_table(tmp_path / "comparison" / "changed_tracks.parquet").to_pylist()
    assert {row["cause"] for row in rows} == {"audio_changed"}
    assert {treatment["royalty_class_before"] for row in rows for treatment in row["treatments"]} == {"music"}


def test_a_run_that_agrees_with_the_one_before_is_published_with_the_figures(catalog, tmp_path):
    output = tmp_path / "out"
    earlier(output, music=0)
    config = tmp_path / "config.yaml"
    config.write_text("gates: {max_label_drift: null, max_review_share: 1.0}\n")
    assert job(catalog, output, "--config", config) == 0
    (path,) = output.glob(f"runs/{RUN_DATE}-*/manifest.json")
    readings = {reading["gate"]: reading for reading in json.loads(path.read_text())["gates"]}
    assert [readings[gate]["value"] for gate in GATES] == [0, None]
    assert "0 of 55 tracks" in readings["max_changed_share"]["message"]
    assert "0 tracks with a label in both runs that were music" in readings["max_music_to_functional_share"]["message"]


def test_a_catalog_that_broke_off_stops_the_run(catalog, tmp_path, capsys):
    output = tmp_path / "out"
    earlier(output, music=0)
    catalog.write_text("".join(catalog.read_text().splitlines(keepends=True)[:2]))
    assert job(catalog, output) == 3
    message = capsys.readouterr().err
    assert "1 gate refused" in message
    assert "max_lost_share: 53 of 55 tracks with a label on run_date 2026-01-30 are in this run neither" in message
    assert "To see the tracks: " in message
    assert not (output / "track_labels" / f"run_date={RUN_DATE}").exists()
