"""The LiteRT form beside the SavedModel of the same folder, on real audio."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import numpy as np
import pytest

from models.litert_form import LITERT_FILE, read_litert_file
from models.litert_model import load_litert_model
from models.saved_model import check_model_folder, load_model, shipped_model_folder
from tests.sample_windows import sample_windows

WINDOW = 80_000
#: The parity that is promised: cosine of the embeddings of every window, and the share of windows of one category.
LEAST_COSINE = 0.999
LEAST_SAME_CATEGORY = 0.995


@pytest.fixture(scope="module")
def model():
    return load_litert_model(shipped_model_folder())


@pytest.fixture(scope="module")
def reference():
    return load_model(shipped_model_folder())


@pytest.fixture(scope="module")
def windows():
    return sample_windows(every=2)


def assert_parity(outputs, wanted):
    assert {name: value.shape for name, value in outputs.items()} == {n: v.shape for n, v in wanted.items()}
    assert np.sum(outputs["embedding"] * wanted["embedding"], axis=1).min() >= LEAST_COSINE
    same = outputs["category"].argmax(axis=1) == wanted["category"].argmax(axis=1)
    assert same.mean() >= LEAST_SAME_CATEGORY
    for name in ("category", "functional_type", "presence"):
        assert np.abs(outputs[name] - wanted[name]).max() < 0.05, name


def test_real_windows_get_the_answers_of_the_saved_model(model, reference, windows):
    assert_parity(model.predict(*windows), reference.predict(*windows))


@pytest.mark.parametrize("valid", [0, 1, 400, 1600, 4800, 16_000, 40_001, 79_999])
def test_short_windows_get_the_answers_of_the_saved_model(model, reference, windows, valid):
    waveform = windows[0][::8]
    valid_samples = np.full(len(waveform), valid, np.int32)
    assert_parity(model.predict(waveform, valid_samples), reference.predict(waveform, valid_samples))


def test_silence_and_numbers_that_are_none_get_the_answers_of_the_saved_model(model, reference, windows):
    waveform = np.zeros((4, WINDOW), np.float32)
    waveform[1], waveform[2] = 0.5, windows[0][0]
    waveform[2, 100:200] = np.nan
    waveform[3] = np.inf
    valid_samples = np.full(4, WINDOW, np.int32)
    outputs = model.predict(waveform, valid_samples)
    for name, value in outputs.items():
        assert np.isfinite(value).all(), name
    assert_parity(outputs, reference.predict(waveform, valid_samples))


def test_no_window_changes_another_in_a_single_bit(model, windows):
    waveform, valid_samples = (array[:24] for array in windows)
    together = model.predict(waveform, valid_samples)
    order = np.random.default_rng(0).permutation(len(waveform))
    shuffled = model.predict(waveform[order], valid_samples[order])
    for index in range(len(waveform)):
        alone = model.predict(waveform[index : index + 1], valid_samples[index : index + 1])
        for name, value in together.items():
            np.testing.assert_array_equal(alone[name][0], value[index])
            np.testing.assert_array_equal(shuffled[name][list(order).index(index)], value[index])


def test_threads_do_not_disturb_each_other(model, windows):
    waveform, valid_samples = (array[:24] for array in windows)
    wanted = model.predict(waveform, valid_samples)["category"]
    found = {}

    def work(key):
        order = np.random.default_rng(key).permutation(len(waveform))
        found[key] = np.empty_like(wanted)
        found[key][order] = model.predict(waveform[order], valid_samples[order])["category"]

    threads = [threading.Thread(target=work, args=(key,)) for key in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for value in found.values():
        np.testing.assert_array_equal(value, wanted)


def test_more_threads_inside_give_the_same_numbers(model, windows):
    waveform, valid_samples = (array[:6] for array in windows)
    two = load_litert_model(shipped_model_folder(), threads=2).predict(waveform, valid_samples)
    for name, value in model.predict(waveform, valid_samples).items():
        np.testing.assert_array_equal(two[name], value)


def test_no_windows_give_no_rows(model):
    outputs = model.predict(np.zeros((0, WINDOW), np.float32), np.zeros(0, np.int32))
    assert {name: value.shape for name, value in outputs.items()} == {
        "category": (0, 3), "functional_type": (0, 8), "presence": (0, 3), "embedding": (0, 128),
    }  # fmt: skip


def test_it_needs_neither_tensorflow_nor_the_saved_model(tmp_path):
    folder = tmp_path / "model"
    (folder / LITERT_FILE).parent.mkdir(parents=True)
    metadata = check_model_folder(shipped_model_folder())
    (folder / LITERT_FILE).write_bytes(read_litert_file(shipped_model_folder(), metadata))
    code = (
        "import json, sys, numpy; from models.litert_model import load_litert_model;"
        f"model = load_litert_model({str(folder)!r});"
        "model.predict(numpy.zeros((2, 80000), numpy.float32), numpy.array([80000, 400]));"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('tensorflow', 'keras', 'scipy')]"
    )
    (folder / "earmark_model.json").write_text(json.dumps(metadata.record()))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_the_file_is_small():
    assert len(read_litert_file(shipped_model_folder(), check_model_folder(shipped_model_folder()))) < 2e6
