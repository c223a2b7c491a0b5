"""The package that workers install: everything that labelling reads is in it, and it works away from the checkout."""

import json
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import pytest

from tests.dataflow.worker import WorkerPython
from tests.gcs.emulated_store import ROOT

#: Labels one window of white noise, and tells what was read from where.
PROBE = """
import json, numpy as np
import models, pipelines, sql, transforms
from models.policy_files import shipped_policies
from models.saved_model import shipped_model_folder
from models.taxonomy import CATEGORIES
from models.window_records import DecodedWindow
from transforms.model_inference import EarmarkModelHandler
noise = np.random.default_rng(1).normal(0, 0.1, 80_000).astype(np.float32)
handler = EarmarkModelHandler(shipped_model_folder(), runtime="litert")
(prediction,) = handler.run_inference([DecodedWindow(0.0, noise, len(noise), -10.0)], handler.load_model())
print(json.dumps({
    "folders": [module.__path__[0] for module in (models, pipelines, sql, transforms)],
    "weights": shipped_model_folder(), "policies": sorted(shipped_policies()),
    "category": CATEGORIES[int(np.argmax(prediction.category))],
}))
"""
#: Folders whose files, other than Python's, code reads at run time.
READ = ("models/weights", "transforms/templates", "sql", "configs/policies")


def files_to_ship() -> set[str]:
    listed = subprocess.run(["git", "ls-files", *READ], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(listed.stdout.split())


def test_it_labels_a_window_in_an_environment_of_its_own(worker: WorkerPython, staged_package: pathlib.Path) -> None:
    worker.install(staged_package)
    ended = worker.run("-c", PROBE)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    assert all(folder.startswith(f"{worker.packages}/") for folder in [*found["folders"], found["weights"]])
    assert found["category"] == "functional"
    assert {"deezer", "spotify"} <= set(found["policies"])


def test_its_commands_are_there(worker: WorkerPython, staged_package: pathlib.Path) -> None:
    worker.install(staged_package)
    ended = subprocess.run(
        [worker.folder / "bin" / "earmark-categorize-tracks", "--help"], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert "--catalog" in ended.stdout


def test_weights_policies_queries_and_templates_are_inside(staged_package: pathlib.Path) -> None:
    with tarfile.open(staged_package) as package:
        names = {name.partition("/")[2] for name in package.getnames()}
    assert len(files_to_ship()) > 20
    assert files_to_ship() <= names
    assert not any(name.startswith(("tests/", "sample/", "benchmarks/")) for name in names)


def test_they_are_inside_a_wheel_that_is_built_from_it(staged_package: pathlib.Path, tmp_path: pathlib.Path) -> None:
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(tmp_path), str(staged_package)]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("earmark-*.whl")
    assert files_to_ship() <= set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.parametrize("extra", ["", "[gcp]"])
def test_what_it_needs_is_what_was_tested(staged_package: pathlib.Path, extra: str) -> None:
    """The images' pip line, offline: every requirement is met by what is installed here, within constraints.txt."""
    options = [
        "--dry-run",
        "--no-index",
        "--no-build-isolation",
        "--disable-pip-version-check",
        "-c",
        "constraints.txt",
    ]
    command = [sys.executable, "-m", "pip", "install", *options, f"earmark{extra} @ {staged_package.as_uri()}"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "Would install earmark-" in ended.stdout
