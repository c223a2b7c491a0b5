"""What is wrong with a make command: one sentence before anything is installed or built."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def refusal(*arguments) -> str:
    # With -n, so that a Makefile without the check installs nothing.
    # In `make test` this make would go on as a part of the one above it.
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    ended = subprocess.run(["make", "-n", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


@pytest.mark.parametrize("target", ["train", "evaluation-set", "model", "figures"])
def test_a_manifest_is_missing(target, tmp_path):
    line = refusal(target, f"OUT={tmp_path}", f"VENV={tmp_path}/venv")
    assert f"MANIFEST is missing; give the CSV of a labelled corpus, as in: make {target} MANIFEST=FILE" in line
    assert "docs/operations.md#training-data" in line
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_is_not_there(tmp_path):
    line = refusal("model", f"OUT={tmp_path}", f"VENV={tmp_path}/venv", f"MANIFEST={tmp_path}/none.csv")
    assert f"MANIFEST={tmp_path}/none.csv is not there" in line
    assert list(tmp_path.iterdir()) == []
