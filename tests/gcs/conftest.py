"""The store, one for all tests of this folder, which are not among the tests that pytest runs by itself."""

from collections.abc import Iterator

import pytest

from tests.gcs.emulated_store import EmulatedStore, Job


@pytest.fixture(scope="session")
def store() -> Iterator[EmulatedStore]:
    emulated = EmulatedStore()
    yield emulated
    emulated.close()


@pytest.fixture(scope="session")
def job(store: EmulatedStore, tmp_path_factory: pytest.TempPathFactory) -> Job:
    return Job(store, tmp_path_factory.mktemp("job"))
