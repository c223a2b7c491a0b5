"""A small published run, for jobs that read one."""

import pathlib
import shutil

import pytest

from tests.transforms.generated_tables import generate_run
from tests.transforms.published_tables import publish


@pytest.fixture(scope="session")
def generated_output(tmp_path_factory) -> pathlib.Path:
    """The output folder of one generated run, ``run-1`` of 2026-01-31; to be copied before anything is changed."""
    output = tmp_path_factory.mktemp("generated") / "out"
    publish(output, generate_run("run-1"))
    return output


@pytest.fixture
def tables(generated_output, tmp_path) -> pathlib.Path:
    """A copy of it for one test."""
    return pathlib.Path(shutil.copytree(generated_output, tmp_path / "out"))
