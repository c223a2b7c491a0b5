"""The server, one for all tests of this folder, which are not among the tests that pytest runs by itself."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.bigquery.emulated_bigquery import EmulatedBigQuery


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedBigQuery]:
    emulated = EmulatedBigQuery(tmp_path_factory.mktemp("bigquery"))
    yield emulated
    emulated.close()


@pytest.fixture(scope="session")
def new_dataset(server: EmulatedBigQuery) -> Callable[[], str]:
    """Makes a data set that nobody else has."""
    numbers = itertools.count()

    def make() -> str:
        name = f"earmark_{next(numbers)}"
        server.client.create_dataset(name)
        return name

    return make
