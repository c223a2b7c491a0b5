from __future__ import annotations

import librosa
import numpy as np
import pytest
import tensorflow as tf

from models.front_end import WINDOW_SAMPLES, FrontEnd, log_mel, mel_matrix

FRONT_END = FrontEnd()


def pictures(waveform, valid_samples):
    picture, frames = log_mel(FRONT_END, tf.constant(waveform, tf.float32), tf.constant(valid_samples, tf.int32))
    return picture.numpy(), frames.numpy()


def noise(seed=0, count=WINDOW_SAMPLES):
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32) * 0.1


def test_mel_matrix_is_librosas():
    wanted = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=64, fmin=50.0, fmax=7800.0, htk=True, norm=None)
    np.testing.assert_allclose(mel_matrix(FRONT_END), wanted.T, atol=1e-6)


def test_log_mel_is_librosas():
    waveform = noise() * np.linspace(0.1, 1, WINDOW_SAMPLES, dtype=np.float32)
    got, frames = pictures(waveform[np.newaxis], [WINDOW_SAMPLES])
    levelled = waveform - waveform.mean()
    levelled *= FRONT_END.target_rms / np.sqrt(np.mean(levelled**2))
    window = librosa.filters.get_window("hann", 512)
    power = librosa.feature.melspectrogram(
        y=np.pad(levelled, (0, 192)), sr=16_000, n_fft=512, hop_length=320, center=False, power=2.0, n_mels=64,
        fmin=50.0, fmax=7800.0, htk=True, norm=None, window=window,
    )  # fmt: skip
    wanted = (np.log(power.T / np.sum(window**2) + FRONT_END.power_floor) + 7.0) / 4.0
    assert frames[0] == 250
    np.testing.assert_allclose(got[0], wanted, atol=2e-4)


def test_level_and_offset_do_not_matter():
    waveform = noise()
    scaled = np.stack([waveform, waveform * 3, waveform * 0.003, waveform + 0.3])
    got, _ = pictures(scaled, [WINDOW_SAMPLES] * 4)
    for other in got[1:]:
        np.testing.assert_allclose(other, got[0], atol=0.01)


@pytest.mark.parametrize("valid", [0, 1, 1600, 9600, 79_999])
def test_what_stands_behind_the_audio_is_ignored(valid):
    waveform = np.stack([noise(), noise()])
    waveform[1, valid:] = 7.0
    got, frames = pictures(waveform, [valid, valid])
    np.testing.assert_array_equal(got[0], got[1])
    assert 1 <= frames[0] <= 250
    assert not got[0, frames[0] :].any()


def test_digital_silence_and_numbers_that_are_none_stay_finite():
    waveform = np.zeros((3, WINDOW_SAMPLES), np.float32)
    waveform[1] = noise()
    waveform[1, 500] = np.nan
    waveform[2] = noise()
    waveform[2, 500] = 0.0
    got, _ = pictures(waveform, [WINDOW_SAMPLES] * 3)
    assert np.isfinite(got).all()
    np.testing.assert_array_equal(got[1], got[2])


def test_gain_is_bounded():
    hiss = noise() * 1e-6
    got, _ = pictures(np.stack([noise(), hiss]), [WINDOW_SAMPLES] * 2)
    assert got[1].mean() < got[0].mean() - 0.5
