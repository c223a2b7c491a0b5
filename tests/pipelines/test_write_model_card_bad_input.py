"""What the command for cards refuses: one sentence, status 2, and nothing is written."""

import json
import shutil

import pytest

from models.saved_model import check_model_folder, shipped_model_folder
from pipelines.command_line import exit_status
from pipelines.write_model_card import run
from tests.evaluations import evaluation

VERSION = check_model_folder(shipped_model_folder()).model_version
OTHER = "earmark-0.9.0+00000000"


def refused(capsys, tmp_path, *flags, model=None):
    output = tmp_path / "card.md"
    status = exit_status(
        run, ["--model", str(model or shipped_model_folder()), "--output", str(output), *map(str, flags)]
    )
    message = capsys.readouterr().err
    assert status == 2
    assert message.startswith("earmark: ") and message.count("\n") == 1
    assert not output.exists()
    return message


def test_an_evaluation_of_another_model(capsys, tmp_path):
    file = evaluation(tmp_path / "e.json", OTHER)
    message = refused(capsys, tmp_path, "--evaluation", file)
    assert OTHER in message and VERSION in message and str(file) in message


def test_an_evaluation_with_another_calibration(capsys, tmp_path):
    file = evaluation(tmp_path / "e.json", VERSION)
    record = json.loads(file.read_text())
    record["model"]["calibration"] = {"scale": 9.0, "bias": [0.0, 0.0, 0.0]}
    file.write_text(json.dumps(record))
    assert "another calibration" in refused(capsys, tmp_path, "--evaluation", file)


def test_an_evaluation_that_lacks_what_the_card_shows(capsys, tmp_path):
    message = refused(capsys, tmp_path, "--evaluation", evaluation(tmp_path / "e.json", VERSION))
    assert "lacks what the card shows" in message


def test_no_evaluation_at_all(capsys, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(shipped_model_folder(), folder, ignore=shutil.ignore_patterns("promotion.json"))
    assert "--evaluation: is needed" in refused(capsys, tmp_path, model=folder)


@pytest.mark.parametrize("flag", ["--coverage", "--speed", "--report"])
def test_a_record_of_another_model_or_of_none(capsys, tmp_path, flag):
    file = tmp_path / "record.json"
    for content, words in (('{"model_version": "other-1"}', "is of other-1"), ("[1]", "names no model_version"),
                           ("no JSON", "is no JSON")):  # fmt: skip
        file.write_text(content)
        message = refused(capsys, tmp_path, flag, file)
        assert words in message and flag in message
    assert "cannot be read" in refused(capsys, tmp_path, flag, tmp_path / "missing.json")


def test_baselines_that_do_not_fit(capsys, tmp_path):
    own = evaluation(tmp_path / "e.json", VERSION)
    flags = ["--evaluation", own, "--baseline_evaluation"]
    elsewhere = evaluation(tmp_path / "b.json", OTHER, manifest="b" * 64)
    assert "evaluate both on the same" in refused(capsys, tmp_path, *flags, elsewhere)
    assert "is of this model" in refused(capsys, tmp_path, *flags, own)
    same = evaluation(tmp_path / "c.json", OTHER)
    assert "give one" in refused(capsys, tmp_path, *flags, same, "--baseline_evaluation", same)


def test_a_manifest_that_it_was_not_trained_on(capsys, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,label,subtype,split,package\na.wav,music,waltz,train,p\n")
    assert "was trained on" in refused(capsys, tmp_path, "--manifest", manifest)
