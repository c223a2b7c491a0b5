"""Thousands of mutated catalog rows, of every format, through the main job: none stops it, each is accounted for."""

import collections
import json
import os
import pathlib
import shutil
import socket
import time

import pytest

from tests.fuzz.fuzzed_job import ROOT, ROWS, SEED, run_job, table
from tests.fuzz.row_mutations import write_csv, write_json_lines, write_parquet, write_torn_csv

SOUNDS = ["silence/01-room.wav", "sleep/10-crickets.opus", "words/02-zodziai.mp3"]
#: What no published row, message or path may hold, for it lies outside the audio root.
SECRET = "the content of a file outside the root"


@pytest.fixture
def audio(tmp_path: pathlib.Path) -> pathlib.Path:
    """An audio root with ways out of it, and what is no file in it."""
    root = tmp_path / "root"
    root.mkdir()
    for number, sound in enumerate(SOUNDS):
        shutil.copyfile(ROOT / "sample" / "audio" / sound, root / f"{number}{pathlib.Path(sound).suffix}")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.mp3").write_text(SECRET)
    (root / "link-out.mp3").symlink_to(outside / "a.mp3")
    (root / "folder-out").symlink_to(outside)
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe.fifo")
    listening = socket.socket(socket.AF_UNIX)
    here = pathlib.Path.cwd()
    os.chdir(root)  # a socket's path is short
    try:
        listening.bind("socket.sock")
    finally:
        os.chdir(here)
        listening.close()
    return root


def test_every_mutated_row_is_accounted_for(
    tmp_path: pathlib.Path, audio: pathlib.Path, capsys: pytest.CaptureFixture
) -> None:
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    sounds = sorted(path.name for path in audio.iterdir() if path.name[0].isdigit())
    third = ROWS // 3
    began = time.monotonic()
    known = write_json_lines(catalog / "rows.jsonl", SEED, range(third), sounds)
    known += write_csv(catalog / "rows.csv", SEED, range(third, 2 * third), sounds)
    known += write_parquet(catalog, SEED, range(2 * third, ROWS), sounds)
    write_torn_csv(catalog / "torn.csv", SEED, range(ROWS, ROWS + third // 4), sounds)
    summary = run_job(str(catalog / "*"), audio, tmp_path, 600, "--policy", "spotify")

    rows = summary["catalog_rows"]
    labels, dead = table(tmp_path, "track_labels"), table(tmp_path, "dead_letters")
    assert rows["read"]["rows"] == len(labels) + len(dead) + rows["collapsed"]["rows"]
    torn = sum("torn.csv" in row["message"] for row in dead)
    assert rows["read"]["rows"] >= known + torn
    track_ids = [row["track_id"] for row in labels]
    assert len(set(track_ids)) == len(track_ids)
    assert len(labels) > ROWS // 10, "the mutations leave too little that can be labelled"
    for row in dead:
        assert row["message"].isprintable(), row
        json.loads(row["catalog_row"])
        assert SECRET not in str(row)
    for row in labels:
        assert (audio / row["audio_uri"]).resolve().parent == audio, row
    kinds = collections.Counter(row["error_type"] for row in dead)
    assert {
        "invalid_row",
        "duplicate_track_id",
        "path_not_allowed",
        "missing_audio",
        "unreadable_audio",
    } <= kinds.keys()
    assert not pathlib.Path("/tmp/owned").exists()
    counted = {"labelled": len(labels), "collapsed": rows["collapsed"]["rows"], **kinds}
    with capsys.disabled():
        seconds = time.monotonic() - began
        print(f"\nfuzz: seed {SEED}, {rows['read']['rows']} catalog rows in {seconds:.0f} s: {counted}")
