"""The Makefile's way from a manifest to a promoted model and its card, by what ``make -n`` would run."""

import importlib
import pathlib
import shlex
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def commands(*arguments):
    """The commands of a target as pairs of module or script and arguments, those of installing left out."""
    told = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [shlex.split(line) for line in told.splitlines() if "/python " in line]
    return [(words[2], words[3:]) if words[1] == "-m" else (words[1], words[2:]) for words in lines
            if words[1].startswith("benchmarks/") or words[2].startswith("pipelines.")]  # fmt: skip


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text("path,label,subtype,split,package\n")
    return path


def test_the_steps_from_a_manifest_to_a_promoted_model(manifest, tmp_path):
    out = tmp_path / "out"
    steps = commands("model", f"MANIFEST={manifest}", "TEACHER=teacher", f"OUT={out}")
    assert [name.removeprefix("pipelines.") for name, _ in steps] == [
        "train_classifier", "evaluate_classifier", "build_evaluation_set", "evaluate_classifier",
        "evaluate_classifier", "evaluate_classifier", "promote_model", "write_model_card",
    ]  # fmt: skip
    parsed = [importlib.import_module(name).make_parser().parse_args(arguments) for name, arguments in steps]
    assert (parsed[0].output, parsed[0].baseline) == (f"{out}/model", f"{out}/baseline")
    assert [(step.model, step.baseline, step.split) for step in parsed[1:2] + parsed[3:6]] == [
        (f"{out}/model", f"{out}/baseline", "dev"), (f"{out}/model", f"{out}/baseline", None),
        (None, None, "dev"), (None, None, None),
    ]  # fmt: skip
    # What one step writes, the next one reads.
    written = [f"{step.output}/evaluation.json" for step in parsed[1:2] + parsed[3:6]]
    assert parsed[6].evaluation == parsed[7].evaluation == written[:2]
    assert parsed[6].against == written[2:]
    assert parsed[3].manifest == f"{parsed[2].output}/manifest.csv"


def test_what_is_there_is_not_made_again(manifest, tmp_path):
    out = tmp_path / "out"
    for made in ("model/training_report.json", "evaluation-set/manifest.csv", "dev/evaluation.json"):
        (out / made).parent.mkdir(parents=True)
        (out / made).write_text("")
    steps = commands("model", f"MANIFEST={manifest}", "AGAINST=none", f"OUT={out}")
    assert [name for name, _ in steps] == [f"pipelines.{job}" for job in
            ("evaluate_classifier", "promote_model", "write_model_card")]  # fmt: skip
    assert steps[1][1][-2:] == ["--against", "none"]


def test_figures_measure_a_model_and_never_train_one(manifest, tmp_path):
    arguments = ("figures", f"MANIFEST={manifest}", f"MODEL={tmp_path}", f"OUT={tmp_path / 'out'}")
    (tmp_path / "training_report.json").write_text("{}")
    steps = commands(*arguments)
    assert [name for name, _ in steps] == [
        "pipelines.evaluate_classifier", "pipelines.build_evaluation_set", "pipelines.evaluate_classifier",
        "benchmarks/coverage.py", "benchmarks/serving_speed.py", "pipelines.write_model_card",
    ]  # fmt: skip
    card = importlib.import_module(steps[-1][0]).make_parser().parse_args(steps[-1][1])
    for (_, benchmark), file in zip(steps[3:5], (card.coverage, card.speed), strict=True):
        assert pathlib.Path(file).parent == pathlib.Path(benchmark[benchmark.index("--output") + 1])
    (tmp_path / "training_report.json").unlink()
    with pytest.raises(subprocess.CalledProcessError):
        commands(*arguments)
