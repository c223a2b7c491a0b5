"""Windows that a model fails on, and models that fail on every window: the first cost one audio, the second the run."""

from __future__ import annotations

import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from models.audio_windows import make_window
from models.saved_model import METADATA_FILE, check_model_folder, shipped_model_folder
from models.steady_tone import steady_tone_hz
from models.window_records import DecodedWindow, DecodePlan
from transforms.classification_failures import failure_of
from transforms.model_inference import EarmarkModelHandler

#: First samples that the made-up network gives no numbers for, and that it stops at.
NOT_A_NUMBER, STOPS = 2.0, 3.0
SIZE = DecodePlan().window_samples


class Fragile(tf.Module):
    """A network that answers by the first sample: not with numbers, or not at all."""

    def __init__(self, not_a_number: float) -> None:
        super().__init__()

        def answer(waveform: tf.Tensor, valid_samples: tf.Tensor) -> dict[str, tf.Tensor]:
            first = waveform[:, :1]
            with tf.control_dependencies([tf.debugging.assert_less(first, STOPS)]):
                value = tf.where(first >= not_a_number, np.nan, tf.abs(first))
            return {
                name: tf.tile(value, (1, size))
                for name, size in (("category", 3), ("functional_type", 8), ("presence", 3), ("embedding", 128))
            }

        self.serve = tf.function(
            answer,
            input_signature=[
                tf.TensorSpec((None, SIZE), name="waveform"),
                tf.TensorSpec((None,), tf.int32, name="valid_samples"),
            ],
        )


def handler_of(folder: pathlib.Path, not_a_number: float) -> EarmarkModelHandler:
    module = Fragile(not_a_number)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve.get_concrete_function()})
    record = check_model_folder(shipped_model_folder()).record()
    (folder / METADATA_FILE).write_text(json.dumps({key: record[key] for key in record if key != "litert"}))
    return EarmarkModelHandler(str(folder), batch_windows=4)


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> EarmarkModelHandler:
    return handler_of(tmp_path_factory.mktemp("fragile"), NOT_A_NUMBER)


def window(first: float, start_s: float = 0.0) -> DecodedWindow:
    return make_window(round(16_000 * start_s), np.full(SIZE, first, np.float32), DecodePlan())


@pytest.mark.parametrize(
    ("first", "failure"),
    [(NOT_A_NUMBER, r"^FloatingPointError \(the network's \w+ is not finite\)$"), (STOPS, "^InvalidArgumentError")],
)
def test_a_window_that_fails_costs_none_of_its_neighbours(
    fragile: EarmarkModelHandler, first: float, failure: str
) -> None:
    model = fragile.load_model()
    batch = [window(0.25, 0), window(first, 5), window(0.5, 10)]
    predictions = list(fragile.run_inference(batch, model))
    assert [(p.start_s, p.duration_s, p.peak_dbfs) for p in predictions] == [
        (w.start_s, 5.0, w.peak_dbfs) for w in batch
    ]
    assert [p.category.tolist() for p in predictions] == [[0.25] * 3, [0.0] * 3, [0.5] * 3]
    assert [p.embedding.size for p in predictions] == [128] * 3
    assert [p.failure is None for p in predictions] == [True, False, True]
    assert re.search(failure, str(predictions[1].failure))
    # The rows must not depend on which windows shared a batch.
    (alone,) = fragile.run_inference(batch[1:2], model)
    assert alone.failure == predictions[1].failure


def test_a_search_for_a_tone_that_fails_costs_its_window_alone(
    fragile: EarmarkModelHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_on_a_half(samples: np.ndarray, rate_hz: int) -> float | None:
        return 1 / 0 if samples[0] == 0.5 else steady_tone_hz(samples, rate_hz)

    monkeypatch.setattr("transforms.model_inference.steady_tone_hz", fail_on_a_half)
    predictions = list(fragile.run_inference([window(0.25), window(0.5)], fragile.load_model()))
    assert [p.failure for p in predictions] == [None, "ZeroDivisionError (division by zero)"]


def test_a_model_that_fails_on_plain_noise_too_ends_the_run(tmp_path: pathlib.Path) -> None:
    handler = handler_of(tmp_path, not_a_number=-np.inf)
    with pytest.raises(FloatingPointError, match="network's"):
        list(handler.run_inference([window(0.25), window(0.5)], handler.load_model()))


@pytest.mark.parametrize("error", [MemoryError, OSError("the disk is gone"), ImportError("no such library")])
def test_what_is_wrong_with_the_machine_is_no_matter_of_the_audio(
    fragile: EarmarkModelHandler, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(samples: np.ndarray, rate_hz: int) -> float | None:
        raise error

    monkeypatch.setattr("transforms.model_inference.steady_tone_hz", fail)
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        list(fragile.run_inference([window(0.25)], fragile.load_model()))


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ZeroDivisionError("float division by zero"), "ZeroDivisionError (float division by zero)"),
        (ValueError(), "ValueError"),
        (ValueError("\n  shapes differ\nDetected at node 7"), "ValueError (shapes differ)"),
        (RuntimeError("/usr/lib/x.py:3: at 0x7f3a00, tmpab12cd34"), "RuntimeError (…:3: at …, …)"),
        (ValueError("1/2 of and/or\x1b[31m"), "ValueError (1/2 of and/or\N{REPLACEMENT CHARACTER}[31m)"),
        (ValueError("x" * 900), f"ValueError ({'x' * 199}…)"),
    ],
)
def test_a_failure_is_named_without_anything_of_the_machine(error: Exception, failure: str) -> None:
    assert failure_of(error) == failure


def test_an_error_that_cannot_be_told_is_named_by_its_type() -> None:
    class UntellableError(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert failure_of(UntellableError()) == "UntellableError"
