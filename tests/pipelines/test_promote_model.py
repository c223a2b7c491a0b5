"""The promotion of a model folder: what passes, what is refused, and what the main job then says."""

import json
import pathlib
import shutil

import pytest
import yaml

from models.errors import UserError
from models.litert_form import LITERT_FILE
from models.model_folder_hashes import file_sha256, folder_hashes
from models.promotion import check_promoted
from models.promotion_rules import PromotionSettings
from models.saved_model import check_model_folder, shipped_model_folder
from pipelines.categorize_options import parse
from pipelines.promote_model import run
from tests.evaluations import LONG, MIXES, evaluation

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
VERSION = check_model_folder(shipped_model_folder()).model_version
OTHER = "earmark-0.9.0+00000000"


@pytest.fixture
def model(tmp_path):
    """A copy of the shipped model that nobody promoted."""
    folder = tmp_path / "model"
    shutil.copytree(shipped_model_folder(), folder, ignore=shutil.ignore_patterns("promotion.json", "evaluations"))
    return folder


def promote(model, *flags):
    return run(["--model", str(model), *map(str, flags)])


def test_the_committed_rules_are_the_defaults():
    rules = PromotionSettings.model_validate(yaml.safe_load((CONFIGS / "promotion.yaml").read_text()))
    assert rules == PromotionSettings()
    assert list(rules.figures) == list(PromotionSettings().figures)
    assert list(rules.figures)[:2] == ["music_called_functional_auto", "music_called_functional"]


def test_the_shipped_model_is_promoted():
    promotion = check_promoted(shipped_model_folder())
    assert promotion.record["model_version"] == VERSION
    assert promotion.evaluations


def test_a_first_promotion_checks_the_floors_and_holds_every_file_fast(model, tmp_path):
    file = evaluation(tmp_path / "evaluation.json", VERSION)
    assert promote(model, "--evaluation", file, "--against", "none", "--date", "2026-11-25") == 0
    record = json.loads((model / "promotion.json").read_text())
    assert record["files"] == folder_hashes(model)
    assert {"saved_model.pb", "earmark_model.json", "variables/variables.index"} < set(record["files"])
    (kept,) = record["evaluations"]
    assert kept["file"] == "evaluations/dev-sampled-aaaaaaaa.json"
    assert kept["sha256"] == file_sha256(file) == record["files"][kept["file"]]
    assert record["reference"] is None
    assert record["date"] == "2026-11-25"
    assert record["rules"] == PromotionSettings().model_dump(mode="json")
    assert {comparison["verdict"] for comparison in record["comparisons"]} == {"held"}
    assert check_promoted(model).record == record


def test_promoting_again_gives_the_same_bytes_and_drops_older_evaluations(model, tmp_path):
    first = evaluation(tmp_path / "first.json", VERSION, manifest="b" * 64)
    second = evaluation(tmp_path / "second.json", VERSION)
    assert promote(model, "--evaluation", second, "--against", "none") == 0
    wanted = (model / "promotion.json").read_bytes()
    assert promote(model, "--evaluation", first, "--against", "none") == 0
    # An evaluation that lies in the folder already may be given again.
    kept = model / "evaluations" / "dev-sampled-bbbbbbbb.json"
    assert promote(model, "--evaluation", kept, "--against", "none") == 0
    assert promote(model, "--evaluation", second, "--against", "none") == 0
    assert (model / "promotion.json").read_bytes() == wanted
    assert [path.name for path in (model / "evaluations").iterdir()] == ["dev-sampled-aaaaaaaa.json"]


def test_the_folder_keeps_no_path_of_anybody_s_audio(model, tmp_path):
    listed = {"worst": [{"path": "/home/me/song.mp3"}], "dead_letters": [{"path": "/home/me/b.mp3"}], "mean_windows": 4}
    file = evaluation(tmp_path / "evaluation.json", VERSION, **listed)
    assert promote(model, "--evaluation", file, "--against", "none") == 0
    kept = json.loads((model / "evaluations" / "dev-sampled-aaaaaaaa.json").read_text())
    given = json.loads(file.read_text())
    assert kept == {name: value for name, value in given.items() if name not in ("worst", "dead_letters")}
    assert json.loads((model / "promotion.json").read_text())["evaluations"][0]["sha256"] == file_sha256(file)
    assert check_promoted(model)


@pytest.mark.parametrize(
    ("slice_name", "figure", "value", "before"),
    [
        ("all", "music_called_functional_auto", 1, 0),
        (MIXES, "music_called_functional", 5, 3),
        ("all", "balanced_accuracy", 0.964, 0.97),
        (MIXES, "balanced_accuracy", 0.949, 0.97),
        (LONG, "functional_recall_at_1pct_music", 0.93, 0.95),
        (LONG, "expected_calibration_error", 0.031, 0.02),
        ("all", "review_share", 0.13, 0.1),
        ("all", "balanced_accuracy", None, 0.97),
    ],
)
def test_a_worse_model_is_refused_with_slice_figure_and_both_values(
    slice_name, figure, value, before, model, tmp_path, capsys
):
    mine = evaluation(tmp_path / "mine.json", VERSION, slices={slice_name: {figure: value}})
    theirs = evaluation(tmp_path / "theirs.json", OTHER)
    assert promote(model, "--evaluation", mine, "--against", theirs) == 3
    first = capsys.readouterr().err.splitlines()[1]
    assert first.strip().startswith(f"{slice_name}: {figure} is {'not defined' if value is None else f'{value:g}'}")
    assert f"the reference has {before:g}" in first
    assert not (model / "promotion.json").exists()
    assert not (model / "evaluations").exists()
    # Whoever names the slice takes it on; the record says so.
    assert promote(model, "--evaluation", mine, "--against", theirs, "--allow", slice_name) == 0
    record = json.loads((model / "promotion.json").read_text())
    assert record["allowed_slices"] == [slice_name]
    assert [(c["slice"], c["figure"]) for c in record["comparisons"] if c["verdict"] == "allowed"] == [
        (slice_name, figure)
    ]


@pytest.mark.parametrize(
    ("slice_name", "figure", "value"),
    [
        ("all", "music_called_functional", 4),
        ("all", "balanced_accuracy", 0.9651),
        (MIXES, "balanced_accuracy", 0.951),
        ("all", "review_share", 0.119),
        ("genre:tango", "balanced_accuracy", 0.1),
    ],
)
def test_what_is_within_the_tolerance_or_not_guarded_passes(slice_name, figure, value, model, tmp_path):
    mine = evaluation(tmp_path / "mine.json", VERSION, slices={slice_name: {figure: value}})
    theirs = evaluation(tmp_path / "theirs.json", OTHER, slices={slice_name: {}})
    assert promote(model, "--evaluation", mine, "--against", theirs) == 0


def test_music_called_functional_is_told_first(model, tmp_path, capsys):
    changes = {"review_share": 0.2, "balanced_accuracy": 0.9, "music_called_functional_auto": 2}
    mine = evaluation(tmp_path / "mine.json", VERSION, slices={"all": changes})
    assert promote(model, "--evaluation", mine, "--against", evaluation(tmp_path / "theirs.json", OTHER)) == 3
    told = [line.split(" is ")[0].split(": ")[-1] for line in capsys.readouterr().err.splitlines()[1:]]
    assert told == ["music_called_functional_auto", "balanced_accuracy", "review_share"]


def test_a_slice_with_few_tracks_decides_nothing(model, tmp_path):
    for tracks, status in ((29, 0), (30, 3)):
        slices = {"codec:mp3": {"tracks": tracks, "balanced_accuracy": 0.5}}
        mine = evaluation(tmp_path / "mine.json", VERSION, slices=slices)
        theirs = evaluation(tmp_path / "theirs.json", OTHER, slices={"codec:mp3": {"tracks": tracks}})
        assert promote(model, "--evaluation", mine, "--against", theirs) == status


def test_the_floors_hold_without_a_reference(model, tmp_path, capsys):
    mine = evaluation(tmp_path / "mine.json", VERSION, slices={LONG: {"music_called_functional_auto_rate": 0.0071}})
    assert promote(model, "--evaluation", mine, "--against", "none") == 3
    message = capsys.readouterr().err
    assert f"{LONG}: music_called_functional_auto_rate is 0.0071, the ceiling is 0.005" in message


def test_a_set_made_hard_must_only_reach_the_floors_meant_for_it(model, tmp_path, capsys):
    weak = {"balanced_accuracy": 0.8, "music_called_functional_rate": 0.1}
    slices = {"all": weak, LONG: weak, MIXES: {**weak, "tracks": 280}}
    dev = evaluation(tmp_path / "dev.json", VERSION)
    hard = evaluation(tmp_path / "hard.json", VERSION, manifest="b" * 64, split=None, slices=slices)
    assert promote(model, "--evaluation", dev, "--evaluation", hard, "--against", "none") == 0
    slices["all"] = {**weak, "music_called_functional_auto_rate": 0.01}
    worse = evaluation(tmp_path / "worse.json", VERSION, manifest="b" * 64, split=None, slices=slices)
    assert promote(model, "--evaluation", dev, "--evaluation", worse, "--against", "none") == 3
    message = capsys.readouterr().err
    assert "all: music_called_functional_auto_rate is 0.01" in message
    assert "balanced_accuracy" not in message


def test_a_set_made_hard_does_not_do_alone(model, tmp_path):
    hard = evaluation(tmp_path / "hard.json", VERSION, slices={MIXES: {"tracks": 280}})
    with pytest.raises(UserError, match=r"give an evaluation of ordinary audio too"):
        promote(model, "--evaluation", hard, "--against", "none")


def test_a_litert_file_that_is_not_the_models_is_not_promoted(model, tmp_path):
    path = model / LITERT_FILE
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"network_int8\.tflite has the sha256"):
        promote(model, "--evaluation", evaluation(tmp_path / "e.json", VERSION), "--against", "none")


def test_every_evaluation_of_a_reference_folder_is_compared(model, tmp_path, capsys):
    reference = tmp_path / "reference"
    shutil.copytree(model, reference)
    metadata = json.loads((reference / "earmark_model.json").read_text())
    (reference / "earmark_model.json").write_text(json.dumps({**metadata, "model_version": OTHER}))
    hard = {"manifest": "c" * 64, "split": None}
    given = [evaluation(tmp_path / "dev.json", OTHER), evaluation(tmp_path / "hard.json", OTHER, **hard)]
    assert promote(reference, "--evaluation", given[0], "--evaluation", given[1], "--against", "none") == 0

    dev = evaluation(tmp_path / "mine-dev.json", VERSION)
    worse = evaluation(tmp_path / "worse.json", VERSION, slices={MIXES: {"balanced_accuracy": 0.9}}, **hard)
    assert promote(model, "--evaluation", dev, "--evaluation", worse, "--against", reference) == 3
    assert f"{MIXES}: balanced_accuracy is 0.9" in capsys.readouterr().err
    equal = evaluation(tmp_path / "equal.json", VERSION, **hard)
    assert promote(model, "--evaluation", equal, "--evaluation", dev, "--against", reference) == 0
    record = json.loads((model / "promotion.json").read_text())
    assert record["reference"]["model_version"] == OTHER
    assert len(record["reference"]["evaluations"]) == len(record["evaluations"]) == 2


def test_each_form_of_a_model_has_its_evaluation(model, tmp_path, capsys):
    whole = evaluation(tmp_path / "whole.json", VERSION)
    worse = evaluation(tmp_path / "worse.json", VERSION + ".int8", slices={"all": {"balanced_accuracy": 0.9}})
    theirs = evaluation(tmp_path / "theirs.json", OTHER + ".int8")
    assert promote(model, "--evaluation", whole, "--evaluation", worse, "--against", theirs) == 3
    assert "balanced_accuracy is 0.9" in capsys.readouterr().err
    equal = evaluation(tmp_path / "equal.json", VERSION + ".int8")
    assert promote(model, "--evaluation", whole, "--evaluation", equal, "--against", theirs) == 0
    kept = sorted(path.name for path in (model / "evaluations").iterdir())
    assert kept == ["dev-sampled-aaaaaaaa-int8.json", "dev-sampled-aaaaaaaa.json"]
    assert json.loads((model / "promotion.json").read_text())["reference"]["model_version"] == OTHER


@pytest.fixture
def options(model, tmp_path):
    """Parses the main job's command line with the model and lines of its ``model:`` section."""
    (tmp_path / "catalog.jsonl").write_text('{"track_id": "t1", "audio_uri": "a.wav"}\n')
    config = tmp_path / "config.yaml"

    def parsed(**settings):
        config.write_text(yaml.safe_dump({"model": {"folder": str(model), "runtime": "saved_model", **settings}}))
        flags = ["--catalog", tmp_path / "catalog.jsonl", "--output", tmp_path / "out", "--config", config]
        return parse([str(flag) for flag in flags])

    return parsed


def test_the_main_job_asks_for_a_promotion_unless_told_not_to(options, model, tmp_path):
    with pytest.raises(UserError, match=r"was not promoted.*promote_model.*allow_unpromoted"):
        options()
    assert options(allow_unpromoted=True).model.model_version == VERSION
    assert promote(model, "--evaluation", evaluation(tmp_path / "e.json", VERSION), "--against", "none") == 0
    assert options().model.model_version == VERSION


@pytest.mark.parametrize("change", ["earmark_model.json", "saved_model.pb", "variables/variables.index"])
def test_the_main_job_refuses_a_model_that_changed_since(change, options, model, tmp_path):
    assert promote(model, "--evaluation", evaluation(tmp_path / "e.json", VERSION), "--against", "none") == 0
    path = model / change
    if change.endswith("json"):  # somebody sharpens the calibration
        metadata = json.loads(path.read_text())
        metadata["calibration"]["scale"] = 9.0
        path.write_text(json.dumps(metadata))
    else:
        path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(UserError, match=f"{change} is changed since the promotion"):
        options()
    assert options(allow_unpromoted=True).model.model_version == VERSION


def test_files_that_come_or_go_are_seen_and_a_mended_card_is_not(options, model, tmp_path):
    assert promote(model, "--evaluation", evaluation(tmp_path / "e.json", VERSION), "--against", "none") == 0
    (model / "model_card.md").write_text("Mended.")
    (model / ".DS_Store").write_bytes(b"desktop")
    assert options().model.model_version == VERSION
    (model / "model.tflite").write_bytes(b"weights")
    with pytest.raises(UserError, match=r"model\.tflite is new since the promotion"):
        options()
    (model / "model.tflite").unlink()
    (model / "evaluations" / "dev-sampled-aaaaaaaa.json").unlink()
    with pytest.raises(UserError, match=r"dev-sampled-aaaaaaaa\.json is missing since the promotion"):
        options()
