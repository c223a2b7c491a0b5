"""Windows of signals that nobody would call a recording: every one gets a prediction of numbers and a decision."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from models.audio_windows import make_window
from models.decision import DecisionSettings, decide_audio
from models.litert_form import served_metadata
from models.saved_model import check_model_folder, shipped_model_folder
from models.window_records import DecodePlan, DecodeSummary
from transforms.model_inference import EarmarkModelHandler

SIZE = DecodePlan().window_samples
PLACES = np.arange(SIZE)
RNG = np.random.default_rng(5)
SIGNALS = {
    "zeros": np.zeros(SIZE),
    "one sample": np.full(1, 0.5),
    "a full-scale click": np.where(PLACES == SIZE // 2, 1.0, 0.0),
    "clicks at every frame's middle": np.where(PLACES % 8192 == 4096, 1.0, 0.0),
    "offset": np.full(SIZE, -1.0),
    "offset with one step": np.where(PLACES < 4100, 0.9, -0.9),
    "fastest alternation": np.where(PLACES % 2, 1.0, -1.0),
    "denormal numbers": np.full(SIZE, 1e-42),
    "noise whose squares are zero": RNG.normal(0, 1e-25, SIZE),
    "loudest noise that is not clipped": RNG.uniform(-4.0, 4.0, SIZE),
    "loudest square wave": np.where(PLACES // 40 % 2, 4.0, -4.0),
    "random bits": RNG.choice([-1.0, 1.0], SIZE),
    "rising to full scale": np.linspace(-1.0, 1.0, SIZE),
}


@pytest.mark.parametrize("runtime", ["litert", "saved_model"])
def test_every_signal_is_decided(runtime: str) -> None:
    folder = shipped_model_folder()
    handler = EarmarkModelHandler(folder, 16, 1, runtime)
    model = handler.load_model()
    windows = [make_window(0, signal.astype(np.float32), DecodePlan()) for signal in SIGNALS.values()]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        predictions = list(handler.run_inference(windows, model))
    assert len(predictions) == len(SIGNALS)
    calibration = served_metadata(check_model_folder(folder), runtime).calibration
    for name, prediction in zip(SIGNALS, predictions, strict=True):
        decision = decide_audio([prediction], DecodeSummary(1, 5.0), calibration, DecisionSettings())
        numbers = [*decision.probabilities, *decision.fractions, *decision.embedding, decision.confidence]
        assert np.isfinite(numbers).all(), name
        assert decision.probabilities.sum() == pytest.approx(1), name
        assert np.linalg.norm(decision.embedding) == pytest.approx(1, abs=1e-5), name
        # Music that may be paid as such it is never.
        assert decision.category != "music" or decision.review, (name, decision)
