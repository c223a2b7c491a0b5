"""Predictions as bytes and back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from models.window_records import WindowPrediction
from transforms.heard_windows import pack_prediction, unpack_prediction


@pytest.mark.parametrize("tone_hz", [None, 440.123456789])
@pytest.mark.parametrize("failure", [None, "ValueError (of three bytes: …)"])
@pytest.mark.parametrize("embedding_size", [1, 128])
def test_a_prediction_comes_back_bit_for_bit(tone_hz: float | None, failure: str | None, embedding_size: int) -> None:
    random = np.random.default_rng(embedding_size)
    arrays = {
        name: random.random(size, np.float32)
        for name, size in (("category", 3), ("functional_type", 8), ("presence", 3), ("embedding", embedding_size))
    }
    prediction = WindowPrediction(1 / 3, 5.0, -12.3456789, **arrays, tone_hz=tone_hz, failure=failure)
    back = unpack_prediction(pack_prediction(prediction))
    for field in dataclasses.fields(WindowPrediction):
        before, after = getattr(prediction, field.name), getattr(back, field.name)
        assert np.array_equal(before, after) if field.name in arrays else before == after
    assert len(pack_prediction(prediction)) == 40 + 4 * (3 + 8 + 3 + embedding_size) + len((failure or "").encode())
