"""The shipped configs: valid, and complete where they say so."""

import pathlib

import pytest
import yaml

from pipelines.job_config import JobConfig, load_config

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
MARKED = {("gates", "max_dead_letter_share"), ("gates", "max_label_drift")}


def leaves(mapping, path=()):
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


@pytest.mark.parametrize("name", ["sample.yaml", "export.yaml", "production.yaml", "dataflow.yaml"])
def test_shipped_configs_are_valid(name):
    load_config(str(CONFIGS / name))


def test_the_sample_config_lists_every_key_with_its_default():
    told = dict(leaves(yaml.safe_load((CONFIGS / "sample.yaml").read_text())))
    defaults = dict(leaves(JobConfig().model_dump(mode="json")))
    assert told.keys() == defaults.keys()
    assert {key for key in told if told[key] != defaults[key]} == MARKED


def test_what_cannot_change_a_label_is_no_part_of_the_run_id():
    base = JobConfig()
    other = JobConfig.model_validate({"decode": {"processes": 3, "timeout_s": 5}, "gates": {"max_review_share": None}})
    assert base.row_settings() == other.row_settings()
    assert base.row_settings() != JobConfig.model_validate({"audio": {"max_sampled_windows": 9}}).row_settings()


def test_an_empty_file_is_the_defaults(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    assert load_config(str(path)) == JobConfig() == load_config(None)
