"""Wrong arguments end with exit status 2 and one sentence, before TensorFlow is even imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from models.errors import UserError
from pipelines.train_classifier import parse
from tests.job_processes import cpu_of_ended_children_s

HEADER = "path,label,subtype,split,package\n"
ROWS = "".join(
    f"a.wav,{label},x,{split},{split}-{label}\n"
    for split in ("train", "dev")
    for label in ("music", "functional", "speech")
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "good.csv").write_text(HEADER + ROWS)
    return tmp_path


def refused(*arguments):
    with pytest.raises(UserError) as caught:
        parse([str(argument) for argument in arguments])
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,label,subtype,split\n", "lacks the column package"),
        ("", "lacks the column path"),
        (HEADER + "a.wav,song,x,train,p\n", "line 2: label 'song'"),
        (HEADER + "a.wav,music,x,test,p\n", "line 2: split 'test'"),
        (HEADER + "a.wav,music,,train,p\n", "line 2: subtype is empty"),
        (HEADER + "a.wav,music\n", "line 2: subtype is empty"),
        (HEADER + "b.wav,music,x,train,p\n", "b.wav is no file"),
        (HEADER + "a.wav,music,x,train,p\na.wav,music,x,dev,p\n", "line 3: package 'p' is in both splits"),
        (HEADER + "a.wav,music,x,train,p\n", "no functional in the train split"),
    ],
)
def test_manifest(folder, content, message):
    (folder / "bad.csv").write_text(content)
    assert message in refused("--manifest", folder / "bad.csv", "--output", folder / "out")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("stepps: 3", "stepps: no such key"),
        ("steps: 0", "steps is 0"),
        ("steps: many", "steps is 'many'"),
        ("pool: {windows: 1}", "pool.windows is 1"),
        ("pool: {shares: {babble: -1}}", "pool.shares.babble is -1"),
        ("learning_rate: .nan", "learning_rate is nan"),
        ("- a", "holds list"),
        ("a: [", "is no YAML"),
    ],
)
def test_config(folder, content, message):
    (folder / "bad.yaml").write_text(content)
    given = ("--manifest", folder / "good.csv", "--output", folder / "out", "--config", folder / "bad.yaml")
    assert message in refused(*given)


def test_flags(folder):
    good = ("--manifest", folder / "good.csv", "--output", folder / "out")
    assert "--manifest" in refused("--output", folder / "out")
    assert "--frobnicate" in refused(*good, "--frobnicate")
    assert "cannot be read" in refused("--manifest", folder / "none.csv", "--output", folder / "out")
    assert "cannot be read" in refused("--manifest", folder, "--output", folder / "out")
    assert "cannot be read" in refused(*good, "--config", folder / "none.yaml")
    assert "0 .npz files" in refused(*good, "--teacher", folder)
    assert "is a file" in refused("--manifest", folder / "good.csv", "--output", folder / "good.csv")
    assert "no model" in refused("--manifest", folder / "good.csv", "--output", folder)


def test_exit_status_and_time(folder):
    begun_s = cpu_of_ended_children_s()
    command = [
        sys.executable,
        "-m",
        "pipelines.train_classifier",
        "--manifest",
        str(folder / "none.csv"),
        "--output",
        "x",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert cpu_of_ended_children_s() - begun_s < 5


def test_a_baseline_needs_a_teacher_and_a_folder_of_its_own(folder):
    arguments = ("--manifest", folder / "good.csv", "--output", folder / "out")
    assert "give --teacher too" in refused(*arguments, "--baseline", folder / "baseline")
    (folder / "teacher").mkdir()
    (folder / "teacher" / "weights.npz").write_bytes(b"")
    same = refused(*arguments, "--teacher", folder / "teacher", "--baseline", folder / "out")
    assert "is the folder of --output" in same
