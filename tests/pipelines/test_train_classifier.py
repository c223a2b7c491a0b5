"""The whole training job on a tiny corpus: what it writes and that it can be used."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models.saved_model import check_model_folder, load_model
from pipelines.train_classifier import REPORT_FILE, run
from tests.models.tiny_corpus import write_corpus, write_teacher

CONFIG = """
model_name: tiny-0
seed: 7
steps: 2
polish: {steps: 1}
batch: 4
warmup_steps: 1
processes: 1
bfloat16: false
pool: {windows: 8}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "teacher").mkdir()
    manifest = write_corpus(folder)
    teacher = write_teacher(folder / "teacher")
    arguments = ["--manifest", str(manifest), "--config", str(folder / "config.yaml")]
    assert run([*arguments, "--output", str(folder / "taught"), "--teacher", str(teacher),
                "--baseline", str(folder / "baseline")]) == 0  # fmt: skip
    assert run([*arguments, "--output", str(folder / "alone")]) == 0
    return folder


@pytest.mark.parametrize(
    ("name", "version"), [("taught", "tiny-0+"), ("alone", "tiny-0+"), ("baseline", "baseline-yamnet+")]
)
def test_the_model_folder_can_be_used(trained, name, version):
    model = load_model(trained / name)
    assert model.metadata.model_version.startswith(version)
    outputs = model.predict(np.zeros((2, 80_000), np.float32), np.array([80_000, 1600], np.int32))
    assert outputs["category"].shape == (2, 3)
    assert np.isfinite(outputs["embedding"]).all()


def test_the_report_counts_every_dev_recording(trained):
    report = json.loads((trained / "taught" / REPORT_FILE).read_text())
    dev = report["dev"]
    assert dev["tracks_5s_and_more"]["tracks"] + dev["tracks_under_5s"]["tracks"] == report["recordings"]["dev"] == 10
    assert report["model_version"] == check_model_folder(trained / "taught").model_version
    assert {split: sum(files.values()) for split, files in report["files"].items()} == report["recordings"]
    # Silence is decided by level, whatever three steps of training have learnt.
    assert dev["functional_type"]["recall"]["silence"] == 1
    assert set(report["dev_slices"]) == {"whole_windows", "short_windows", "mixes"}
    assert report["history"][-1]["step"] == 3
    assert report["teacher_sha256"]
    assert json.loads((trained / "alone" / REPORT_FILE).read_text())["teacher_sha256"] is None


def test_a_second_training_uses_what_is_there_and_gives_the_same_model(trained, caplog):
    pools = sorted((trained / "taught.work").glob("pool-*/log_mel.npy"))
    before = [path.stat().st_mtime_ns for path in pools]
    version = check_model_folder(trained / "taught").model_version
    arguments = ["--manifest", str(trained / "manifest.csv"), "--config", str(trained / "config.yaml")]
    run([*arguments, "--output", str(trained / "taught"), "--teacher", str(trained / "teacher")])
    assert before and before == [path.stat().st_mtime_ns for path in pools]
    assert check_model_folder(trained / "taught").model_version.split("+")[0] == version.split("+")[0]


def test_the_baseline_hears_what_is_audio_and_nothing_else(trained):
    model = load_model(trained / "baseline")
    rng = np.random.default_rng(0)
    waveform = (0.1 * rng.standard_normal((2, 80_000))).astype(np.float32)
    waveform[1, :32_000] = waveform[0, :32_000] * 0.25
    outputs = model.predict(waveform, np.array([32_000, 32_000], np.int32))
    # Neither what stands behind the audio nor its level matters.
    for name, value in outputs.items():
        np.testing.assert_allclose(value[0], value[1], atol=2e-3, err_msg=name)
    np.testing.assert_allclose(np.linalg.norm(outputs["embedding"], axis=1), 1, rtol=1e-5)
