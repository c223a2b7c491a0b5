"""What is one steady tone by its signal, and what only looks like it."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import steady_tone
from models.audio_decoding import decode_windows
from models.steady_tone import steady_tone_hz
from models.window_records import DecodePlan
from tests.audio_files import write_audio
from tests.sample_windows import sample_windows

RATE = 16_000
TIME_S = np.arange(5 * RATE) / RATE


def sine(hz, level=0.3):
    return level * np.sin(2 * np.pi * hz * TIME_S)


def found(samples):
    return steady_tone_hz(np.asarray(samples, np.float32), RATE)


@pytest.mark.parametrize("hz", [30.0, 50.0, 440.0, 1000.3, 7000.0])
@pytest.mark.parametrize("level", [0.003, 0.9])
def test_a_sine_is_a_tone_at_its_frequency(hz, level):
    assert found(sine(hz, level)) == pytest.approx(hz, rel=1e-3)


def test_a_tone_may_have_overtones_and_an_offset():
    assert found(sum(sine(250.0 * k, 0.3 / k) for k in range(1, 31, 2))) == pytest.approx(250, rel=1e-3)
    assert found(sine(100) + sine(200, 0.2) + sine(300, 0.1) + 0.25) == pytest.approx(100, rel=1e-3)


def test_half_a_second_is_enough_and_less_is_not():
    assert found(sine(440)[:8192]) == pytest.approx(440, rel=1e-3)
    assert found(sine(440)[:8191]) is None


rng = np.random.default_rng(0)
NO_TONES = {
    "silence": np.zeros(5 * RATE),
    "offset": np.full(5 * RATE, 0.3),
    "white noise": rng.normal(0, 0.1, 5 * RATE),
    "brown noise": np.cumsum(rng.normal(0, 0.001, 5 * RATE)),
    "major chord": sine(220) + sine(277.2) + sine(329.6),
    "just fifth": sine(220) + sine(330),
    "just chord 2:3:4": sine(200) + sine(300) + sine(400),
    "beats": sine(200) + sine(203),
    "stronger overtone": sine(100, 0.1) + sine(200),
    "vibrato": 0.3 * np.sin(2 * np.pi * 440 * TIME_S + 5 * np.sin(2 * np.pi * 5 * TIME_S)),
    "tremolo": sine(440) * (1 + 0.2 * np.sin(2 * np.pi * 0.5 * TIME_S)),
    "fade": sine(440) * np.linspace(1, 0.8, 5 * RATE),
    "glide": 0.3 * np.sin(2 * np.pi * (440 + 2 * TIME_S) * TIME_S),
    "struck bowl": sine(320) * np.exp(-0.5 * TIME_S),
    "two notes": np.where(TIME_S < 2.5, sine(440), sine(494)),
    "click": sine(440) + np.where(np.arange(5 * RATE) == 40_000, 0.9, 0.0),
    "pause": sine(440) * (np.abs(TIME_S - 2.5) > 0.1),
    "quiet noise beside it": sine(440) + rng.normal(0, 0.01, 5 * RATE),
}


@pytest.mark.parametrize("name", NO_TONES)
def test_anything_else_is_no_tone(name):
    assert found(NO_TONES[name]) is None


# AAC of FFmpeg's own encoder is left out: its noise lies 38 dB below the tone, so the network is asked.
@pytest.mark.parametrize("codec", ["wav8", "flac", "mp3", "vorbis", "opus"])
def test_a_tone_stays_one_in_most_codecs(codec, tmp_path):
    rate_hz = 48_000
    seconds = np.arange(10 * rate_hz) / rate_hz
    file = write_audio(tmp_path / "tone", np.float32(0.4 * np.sin(2 * np.pi * 440 * seconds)), rate_hz, codec)
    windows = list(decode_windows(file, DecodePlan(sampled_windows=1)))
    for window in windows:
        assert steady_tone_hz(window.samples[: window.valid_samples], RATE) == pytest.approx(440, rel=2e-3)


def test_the_first_look_refuses_nothing_that_the_exact_search_finds(monkeypatch):
    waveform, valid_samples = sample_windows()
    windows = [samples[:count] for samples, count in zip(waveform, valid_samples, strict=True)]
    windows += [np.float32(sine(hz, level)) for hz in (30.0, 47.0, 61.3, 440.0, 7900.0) for level in (1e-4, 0.9)]
    windows += [np.float32(sum(sine(hz * k, 0.3 / k) for k in range(1, 60, 2))) for hz in (50.0, 97.1, 130.0)]
    quick = [steady_tone_hz(window, RATE) for window in windows]
    monkeypatch.setattr(steady_tone, "_may_be_tone", lambda frame: True)
    exact = [steady_tone_hz(window, RATE) for window in windows]
    assert quick == exact
    assert sum(tone is not None for tone in exact) >= 13


def test_other_windows_cost_next_to_nothing():
    noise = rng.normal(0, 0.1, 5 * RATE).astype(np.float32)
    begun = time.process_time()
    for _ in range(40):
        steady_tone_hz(noise, RATE)
    # 5 s each; the front end and the network are to do 2,000 audio-seconds per CPU-second.
    assert 200 / (time.process_time() - begun) > 4_000


def click(position, level=0.004, taps=33):
    """A click that was resampled: its spectrum is flat up to the band's edge, with neighbours equal to the last bit."""
    samples = np.zeros(5 * RATE)
    at = int(position) + np.arange(taps) - taps // 2
    samples[at] = level * np.sinc(at - position) * np.hanning(taps)
    return samples


@pytest.mark.filterwarnings("error")
def test_a_lone_click_is_no_tone():
    for position in np.arange(100, 8000, 37.3):
        assert found(click(position)) is None
        assert found(click(position, 1e-18)) is None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(
    st.lists(st.sampled_from([0.0, 1e-45, 1e-30, 1e-18, 1e-6, 0.5, 1.0, -1.0, 1e15, -3e38]), min_size=1, max_size=5),
    st.integers(1, 9000),
    st.integers(1, 20_000),
)
def test_no_samples_stop_a_run(values, every, length):
    samples = np.zeros(length, np.float32)
    samples[::every] = np.resize(np.float32(values), len(samples[::every]))
    tone_hz = found(samples)
    assert tone_hz is None or 0 < tone_hz < RATE / 2
