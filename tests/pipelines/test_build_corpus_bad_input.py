"""What stops the command before any work: status 2 and one sentence."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.corpus_build import corpus_folder
from models.errors import UserError
from pipelines.build_corpus import parse, run
from tests.job_processes import cpu_of_ended_children_s
from tests.models.tiny_packages import RECIPE, needs_dpkg, needs_ffmpeg

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "packages").mkdir()
    return tmp_path


def good(folder):
    return ("--recipe", folder / "recipe.yaml", "--package_dir", folder / "packages", "--output", folder / "out")


def refused(*arguments, call=parse):
    with pytest.raises(UserError) as caught:
        call([str(argument) for argument in arguments])
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--jobs", 0), "--jobs 0: is not between 1 and 64"),
        (("--jobs", "many"), "--jobs"),
        (("--frobnicate",), "--frobnicate"),
        (("--packages",), "--packages"),
        (("--packages", "tiny-gam"), "did you mean tiny-game?"),
        (("--recipe", "none.yaml"), "--recipe none.yaml: cannot be read"),
        (("--package_dir", "nowhere"), "nowhere: is no folder"),
        (("--small", "--packages", "tiny-sounds"), "--small: leaves none"),
    ],
)
def test_flags(folder, more, message):
    assert message in refused(*good(folder), *more)
    assert not (folder / "out").exists()


def test_output_is_needed(folder):
    assert "--output" in refused("--recipe", folder / "recipe.yaml")


@pytest.mark.parametrize(
    ("present", "message"),
    [
        ((), "dpkg-deb is not installed"),
        (("dpkg-deb",), "apt-get is not installed"),
        (("dpkg-deb", "apt-get"), "ffmpeg is not installed"),
        (("dpkg-deb", "apt-get", "ffmpeg"), "ffprobe is not installed"),
        (("dpkg-deb", "apt-get", "ffmpeg", "ffprobe"), "This ffmpeg lacks libopenmpt"),
    ],
)
def test_programs_that_are_missing(folder, monkeypatch, present, message):
    (folder / "bin").mkdir()
    for program in present:
        (folder / "bin" / program).write_text("#!/bin/sh\nexit 0\n")
        (folder / "bin" / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"))
    assert message in refused("--recipe", folder / "recipe.yaml", "--output", folder / "out")


@needs_dpkg
@needs_ffmpeg
@pytest.mark.parametrize(
    ("at", "message"),
    [("other", "holds files that no build made"), ("file", "cannot be written"), ("file/x", "cannot be")],
)
def test_output_folders_that_are_no_corpus(folder, at, message):
    (folder / "file").write_text("x")
    (folder / "other").mkdir()
    (folder / "other" / "thesis.txt").write_text("x")
    assert message in refused(*good(folder), "--output", folder / at, call=run)
    assert (folder / "other" / "thesis.txt").read_text() == "x"


def test_another_build_at_work(folder):
    with corpus_folder(folder / "out"), (folder / "out" / ".corpus.lock").open("w") as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(UserError, match="another build is at work"), corpus_folder(folder / "out"):
            pass
    with corpus_folder(folder / "out"):
        pass


def test_exit_status_and_time(folder):
    begun_s = cpu_of_ended_children_s()
    command = [sys.executable, "-m", "pipelines.build_corpus", *map(str, good(folder)), "--recipe", "none.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, env=os.environ)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("earmark: --recipe none.yaml: ")
    assert cpu_of_ended_children_s() - begun_s < 20
