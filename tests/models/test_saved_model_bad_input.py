from __future__ import annotations

import json
import shutil
import time

import pytest
import tensorflow as tf

from models.errors import UserError
from models.saved_model import METADATA_FILE, check_model_folder, load_model, shipped_model_folder


def folder_with(tmp_path, **changes):
    record = check_model_folder(shipped_model_folder()).record()
    for field, value in changes.items():
        if value is None:
            del record[field]
        else:
            record[field] = value
    (tmp_path / METADATA_FILE).write_text(json.dumps(record))
    return tmp_path


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("taxonomy_version", "99"),
        ("categories", ["functional", "music", "speech"]),
        ("functional_types", ["noise"]),
        ("sample_rate_hz", 48_000),
        ("window_s", 0.96),
        ("embedding_size", 0),
        ("embedding_size", "128"),
        ("embedding_size", True),
        ("model_version", ""),
        ("model_version", 3),
        ("calibration", {}),
        ("calibration", {"scale": -1.0, "bias": [0, 0, 0]}),
        ("calibration", {"scale": 1.0, "bias": [0, 0]}),
        ("calibration", {"scale": 1.0, "bias": [0, "0", 0]}),
        ("calibration", {"scale": 1.0, "bias": 3}),
        ("calibration", [1.0]),
    ],
)
def test_a_field_that_does_not_fit_is_named_with_its_value(tmp_path, field, value):
    folder = folder_with(tmp_path, **{field: value})
    begun_s = time.process_time()
    with pytest.raises(UserError) as caught:
        check_model_folder(folder)
    assert time.process_time() - begun_s < 1
    assert str(folder) in str(caught.value)
    assert field in str(caught.value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("field", ["model_version", "calibration", "config_sha256"])
def test_a_missing_field_is_named(tmp_path, field):
    with pytest.raises(UserError, match=f"lacks {field}"):
        check_model_folder(folder_with(tmp_path, **{field: None}))


@pytest.mark.parametrize("content", [None, "", "{", "[]", "\x00"])
def test_metadata_that_are_none(tmp_path, content):
    if content is not None:
        (tmp_path / METADATA_FILE).write_text(content)
    with pytest.raises(UserError, match=METADATA_FILE):
        check_model_folder(tmp_path)


def test_a_damaged_saved_model(tmp_path):
    folder_with(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(tmp_path)


class Other(tf.Module):
    """A model of another signature."""

    def __init__(self, samples, embedding):
        super().__init__()
        self.serve = tf.function(
            lambda waveform, valid_samples: {
                "category": tf.zeros((tf.shape(waveform)[0], 3)) + 0 * waveform[:, :3],
                "functional_type": 0 * waveform[:, :8],
                "presence": 0 * waveform[:, :3],
                "embedding": 0 * waveform[:, :embedding],
            },
            input_signature=[
                tf.TensorSpec((None, samples), name="waveform"),
                tf.TensorSpec((None,), tf.int32, name="valid_samples"),
            ],
        )


@pytest.mark.parametrize(
    ("samples", "embedding", "signature", "message"),
    [
        (16_000, 128, "serving_default", "waveform"),
        (80_000, 64, "serving_default", "embedding"),
        (80_000, 128, "other", "serving_default"),
    ],
)
def test_another_signature_is_refused(tmp_path, samples, embedding, signature, message):
    module = Other(samples, embedding)
    tf.saved_model.save(module, str(tmp_path), signatures={signature: module.serve.get_concrete_function()})
    folder_with(tmp_path)
    with pytest.raises(UserError, match=message):
        load_model(tmp_path)


def test_an_output_too_few(tmp_path):
    module = tf.Module()
    serve = tf.function(
        lambda waveform, valid_samples: {"category": waveform[:, :3]},
        input_signature=[
            tf.TensorSpec((None, 80_000), name="waveform"),
            tf.TensorSpec((None,), tf.int32, name="valid_samples"),
        ],
    )
    module.serve = serve
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": serve.get_concrete_function()})
    folder_with(tmp_path)
    with pytest.raises(UserError, match="outputs"):
        load_model(tmp_path)


def test_metadata_of_another_embedding_size(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(shipped_model_folder(), folder)
    folder_with(folder, embedding_size=64)
    with pytest.raises(UserError, match="embedding"):
        load_model(folder)
