"""What test files in several folders share."""

import pathlib

import pytest

from tests.sample_run import labelled_once

try:
    from hypothesis import HealthCheck, settings
except ModuleNotFoundError:  # in Airflow's environment, whose tests need none
    pass
else:
    # The same examples each time, and no bound on their time, which a busy machine would break.
    settings.register_profile(
        "earmark",
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    settings.load_profile("earmark")


@pytest.fixture(scope="session")
def sample_output(tmp_path_factory) -> pathlib.Path:
    """The published tables of the sample shard; to be read, and copied before anything is changed."""
    return labelled_once(tmp_path_factory.getbasetemp())
