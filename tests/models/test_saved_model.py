from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from models.errors import UserError
from models.saved_model import METADATA_FILE, check_model_folder, load_model, shipped_model_folder
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES

WINDOW = 80_000
#: What convolutions of another batch size may round differently.
ROUNDING = 2e-4


@pytest.fixture(scope="module")
def model():
    return load_model(shipped_model_folder())


def predict(model, *clips):
    waveform = np.zeros((len(clips), WINDOW), np.float32)
    for row, clip in zip(waveform, clips, strict=True):
        row[: len(clip)] = clip
    return model.predict(waveform, np.array([len(clip) for clip in clips], np.int32))


def noise(seed=0, count=WINDOW, level=0.1):
    return (np.random.default_rng(seed).standard_normal(count) * level).astype(np.float32)


def test_shipped_model_says_what_it_is(model):
    metadata = model.metadata
    assert metadata == check_model_folder(shipped_model_folder())
    assert metadata.categories == CATEGORIES
    assert metadata.functional_types == FUNCTIONAL_TYPES
    assert metadata.window_samples == WINDOW
    assert metadata.model_version.startswith("earmark-")
    size = sum(path.stat().st_size for path in pathlib.Path(shipped_model_folder()).rglob("*") if path.is_file())
    assert size < 20e6


def test_outputs_have_their_shapes_and_sums(model):
    outputs = predict(model, noise(), noise(1, 9600), noise(2, 1600))
    assert {name: value.shape for name, value in outputs.items()} == {
        "category": (3, 3), "functional_type": (3, 8), "presence": (3, 3), "embedding": (3, 128),
    }  # fmt: skip
    np.testing.assert_allclose(outputs["category"].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(outputs["functional_type"].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(outputs["embedding"], axis=1), 1, rtol=1e-5)
    assert (outputs["presence"] >= 0).all() and (outputs["presence"] <= 1).all()


def test_white_and_brown_noise_are_functional_noise(model):
    brown = np.cumsum(noise(3))
    outputs = predict(model, noise(), brown - brown.mean())
    assert (outputs["category"].argmax(axis=1) == CATEGORIES.index("functional")).all()
    assert (outputs["functional_type"].argmax(axis=1) == FUNCTIONAL_TYPES.index("noise")).all()


def test_a_melody_is_music(model):
    time_s = np.arange(WINDOW) / 16_000
    notes = 220 * 2 ** (np.array([0, 4, 7, 12, 7, 4, 0, 5, 9, 12]) / 12)
    pitch = notes[(time_s * 2).astype(int) % 10]
    melody = sum(np.sin(2 * np.pi * k * pitch * time_s) / k for k in (1, 2, 3, 4)) * np.exp(-3 * (time_s * 2 % 1))
    outputs = predict(model, melody.astype(np.float32) * 0.2)
    assert outputs["category"][0].argmax() == CATEGORIES.index("music")


@pytest.mark.parametrize("gain", [0.005, 0.1, 3.0])
def test_loudness_hardly_matters(model, gain):
    clip = noise() * np.linspace(0.2, 1, WINDOW, dtype=np.float32)
    outputs = predict(model, clip, clip * np.float32(gain))
    np.testing.assert_allclose(outputs["category"][1], outputs["category"][0], atol=0.02)


def test_what_stands_behind_the_audio_does_not_matter(model):
    waveform = np.stack([noise(4), noise(4)])
    waveform[1, 9600:] = 0.7
    outputs = model.predict(waveform, np.array([9600, 9600], np.int32))
    for name, value in outputs.items():
        np.testing.assert_allclose(value[0], value[1], atol=1e-6, err_msg=name)


def test_the_batch_does_not_matter(model):
    clips = [noise(seed, count) for seed, count in enumerate((WINDOW, 4000, 1600, 50_000))]
    together = predict(model, *clips)
    for index, clip in enumerate(clips):
        alone = predict(model, clip)
        for name, value in alone.items():
            np.testing.assert_allclose(value[0], together[name][index], atol=ROUNDING, err_msg=name)


def test_silence_and_nothing_stay_finite(model):
    outputs = model.predict(np.zeros((2, WINDOW), np.float32), np.array([WINDOW, 0], np.int32))
    for name, value in outputs.items():
        assert np.isfinite(value).all(), name


def test_metadata_are_checked_without_tensorflow():
    code = (
        "import sys; from models.saved_model import *; print(check_model_folder(shipped_model_folder()).model_version);"
        "assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("earmark-")


def test_metadata_survive_their_file(tmp_path):
    metadata = check_model_folder(shipped_model_folder())
    (tmp_path / METADATA_FILE).write_text(json.dumps(metadata.record()))
    assert check_model_folder(tmp_path) == metadata


def test_metadata_alone_are_no_model(tmp_path):
    metadata = check_model_folder(shipped_model_folder())
    (tmp_path / METADATA_FILE).write_text(json.dumps(metadata.record()))
    with pytest.raises(UserError, match=r"saved_model\.pb"):
        load_model(tmp_path)
