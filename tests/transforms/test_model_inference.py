from __future__ import annotations

import json
import pickle
import shutil

import numpy as np
import pytest
from apache_beam.io.filesystems import FileSystems

from models.litert_form import LITERT_FILE
from models.saved_model import METADATA_FILE, shipped_model_folder
from models.window_records import DecodedWindow
from tests.sample_windows import sample_windows
from transforms.model_inference import EarmarkModelHandler, copy_model_folder


@pytest.fixture(scope="module")
def batch():
    waveform, valid_samples = sample_windows(every=12)
    return [DecodedWindow(0.0, w, int(v), -3.0) for w, v in zip(waveform, valid_samples, strict=True)]


def numbers(predictions):
    return [np.concatenate([p.category, p.functional_type, p.presence, p.embedding]) for p in predictions]


def test_the_light_form_gives_each_window_its_numbers_whatever_shares_its_batch(batch):
    handler = EarmarkModelHandler(shipped_model_folder(), batch_windows=4, runtime="litert")
    model = handler.load_model()
    together = numbers(handler.run_inference(batch, model))
    alone = [numbers(handler.run_inference([window], model))[0] for window in batch]
    np.testing.assert_array_equal(together, alone)


def test_both_forms_agree(batch):
    found = []
    for runtime in ("litert", "saved_model"):
        handler = EarmarkModelHandler(shipped_model_folder(), batch_windows=16, runtime=runtime)
        found.append(numbers(handler.run_inference(batch, handler.load_model())))
    np.testing.assert_allclose(found[0], found[1], atol=0.05)


def test_a_copied_folder_holds_the_light_form(tmp_path):
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    copy.mkdir()
    for part in (METADATA_FILE, LITERT_FILE):
        (source / part).parent.mkdir(exist_ok=True)
        shutil.copy(f"{shipped_model_folder()}/{part}", source / part)
    assert FileSystems.exists(str(source))
    copy_model_folder(str(source), str(copy))
    assert EarmarkModelHandler(str(copy), runtime="litert").load_model().metadata.litert is not None


def test_the_shipped_model_is_named_by_its_version_and_found_where_the_worker_has_it(monkeypatch, tmp_path):
    handler = pickle.loads(pickle.dumps(EarmarkModelHandler(shipped_model_folder(), runtime="litert")))
    assert shipped_model_folder() not in map(str, vars(handler).values())
    elsewhere = tmp_path / "weights"
    shutil.copytree(shipped_model_folder(), elsewhere)
    monkeypatch.setattr("transforms.model_inference.shipped_model_folder", lambda: str(elsewhere))
    assert handler.load_model().metadata.litert is not None
    metadata = json.loads((elsewhere / METADATA_FILE).read_text())
    (elsewhere / METADATA_FILE).write_text(json.dumps(metadata | {"model_version": "another-1.0"}))
    handler = EarmarkModelHandler(str(elsewhere), runtime="litert", threads=2)
    (elsewhere / METADATA_FILE).write_text(json.dumps(metadata))
    with pytest.raises(RuntimeError, match=r"started with the model another-1\.0, but this worker's Earmark ships"):
        handler.load_model()
