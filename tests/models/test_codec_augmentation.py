from __future__ import annotations

import numpy as np
import pytest

from models.codec_augmentation import CODECS, coded, through_codec


def clip(count=32_000):
    time_s = np.arange(count) / 16_000
    noise = np.random.default_rng(0).standard_normal(count)
    return (0.3 * np.sin(2 * np.pi * 440 * time_s) * np.hanning(count) + 0.001 * noise).astype(np.float32)


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_keeps_place_and_sound(codec):
    samples = clip()
    heard = through_codec(samples, codec, CODECS[codec][3])
    assert heard.shape == samples.shape
    assert heard.dtype == np.float32
    assert np.corrcoef(samples, heard)[0, 1] > 0.99


@pytest.mark.parametrize("codec", CODECS)
def test_fewer_bits_lose_more(codec):
    samples = np.random.default_rng(1).standard_normal(32_000).astype(np.float32) * np.float32(0.1)
    lost = [np.square(through_codec(samples, codec, rate) - samples).mean() for rate in CODECS[codec][2:]]
    assert lost[0] > 1.2 * lost[1]


@pytest.mark.parametrize("count", [1, 700, 4_800, 80_000])
def test_any_length_comes_back(count):
    for seed in range(6):
        heard = coded(np.random.default_rng(seed), clip(count))
        assert heard.shape == (count,)
        assert np.isfinite(heard).all()


def test_the_same_draw_gives_the_same_sound():
    one, other = (coded(np.random.default_rng(3), clip()) for _ in range(2))
    np.testing.assert_array_equal(one, other)
