"""The metadata of the Flex Template are those of the job's real flags."""

import json
import pathlib
import re

import pytest

from models.policy_files import shipped_policies
from pipelines.categorize_options import make_parser
from pipelines.command_line import EXIT_BAD_ARGUMENTS, EXIT_FAILED, EXIT_PUBLISHED, EXIT_REFUSED
from pipelines.flex_template_metadata import metadata

COMMITTED = pathlib.Path(__file__).parents[2] / "docker" / "flex_template.json"
PARAMETERS = {parameter["name"]: parameter for parameter in metadata()["parameters"]}
ACTIONS = {action.dest: action for action in make_parser()._actions}


def test_the_committed_file_is_what_the_command_prints():
    assert json.loads(COMMITTED.read_text()) == metadata(), "run: make docs"


def test_every_parameter_is_a_flag_and_required_ones_are_required():
    for name, parameter in PARAMETERS.items():
        assert f"--{name}" in ACTIONS[name].option_strings
        assert parameter["isOptional"] is not ACTIONS[name].required
        assert parameter["helpText"] == ACTIONS[name].help
    assert {name for name, parameter in PARAMETERS.items() if not parameter["isOptional"]} == {"catalog", "output"}


def test_every_flag_that_takes_a_value_is_a_parameter_but_those_of_local_runs():
    valued = {name for name, action in ACTIONS.items() if action.nargs != 0}
    assert valued - PARAMETERS.keys() == {"processes", "staged"}


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        (
            "catalog",
            ["gs://b/*.jsonl", "bigquery://p.d.t", "bigquery:SELECT 1"],
            ["/data/catalog.jsonl", "catalog.csv"],
        ),
        ("audio_root", ["gs://b/audio"], ["audio"]),
        ("output", ["gs://b/out"], ["/data/out", "gs://"]),
        ("config", ["gs://b/c.yaml"], ["configs/sample.yaml"]),
        ("run_date", ["2026-01-31"], ["31.01.2026", "2026-01-31T00:00"]),
    ],
)
def test_values_are_checked_before_a_launcher_starts(name, right, wrong):
    (pattern,) = PARAMETERS[name]["regexes"]
    assert all(re.search(pattern, value) for value in right)
    assert not any(re.search(pattern, value) for value in wrong)


def test_every_policy_that_ships_is_named():
    for policy_id in shipped_policies():
        assert policy_id in PARAMETERS["policy"]["helpText"]
    assert len(shipped_policies()) >= 3


def test_every_exit_status_is_told():
    told = make_parser().format_help()
    for number in (EXIT_PUBLISHED, EXIT_FAILED, EXIT_BAD_ARGUMENTS, EXIT_REFUSED):
        assert re.search(rf"(status:|;) {number} \w", told), number


def test_choices_are_listed():
    assert [option["value"] for option in PARAMETERS["coverage"]["enumOptions"]] == ["sampled", "full"]
