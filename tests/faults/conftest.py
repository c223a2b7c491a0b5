"""What an undisturbed run publishes, once for all tests of this folder, and a job for each test."""

import pathlib

import pytest

from tests.faults.disturbed_job import Job


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    job = Job(tmp_path_factory.mktemp("undisturbed") / "job")
    job.run()
    assert job.causes() == {"none": "missing_audio"}
    return job.published()


@pytest.fixture(scope="session")
def old_partition(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The output folder of an undisturbed run over fewer tracks; to be copied."""
    job = Job(tmp_path_factory.mktemp("old") / "job")
    job.write_catalog(["words", "room"])
    job.run()
    return job.output


@pytest.fixture
def job(tmp_path: pathlib.Path) -> Job:
    return Job(tmp_path / "job")
