"""The card of a model from evaluations of labels that the test wrote, on real files."""

import json
import pathlib
import shutil

import numpy as np
import pytest

from models.decision import DecisionSettings
from models.labels_of_corpus import Recording
from models.model_folder_hashes import file_sha256, folder_hashes
from models.promotion import read_promotion
from models.saved_model import METADATA_FILE, check_model_folder, shipped_model_folder
from pipelines.write_model_card import run
from tests.audio_files import write_audio
from tests.evaluation_labels import HOSTILE, label, labelled
from transforms.evaluation import compare_labels, evaluate

SHIPPED = check_model_folder(shipped_model_folder())
OTHER = "other-1.0.0+00000000"
SLICES = ("codecs", "loudness", "mixes", "short_cuts", f"bad|{HOSTILE}\n# heading")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """The record of one evaluation, without a comparison and with one, and the baseline's record."""
    folder = tmp_path_factory.mktemp("audio")
    tone = (0.1 * np.sin(np.arange(16_000) / 9)).astype(np.float32)
    path = str(write_audio(folder / "tone", tone, 16_000, "wav16"))
    categories = ("music", "functional", "speech")
    recordings = [
        Recording(path, categories[i % 3], "rain", "dev", f"p{i % 6}",
                  extra=(("slice", SLICES[i % 5]), ("pair", f"pair-{i // 2}"),
                         *([("expected_decision", "review")] if i % 10 == 9 else [])))
        for i in range(40)
    ]  # fmt: skip
    good = labelled([label(str(i), categories[i % 3]) for i in range(40)], windows=100)
    bad = labelled([label(str(i), "speech", decision="review") for i in range(40)])
    about = {"manifest_sha256": "5" * 64, "split": "dev", "coverage": "sampled", "mean_windows": 2.5}
    model = evaluate(recordings, good, DecisionSettings())
    comparison, _ = compare_labels(model, bad)
    own = about | {"model": {"model_version": SHIPPED.model_version + ".int8"}} | model.record
    compared = own | {"comparison": {"baseline": {"model_version": OTHER}, **comparison}}
    other = own | {"model": {"model_version": OTHER}}
    for name in ("figures", "functional_type", "neighbours"):
        other[name] = comparison[f"baseline_{name}"]
    return {"own": own, "compared": compared, "other": other}


def written(path, record):
    path.write_text(json.dumps(record))
    return str(path)


def card(tmp_path, *flags):
    output = tmp_path / "card.md"
    assert run(["--model", shipped_model_folder(), "--output", str(output), *flags]) == 0
    return output.read_text()


def rows_of(text):
    """Every table's lines, checked for having as many cells as its head."""
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    for lines in tables:
        assert set(lines[1]) == {"|", "-"}
        cells = {line.replace("\\|", "").count("|") for line in lines}
        assert len(cells) == 1, lines
    return tables


def test_the_shipped_model_needs_no_more_than_its_folder(tmp_path):
    text = card(tmp_path)
    assert text.startswith(f"# Model card: {SHIPPED.model_version}\n")
    folder = pathlib.Path(shipped_model_folder())
    kept = json.loads((folder / read_promotion(folder).evaluations[0]).read_text())
    value = kept["figures"]["all"]["balanced_accuracy"]["value"]
    assert f"| balanced accuracy | {value:.3f} [" in text
    assert f"float32 (n, {SHIPPED.embedding_size})" in text
    assert f"{SHIPPED.calibration.scale:.3f}" in text
    assert "None" not in text
    assert len(rows_of(text)) >= 5


def test_everything_that_an_evaluation_says_is_in_the_card(tmp_path, records):
    text = card(tmp_path, "--evaluation", written(tmp_path / "e.json", records["compared"]))
    assert "### Evaluation set, split dev, sampled" in text
    assert "--split dev --coverage sampled --runtime litert --model MODEL --baseline BASELINE" in text
    own, near = records["own"], records["own"]["neighbours"]
    assert f"{own['expected_review']['tracks']} | " in text
    assert f"| all | {own['category_kept']['recordings']} | " in text
    assert "| at random | baseline |" in text
    assert f" | {near['category']['chance']:.3f} | " in text
    for name in ("codecs", "loudness", "mixes"):
        assert f"| {name} | {own['figures'][f'slice:{name}']['tracks']} / " in text
    difference = records["compared"]["comparison"]["slices"]["all"]["balanced_accuracy_difference"]
    assert f"{difference['value']:.3f} [{difference['low']:.3f}, {difference['high']:.3f}] *" in text
    assert f"Against {OTHER.replace('_', chr(92) + '_')}:" in text
    assert "None" not in text
    assert len(rows_of(text)) >= 9


def test_words_of_a_manifest_stay_in_their_cells(tmp_path, records):
    text = card(tmp_path, "--evaluation", written(tmp_path / "e.json", records["own"]))
    assert 'bad\\|">\\<img src=x onerror=alert(1)> # heading' in text
    assert not any(line.startswith("# heading") for line in text.splitlines())
    rows_of(text)


def test_a_baseline_measured_by_itself_stands_beside_without_a_test(tmp_path, records):
    text = card(tmp_path, "--evaluation", written(tmp_path / "e.json", records["own"]),
                "--baseline_evaluation", written(tmp_path / "b.json", records["other"]))  # fmt: skip
    whole = records["other"]["figures"]["all"]["balanced_accuracy"]["value"]
    assert f"| 1.000 | {whole:.3f} | – | 0 (0) | 0 (0) |" in text
    assert "McNemar" not in text


def test_coverage_speed_and_files(tmp_path, records):
    figures = {
        "tracks": 3, "balanced_accuracy": 0.912, "music_called_functional": 7, "music_called_functional_auto": 1,
        "review_share": 0.25, "accuracy_auto": None, "category_unlike_full": 2, "mean_windows": 3.456,
    }  # fmt: skip
    version = {"model_version": SHIPPED.model_version, "cores": 2, "machine": "x86_64"}
    coverage = version | {
        "manifest_sha256": "5" * 64, "split": "dev out", "tracks": {"5 s and longer": {"music": 2, "functional": 1}},
        "settings": {"full": {"processor_s": 12.34, "groups": {"5 s and longer": figures}}},
    }  # fmt: skip
    speeds = {"front_end": 10000.4, "network": 2000.0, "together": 1666.6}
    speed = version | {"audio_s_per_cpu_s": {"saved_model": {"16": speeds}}}
    text = card(tmp_path, "--evaluation", written(tmp_path / "e.json", records["own"]),
                "--coverage", written(tmp_path / "c.json", coverage),
                "--speed", written(tmp_path / "s.json", speed))  # fmt: skip
    assert "| full | 0.912 | 7 (1) | 0.250 | – | 2 | 3.46 | 12.3 |" in text
    assert "benchmarks/coverage.py --manifest MANIFEST --split 'dev out' --model MODEL" in text
    assert "| saved\\_model | 16 | 10,000 | 2,000 | 1,667 |" in text


def test_a_card_changes_nothing_that_a_promotion_holds_fast(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(shipped_model_folder(), folder)
    before = folder_hashes(folder)
    assert run(["--model", str(folder)]) == 0
    assert {**folder_hashes(folder), "model_card.md": ""} == {**before, "model_card.md": ""}
    assert (folder / "model_card.md").read_text().startswith("# Model card:")


def test_files_of_the_manifest_are_counted(tmp_path, records):
    (tmp_path / "a.wav").write_bytes(b"")
    manifest = tmp_path / "manifest.csv"
    counts = {("train", "music"): 3, ("train", "functional"): 2, ("dev", "speech"): 1}
    lines = [f"a.wav,{name},rain,{split},{split}" for (split, name), count in counts.items() for _ in range(count)]
    manifest.write_text("path,label,subtype,split,package\n" + "\n".join(lines) + "\n")
    folder = tmp_path / "model"
    shutil.copytree(shipped_model_folder(), folder, ignore=shutil.ignore_patterns("promotion.json"))
    metadata = json.loads((folder / METADATA_FILE).read_text()) | {"data_sha256": file_sha256(manifest)}
    (folder / METADATA_FILE).write_text(json.dumps(metadata))
    flags = ["--model", str(folder), "--manifest", str(manifest)]
    assert run([*flags, "--evaluation", written(tmp_path / "e.json", records["own"])]) == 0
    text = (folder / "model_card.md").read_text()
    assert "| 3 files, " in text
    assert "| 2 files, " in text
