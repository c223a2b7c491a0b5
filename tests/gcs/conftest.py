"""A store for each file of this folder, whose tests are not among those that pytest runs by itself."""

from collections.abc import Iterator

import pytest

from tests.gcs.emulated_store import EmulatedStore, Job


@pytest.fixture(scope="module")
def store() -> Iterator[EmulatedStore]:
    emulated = EmulatedStore()
    yield emulated
    emulated.close()


@pytest.fixture(scope="module")
def job(store: EmulatedStore, tmp_path_factory: pytest.TempPathFactory) -> Job:
    return Job(store, tmp_path_factory.mktemp("job"))
