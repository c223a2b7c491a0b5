from __future__ import annotations

import copy
import pickle

import pytest
from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)

from pipelines.beam_options import RememberedViews

FLAGS = ["--runner=DirectRunner", "--direct_num_workers=2", "--experiments=a", "--temp_location=/tmp/x", "--unknown=1"]


def test_views_are_made_once_and_share_their_values() -> None:
    options = RememberedViews(FLAGS)
    assert options.view_as(StandardOptions) is options.view_as(StandardOptions)
    assert options.view_as(DirectOptions).direct_num_workers == 2
    options.view_as(DebugOptions).add_experiment("b")
    options.view_as(StandardOptions).streaming = True
    # Also through a view of a view, which Beam makes itself.
    other = options.view_as(GoogleCloudOptions)
    assert other.view_as(DebugOptions).experiments == ["a", "b"]
    assert other.view_as(StandardOptions).streaming is True


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda options: pickle.loads(pickle.dumps(options))])
def test_a_copy_has_values_of_its_own(copied: object) -> None:
    assert callable(copied)
    options = RememberedViews(FLAGS)
    options.view_as(StandardOptions).streaming = True
    other = copied(options)
    assert other.view_as(StandardOptions).streaming is True
    other.view_as(StandardOptions).streaming = False
    assert options.view_as(StandardOptions).streaming is True
    assert other.view_as(StandardOptions).streaming is False


def test_all_options_are_those_of_plain_ones() -> None:
    plain, remembered = PipelineOptions(FLAGS), RememberedViews(FLAGS)
    for options in (plain, remembered):
        options.view_as(DebugOptions).add_experiment("b")
    assert remembered.get_all_options() == plain.get_all_options()
    assert remembered.to_runner_api() == plain.to_runner_api()
