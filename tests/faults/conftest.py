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


@pytest.fixture
def job(tmp_path: pathlib.Path) -> Job:
    return Job(tmp_path / "job")
