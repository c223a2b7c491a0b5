from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from models.front_end import WINDOW_SAMPLES, FrontEnd, log_mel
from models.front_end_numpy import NumpyFrontEnd
from tests.sample_windows import sample_windows

FRONT_END = FrontEnd()
#: Of numbers between -2.3 and 3.
TOLERANCE = 2e-4


def noise(seed=0, count=WINDOW_SAMPLES):
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32) * 0.1


def assert_same(waveform, valid_samples, tolerance=TOLERANCE):
    waveform = np.asarray(waveform, np.float32)
    wanted, frames = log_mel(FRONT_END, tf.constant(waveform), tf.constant(valid_samples, tf.int32))
    pictures = list(NumpyFrontEnd(FRONT_END).pictures(waveform, np.asarray(valid_samples)))
    assert [len(picture) for picture in pictures] == frames.numpy().tolist()
    for picture, whole in zip(pictures, wanted.numpy(), strict=True):
        assert picture.dtype == np.float32
        np.testing.assert_allclose(picture, whole[: len(picture)], atol=tolerance)


def test_real_audio_comes_out_as_from_tensorflow():
    waveform, valid_samples = sample_windows(every=4)
    assert (valid_samples < WINDOW_SAMPLES).any()
    assert_same(waveform, valid_samples)


@pytest.mark.parametrize("valid", [-5, 0, 1, 255, 256, 257, 1600, 9600, 79_744, 79_999, 80_000, 90_000])
def test_every_length_has_its_frames_and_numbers(valid):
    assert_same([noise()], [valid])


@pytest.mark.parametrize("gain", [1e-6, 1e-3, 30.0, 1e4])
def test_every_level_comes_out_as_from_tensorflow(gain):
    assert_same([noise() * np.float32(gain) + np.float32(gain)], [WINDOW_SAMPLES])


def test_silence_offset_and_numbers_that_are_none():
    waveform = np.stack([noise(), np.zeros(WINDOW_SAMPLES), np.full(WINDOW_SAMPLES, 0.5), noise(1), noise(2)])
    waveform[0, [3, 70_000]] = np.nan
    waveform[3, 500], waveform[3, 600] = np.inf, -np.inf
    waveform[4, :] = np.nan
    assert_same(waveform, [WINDOW_SAMPLES] * 5)


def test_a_window_does_not_depend_on_the_one_before_it():
    front_end = NumpyFrontEnd(FRONT_END)
    for before, count in ((noise(3), 80_000), (noise(4), 5000)):
        alone = NumpyFrontEnd(FRONT_END).picture(noise(5, count))
        front_end.picture(before)
        np.testing.assert_array_equal(front_end.picture(noise(5, count)), alone)


def test_what_is_given_is_not_written_to():
    waveform = noise()[np.newaxis]
    waveform[0, 7] = np.nan
    kept = waveform.copy()
    list(NumpyFrontEnd(FRONT_END).pictures(waveform, np.array([50_000])))
    np.testing.assert_array_equal(waveform, kept)


def test_other_settings_are_followed():
    settings = FrontEnd(frame_samples=400, hop_samples=160, mel_bands=40, log_centre=-5.0)
    waveform = noise()[np.newaxis]
    wanted, frames = log_mel(settings, tf.constant(waveform), tf.constant([WINDOW_SAMPLES]))
    (picture,) = NumpyFrontEnd(settings).pictures(waveform, np.array([WINDOW_SAMPLES]))
    assert len(picture) == frames[0]
    np.testing.assert_allclose(picture, wanted[0, : len(picture)], atol=TOLERANCE)
