"""What --previous and --force mean for a command line: which run is carried from, and the sentence that says so."""

import json

import pytest

from models.errors import UserError
from pipelines.categorize_options import CategorizeOptions, parse
from tests.transforms.test_previous_run import publish

DATE = "2026-01-31"


@pytest.fixture
def options(tmp_path):
    (tmp_path / "catalog.jsonl").write_text(json.dumps({"track_id": "t", "audio_uri": "a.wav"}) + "\n")

    def parsed(*flags) -> CategorizeOptions:
        argv = ["--catalog", tmp_path / "catalog.jsonl", "--output", tmp_path / "out", "--run_date", DATE, *flags]
        return parse([str(part) for part in argv])

    return parsed


@pytest.fixture
def previous(options, tmp_path):
    """A run of the day before whose labels depend on what new ones would."""
    publish(tmp_path / "out", "2026-01-30", "run-1", options().labelling, audio_root=str(tmp_path.resolve()))
    return tmp_path / "out"


def test_without_the_flag_nothing_is_carried_and_nothing_said(options, previous):
    for flags in ([], ["--force"]):
        found = options(*flags)
        assert (found.previous, found.carrying) == (None, "")


def test_the_first_run_of_a_schedule_needs_no_other_command(options, tmp_path):
    found = options("--previous", tmp_path / "out")
    assert found.previous is None
    assert found.carrying == (
        f"--previous {tmp_path / 'out'} holds no published run for a date before {DATE}: every row is labelled anew."
    )
    assert found.run_id == options().run_id


def test_a_folder_that_is_not_there_is_refused_unless_it_is_the_output(options, tmp_path):
    with pytest.raises(UserError, match="is not there"):
        options("--previous", tmp_path / "typo")


def test_an_empty_staging_folder_is_refused_by_its_flag(options):
    with pytest.raises(UserError, match=r"^--staged '': is empty; give the staging folder"):
        options("--staged", "")


def test_the_run_before_is_named(options, previous):
    found = options("--previous", previous)
    assert found.previous.run_id == "run-1"
    assert found.carrying == "Labels of tracks with unchanged audio are carried forward from run run-1 of 2026-01-30."


def test_a_run_over_a_part_of_the_catalog_is_passed_over_and_named(options, tmp_path):
    written = {"audio_root": str(tmp_path.resolve())}
    publish(tmp_path / "out", "2026-01-28", "run-1", options().labelling, tracks=12, **written)
    publish(tmp_path / "out", "2026-01-30", "run-2", options().labelling, tracks=3, **written)
    found = options("--previous", tmp_path / "out")
    assert found.previous.run_id == "run-1"
    assert found.carrying == (
        "Labels of tracks with unchanged audio are carried forward from run run-1 of 2026-01-28. It has 12 labels; "
        "newer runs with far fewer are passed over: 2026-01-30 has 3."
    )
    config = tmp_path / "config.yaml"
    config.write_text("incremental: {least_share_of_largest: 0.25}\n")
    assert options("--previous", tmp_path / "out", "--config", config).previous.run_id == "run-2"
    # Another model labelled the large one: the small one is better than none.
    publish(tmp_path / "out", "2026-01-28", "run-3", options().labelling | {"model_version": "older"}, **written)
    found = options("--previous", tmp_path / "out")
    assert (found.previous.run_id, dict(found.previous.passed_over)) == ("run-2", {})


def test_under_another_audio_root_only_bytes_tell(options, previous, tmp_path):
    found = options("--previous", previous)
    assert (found.unchanged_by, found.config.incremental.unchanged_by) == ("storage", "storage")
    (tmp_path / "elsewhere").mkdir()
    moved = options("--previous", previous, "--audio_root", tmp_path / "elsewhere")
    assert moved.unchanged_by == "sha256"
    assert moved.carrying == (
        "Labels of tracks with unchanged audio are carried forward from run run-1 of 2026-01-30. Its --audio_root was "
        f"{tmp_path.resolve()}, this one is {tmp_path.resolve() / 'elsewhere'}: every file is read, and only its "
        "sha256 tells that it is unchanged."
    )
    assert moved.run_id == found.run_id, "a folder may move"


def test_a_run_that_did_not_note_its_audio_root_is_treated_alike(options, previous, tmp_path):
    publish(previous, "2026-01-30", "run-2", options().labelling)
    found = options("--previous", previous)
    assert found.unchanged_by == "sha256"
    assert "Its --audio_root is not known, this one is " in found.carrying


def test_the_run_id_tells_what_was_carried_from_and_how(options, previous, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("incremental: {unchanged_by: sha256}\n")
    ids = [
        options().run_id,
        options("--previous", previous).run_id,
        options("--previous", previous, "--config", config).run_id,
    ]
    assert len(set(ids)) == 3
    assert options("--config", config).run_id == ids[0]
    assert options("--previous", previous).run_id == ids[1]


def test_other_settings_label_everything_and_are_named(options, previous, tmp_path):
    found = options("--previous", previous, "--coverage", "full")
    assert found.previous is None
    assert "Nothing is carried forward from run run-1 of 2026-01-30, every row is labelled anew: " in found.carrying
    assert "settings.coverage was 'sampled' and is 'full'" in found.carrying
    assert found.run_id == options("--coverage", "full").run_id


def test_settings_that_change_no_label_carry(options, previous, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("decode: {timeout_s: 30}\ntables: {rows_per_file: 7}\ngates: {max_review_share: null}\n")
    assert options("--previous", previous, "--config", config, "--policy", "spotify").previous is not None


def test_another_form_of_the_model_labels_everything(options, previous, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("model: {runtime: saved_model}\n")
    assert "model_version was" in options("--previous", previous, "--config", config).carrying


def test_the_mend_for_a_damaged_run_is_said(options, previous):
    (previous / "runs" / "run-1" / "manifest.json").write_text("{")
    with pytest.raises(
        UserError, match=r"--previous .*: the run of 2026-01-30 has no manifest that can be read .*--force"
    ):
        options("--previous", previous)
