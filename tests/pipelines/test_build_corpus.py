"""The command builds a corpus from packages, the same one however often and however interrupted."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from models.labels_of_corpus import read_manifest
from pipelines.build_corpus import run
from tests.models.tiny_packages import RECIPE, audio_bytes, needs_dpkg, needs_ffmpeg, noise, write_packages, write_wheel

pytestmark = [needs_dpkg, needs_ffmpeg]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder with the packages, and the recipe beside it."""
    folder = tmp_path_factory.mktemp("given")
    (folder / "recipe.yaml").write_text(RECIPE)
    return write_packages(folder / "packages")


def arguments(packages, output, *more):
    flags = (
        "--recipe",
        packages.parent / "recipe.yaml",
        "--package_dir",
        packages,
        "--output",
        output,
        "--jobs",
        1,
        *more,
    )
    return [str(flag) for flag in flags]


@pytest.fixture(scope="module")
def corpus(packages, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "corpus"
    assert run(arguments(packages, folder)) == 0
    return folder


def rows_of(folder):
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def stem(row):
    return Path(row["path"]).stem.rpartition("-")[0]


def test_what_is_in_it(corpus):
    found = [
        (r["package"], stem(r), r["label"], r["subtype"], r["split"], r["source"], r["version"], r["licence"])
        for r in rows_of(corpus)
    ]
    game = ("train", "debian", "1.0-1")
    assert sorted(found) == sorted(
        [
            ("tiny-copies", "rain", "functional", "rain", "dev", "debian", "2:1.1-1", "CC0 (read by hand)"),
            ("tiny-game", "bang", "functional", "sfx", *game, "GPL-2+"),
            ("tiny-game", "hit", "functional", "sfx", *game, "GPL-2+"),
            ("tiny-game", "hello", "speech", "prompt_en", *game, "GPL-2+"),
            ("tiny-game", "inner", "music", "ambient_light", *game, "CC-BY-4.0"),
            ("tiny-game", "song", "music", "ambient_light", *game, "CC-BY-4.0"),
            ("tiny-game", "tune", "music", "tracker", *game, "GPL-2+"),
            ("tiny-sounds", "noise", "functional", "noise", "train", "pypi", "3.0", "package: MIT"),
        ]
    )
    assert [row["path"] for row in rows_of(corpus)] == sorted(row["path"] for row in rows_of(corpus))


def test_lengths_tags_and_files(corpus):
    by_stem = {stem(row): row for row in rows_of(corpus)}
    assert {name: float(row["duration_s"]) for name, row in by_stem.items() if name != "tune"} == {
        "rain": 2.0,
        "bang": 0.6,
        "hit": 0.5,
        "hello": 2.0,
        "inner": 4.0,
        "song": 4.0,
        "noise": 1.5,
    }
    assert float(by_stem["tune"]["duration_s"]) == pytest.approx(7.68, abs=0.15)
    assert by_stem["hit"]["hard_tags"] == "very_short weak_label"
    assert by_stem["rain"]["hard_tags"] == "low_sample_rate"
    assert by_stem["song"]["hard_tags"] == "ambient_drone_music"
    assert by_stem["tune"]["path"].endswith(".ogg")
    assert by_stem["hello"]["path"].endswith(".wav")
    on_disk = {path.relative_to(corpus).as_posix() for path in (corpus / "audio").rglob("*") if path.is_file()}
    assert on_disk == {row["path"] for row in by_stem.values()}
    for row in by_stem.values():
        assert soundfile.info(corpus / row["path"]).duration == pytest.approx(float(row["duration_s"]), abs=0.01)


def test_training_and_evaluation_can_read_it(corpus):
    recordings, _ = read_manifest(str(corpus / "manifest.csv"), for_training=False)
    assert len(recordings) == 8


def test_a_second_build_does_nothing_again_and_a_fresh_one_gives_the_same(packages, corpus, tmp_path, capsys):
    before = (corpus / "manifest.csv").read_bytes()
    times = {path: path.stat().st_mtime_ns for path in (corpus / "audio").rglob("*.*")}
    assert run(arguments(packages, corpus)) == 0
    assert (corpus / "manifest.csv").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in (corpus / "audio").rglob("*.*")} == times
    assert run(arguments(packages, tmp_path / "fresh", "--jobs", 2)) == 0
    assert (tmp_path / "fresh" / "manifest.csv").read_bytes() == before
    printed = capsys.readouterr().out
    assert "lists 8 recordings; 1 more left out as a copy of one of them in another encoding." in printed


def test_some_packages_only(packages, tmp_path):
    assert run(arguments(packages, tmp_path / "two", "--packages", "tiny-sounds", "tiny-copies")) == 0
    # Without the game that has them too, its song and its sound are this package's own.
    assert [stem(row) for row in rows_of(tmp_path / "two")] == ["impact", "rain", "song-again", "noise"]
    assert run(arguments(packages, tmp_path / "two", "--small", "--packages", "tiny-sounds", "tiny-copies")) == 0
    assert [stem(row) for row in rows_of(tmp_path / "two")] == ["impact", "rain", "song-again"]
    assert not list((tmp_path / "two" / "audio").rglob("noise*"))


#: A build that ends itself by SIGKILL when it has the first file, its workers being at the others.
KILLED = """
import logging, os, signal, sys
from models import corpus_build
from pipelines.build_corpus import run

corpus_build._FILES_PER_LINE = 1

def kill(record):
    return "files are done" not in record.msg or os.kill(os.getpid(), signal.SIGKILL)

corpus_build._LOG.addFilter(kill)
corpus_build._LOG.setLevel(logging.INFO)
run(sys.argv[1:])
"""


def test_a_build_that_is_killed_goes_on_and_leaves_no_process(packages, corpus, tmp_path):
    command = [sys.executable, "-c", KILLED, *arguments(packages, tmp_path / "killed")]
    build = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL)
    assert build.wait(timeout=120) == -signal.SIGKILL
    assert any((tmp_path / "killed" / "audio").rglob("*.*"))
    deadline = time.monotonic() + 60
    assert not (tmp_path / "killed" / "manifest.csv").exists()
    while time.monotonic() < deadline:
        try:
            os.killpg(build.pid, 0)
            time.sleep(0.05)
        except ProcessLookupError:
            break
    else:
        os.killpg(build.pid, signal.SIGKILL)
        pytest.fail("a worker process outlived the build")
    assert run(arguments(packages, tmp_path / "killed")) == 0
    assert (tmp_path / "killed" / "manifest.csv").read_bytes() == (corpus / "manifest.csv").read_bytes()


def test_what_is_damaged_on_disk_is_made_again(packages, corpus, tmp_path):
    assert run(arguments(packages, tmp_path / "hurt")) == 0
    for index in (tmp_path / "hurt" / "unpacked").rglob("index.json"):
        index.write_text("{")
    for notes in (tmp_path / "hurt" / "unpacked").rglob("*.npz"):
        notes.write_bytes(b"PK")
    assert run(arguments(packages, tmp_path / "hurt")) == 0
    assert (tmp_path / "hurt" / "manifest.csv").read_bytes() == (corpus / "manifest.csv").read_bytes()


@pytest.fixture
def ten(tmp_path):
    """A recipe of ten wheels, of which the folder has nine."""
    rule = "{files: '.', label: functional, subtype: noise, from: documents}"
    recipe = "version: 1\naudio_suffixes: [wav]\npackages:\n"
    (tmp_path / "packages").mkdir()
    for place in range(10):
        recipe += (
            f"  - {{name: s{place}, source: pypi, version: '1.0', split: train, download_mb: 1, rules: [{rule}]}}\n"
        )
        if place != 4:
            write_wheel(tmp_path / "packages", f"s{place}", "1.0", {"a/b.wav": audio_bytes(noise(0.3, place))})
    (tmp_path / "recipe.yaml").write_text(recipe)
    return tmp_path / "packages"


def test_a_tenth_of_the_packages_may_be_missing(ten, tmp_path, capsys):
    assert run(arguments(ten, tmp_path / "out")) == 0
    assert len(rows_of(tmp_path / "out")) == 9
    assert "1 of 10 packages are missing: s4." in capsys.readouterr().out


def test_more_may_not_and_the_old_manifest_stays(ten, tmp_path, capsys):
    assert run(arguments(ten, tmp_path / "out")) == 0
    before = (tmp_path / "out" / "manifest.csv").read_bytes()
    (ten / "s7-1.0-py3-none-any.whl").unlink()
    (tmp_path / "out" / "unpacked" / "pypi-s7" / "index.json").unlink()
    assert run(arguments(ten, tmp_path / "out")) == 3
    printed = capsys.readouterr().out
    assert "2 of 10 packages are missing: s4, s7.\nNo manifest was written, since over 10% are missing." in printed
    assert (tmp_path / "out" / "manifest.csv").read_bytes() == before


def test_another_version_and_a_damaged_package_are_said(ten, tmp_path, caplog):
    (ten / "s1-1.0-py3-none-any.whl").rename(ten / "s1-1.5-py3-none-any.whl")
    assert run(arguments(ten, tmp_path / "out", "--packages", *(f"s{place}" for place in range(10)))) == 0
    assert "s1 is 1.5; its rules were tested with 1.0" in caplog.text
    assert "s4 is missing: no such file in --package_dir" in caplog.text
    (ten / "s2-1.0-py3-none-any.whl").write_bytes(b"no wheel")
    assert run(arguments(ten, tmp_path / "other")) == 3
    assert "s2 is missing: s2-1.0-py3-none-any.whl is no wheel" in caplog.text
