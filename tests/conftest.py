"""What test files in several folders share."""

import pathlib

import pytest

from tests.sample_run import labelled_once


@pytest.fixture(scope="session")
def sample_output(tmp_path_factory) -> pathlib.Path:
    """The published tables of the sample shard; to be read, and copied before anything is changed."""
    return labelled_once(tmp_path_factory.getbasetemp())
