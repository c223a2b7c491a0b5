"""The server, one for all tests of this folder, which are not among the tests that pytest runs by itself."""

import itertools
import pathlib
from collections.abc import Callable, Iterator

import pytest

from pipelines.publish_tables import run
from tests.bigquery.emulated_bigquery import EmulatedBigQuery
from tests.bigquery.publishing import flags, make_run


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


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The output folder of a run of 24 tracks, to be read only."""
    folder = tmp_path_factory.mktemp("tables")
    make_run(folder, "first", 24)
    return folder


@pytest.fixture(scope="session")
def dataset(server: EmulatedBigQuery, new_dataset: Callable[[], str], output: pathlib.Path) -> str:
    """A data set with that run published, to be read, and published to again."""
    name = new_dataset()
    assert run(flags(server, output, name)) == 0
    return name
