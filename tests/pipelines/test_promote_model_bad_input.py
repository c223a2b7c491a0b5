"""Wrong arguments of the promotion: exit status 2, one sentence, and the model folder as it was."""

import json
import pathlib
import shutil

import pytest

from models.model_folder_hashes import folder_hashes
from models.saved_model import check_model_folder, shipped_model_folder
from pipelines.command_line import exit_status
from pipelines.promote_model import run
from tests.evaluations import evaluation

VERSION = check_model_folder(shipped_model_folder()).model_version
OTHER = "earmark-0.9.0+00000000"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A model and evaluations good and bad, by name."""
    folder = tmp_path_factory.mktemp("promotion")
    shutil.copytree(
        shipped_model_folder(), folder / "model", ignore=shutil.ignore_patterns("promotion.json", "evaluations")
    )
    (folder / "no-weights").mkdir()
    shutil.copy(folder / "model" / "earmark_model.json", folder / "no-weights")
    shutil.copytree(folder / "model", folder / "forged")
    (folder / "forged" / "promotion.json").write_text("{}")
    good = json.loads(evaluation(folder / "good.json", VERSION).read_text())
    evaluation(folder / "other.json", OTHER)
    evaluation(folder / "third.json", "earmark-0.8.0+11111111", manifest="b" * 64)
    evaluation(folder / "other-split.json", OTHER, split="test")
    evaluation(folder / "other-coverage.json", OTHER, coverage="full")
    evaluation(folder / "other-manifest.json", OTHER, manifest="b" * 64)
    evaluation(folder / "fewer.json", OTHER, tracks=279)
    evaluation(folder / "more-slices.json", OTHER, slices={"codec:mp3": {}})
    no_music = {"music_called_functional_auto": None, "music_called_functional": None}
    silent = dict.fromkeys(("all", "duration:5 s and longer", "slice:mixes"), no_music)
    evaluation(folder / "other-no-music.json", OTHER, slices=silent)
    bad = {
        "list": [],
        "no-model": {**good, "model": {}},
        "other-calibration": {**good, "model": {**good["model"], "calibration": {"scale": 1.0, "bias": [0, 0, 0]}}},
        "no-manifest": {**good, "manifest_sha256": None},
        "no-figures": {**good, "figures": {}},
        "no-tracks": {**good, "figures": {"all": {}}},
        "text-figure": {**good, "figures": {"all": {"tracks": 3, "review_share": {"value": "half"}}}},
        "only-all": {**good, "figures": {"all": good["figures"]["all"]}},
    }
    for name, record in bad.items():
        (folder / f"{name}.json").write_text(json.dumps(record))
    (folder / "cut.json").write_text('{"model": ')
    (folder / "rules.yaml").write_text("figures: {balanced_acuracy: {absolute: 1}}\n")
    (folder / "rule-key.yaml").write_text("slices: [{match: all, tolerance: {}}]\n")
    (folder / "two-bounds.yaml").write_text(
        "floors: [{slice: all, figure: review_share, at_least: 0.1, at_most: 0.2}]\n"
    )
    return folder


GOOD = ["--model", "{p}/model", "--evaluation", "{p}/good.json"]
CASES = [
    (["--evaluation", "{p}/good.json"], ["--model"]),
    (["--model", "{p}/model"], ["--evaluation"]),
    (["--model", "{p}/none", "--evaluation", "{p}/good.json"], ["none", "earmark_model.json"]),
    (["--model", "{p}/no-weights", "--evaluation", "{p}/good.json"], ["no-weights", "saved_model.pb"]),
    (["--model", "{p}/model", "--evaluation", "{p}/missing.json"], ["missing.json", "cannot be read"]),
    (["--model", "{p}/model", "--evaluation", "{p}/cut.json"], ["cut.json", "no JSON"]),
    (["--model", "{p}/model", "--evaluation", "{p}/list.json"], ["list.json", "lacks model"]),
    (["--model", "{p}/model", "--evaluation", "{p}/no-model.json"], ["no-model.json", "model_version"]),
    (["--model", "{p}/model", "--evaluation", "{p}/no-manifest.json"], ["manifest_sha256", "None"]),
    (["--model", "{p}/model", "--evaluation", "{p}/no-figures.json"], ["figures has no slice"]),
    (["--model", "{p}/model", "--evaluation", "{p}/no-tracks.json"], ["figures.all.tracks"]),
    (["--model", "{p}/model", "--evaluation", "{p}/text-figure.json"], ["figures.all.review_share", "half"]),
    (["--model", "{p}/model", "--evaluation", "{p}/other.json"], ["other.json", OTHER, VERSION]),
    (["--model", "{p}/model", "--evaluation", "{p}/other-calibration.json"], ["another calibration", "{p}/model"]),
    (["--model", "{p}/model", "--evaluation", "{p}/only-all.json"], ["duration:5 s and longer", "floor"]),
    ([*GOOD, "--evaluation", "{p}/good.json"], ["good.json", "one of them"]),
    ([*GOOD, "--against", "{p}/missing.json"], ["missing.json"]),
    ([*GOOD, "--against", "{p}/no-weights"], ["no-weights", "was not promoted"]),
    ([*GOOD, "--against", "{p}/forged"], ["forged", "is no promotion"]),
    ([*GOOD, "--against", "{p}/other-split.json"], ["split dev", "split test"]),
    ([*GOOD, "--against", "{p}/other-coverage.json"], ["coverage sampled", "coverage full"]),
    ([*GOOD, "--against", "{p}/other-manifest.json"], ["manifest aaaaaaaa", "manifest bbbbbbbb"]),
    ([*GOOD, "--against", "{p}/fewer.json"], ["280 tracks", "279"]),
    ([*GOOD, "--against", "{p}/more-slices.json"], ["codec:mp3", "good.json"]),
    ([*GOOD, "--against", "{p}/other-no-music.json"], ["music_called_functional", "guarded slice"]),
    ([*GOOD, "--against", "{p}/other.json", "--against", "{p}/other-coverage.json"], ["also measured", "full"]),
    ([*GOOD, "--against", "{p}/other.json", "--against", "{p}/other.json"], ["--against", "one of them"]),
    ([*GOOD, "--against", "{p}/other.json", "--against", "{p}/third.json"], ["2 models"]),
    ([*GOOD, "--against", "none", "--allow", "codec:mp3"], ["--allow codec:mp3", "slice:mixes"]),
    ([*GOOD, "--against", "none", "--date", "25.11.2026"], ["--date", "YYYY-MM-DD"]),
    ([*GOOD, "--against", "none", "--config", "{p}/rules.yaml"], ["--config", "balanced_acuracy"]),
    ([*GOOD, "--against", "none", "--config", "{p}/rule-key.yaml"], ["slices.0.tolerance", "no such key"]),
    ([*GOOD, "--against", "none", "--config", "{p}/two-bounds.yaml"], ["floors.0", "at_least"]),
]


@pytest.mark.parametrize(("flags", "named"), CASES, ids=[" ".join(flags) for flags, _ in CASES])
def test_refused(flags, named, place: pathlib.Path, capsys):
    before = folder_hashes(place)
    assert exit_status(run, [flag.format(p=place) for flag in flags]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for text in named:
        assert text.format(p=place) in message
    assert folder_hashes(place) == before
