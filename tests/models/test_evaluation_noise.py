"""The evaluation set's noises have their slopes, its silence is below the level, and its tones are one pitch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import signal

from models.evaluation_noise import NOISES, SILENCE_PEAK_DBFS, SILENCES, TONES, noise_track, silence_track, tone_track
from models.evaluation_samples import RATE_HZ

COUNT = 8 * RATE_HZ


def octave_levels_db(samples, lowest_hz):
    """Power density, in dB, at the middle of each octave from ``lowest_hz`` on, below 12 kHz."""
    frequency_hz, power = signal.welch(samples, RATE_HZ, nperseg=16_384)
    edges = lowest_hz * 2.0 ** np.arange(20)
    pairs = [(low, high) for low, high in itertools.pairwise(edges) if high < 12_000]
    return np.array([10 * np.log10(power[(frequency_hz >= a) & (frequency_hz < b)].mean()) for a, b in pairs])


@pytest.mark.parametrize(
    ("colour", "slope_db", "tolerance_db"),
    [("white", 0, 0.2), ("pink", -3, 0.4), ("brown", -6, 0.4), ("blue", 3, 0.5), ("violet", 6, 0.5)],
)
def test_slope_per_octave(colour, slope_db, tolerance_db):
    levels_db = octave_levels_db(NOISES[colour](np.random.default_rng(1), COUNT), 80)
    slope = np.polyfit(np.arange(len(levels_db)), levels_db, 1)[0]
    # Means over an octave of a density that falls as a power of frequency fall by the same power.
    assert slope == pytest.approx(slope_db, abs=tolerance_db)
    assert np.abs(np.diff(levels_db) - slope_db).max() < 1.5


def test_grey_noise_is_strong_where_the_ear_is_weak():
    levels_db = octave_levels_db(NOISES["grey"](np.random.default_rng(1), COUNT), 60)
    weakest = int(levels_db.argmin())
    assert 1900 <= 60 * 2**weakest <= 4000
    assert (np.diff(levels_db[: weakest + 1]) < 0).all()
    # A-weighting takes off 22 dB more at 80 to 90 Hz than at 2.5 kHz and above.
    assert levels_db[0] - levels_db[weakest] == pytest.approx(23, abs=3)


@pytest.mark.parametrize(("colour", "low_hz", "high_hz", "share"), [("deep", -1, 500, 0.97), ("green", 100, 2000, 0.5)])
def test_noises_with_a_band(colour, low_hz, high_hz, share):
    frequency_hz, power = signal.welch(NOISES[colour](np.random.default_rng(2), COUNT), RATE_HZ, nperseg=16_384)
    inside = power[(frequency_hz > low_hz) & (frequency_hz < high_hz)].sum() / power.sum()
    assert inside > share
    assert low_hz < frequency_hz[power.argmax()] < high_hz


@pytest.mark.parametrize("colour", NOISES)
def test_noise_tracks_are_stereo_at_their_level(colour):
    track = noise_track(np.random.default_rng(3), 3 * RATE_HZ, colour)
    assert track.shape == (3 * RATE_HZ, 2)
    assert 20 * np.log10(np.sqrt(np.mean(track**2))) == pytest.approx(-20, abs=0.1)


@pytest.mark.parametrize("kind", SILENCES)
def test_silence_is_below_its_level_apart_from_an_offset(kind):
    for seed in range(5):
        track = silence_track(np.random.default_rng(seed), RATE_HZ, kind)
        heard = track - np.median(track, axis=0)
        assert np.abs(heard).max() < 10 ** (SILENCE_PEAK_DBFS / 20)
        assert (np.abs(np.median(track)) > 5e-4) == (kind == "dc_offset")
        assert (np.abs(track).max() == 0) == (kind == "digital")


def test_clicks_are_few_and_above_the_level():
    track = silence_track(np.random.default_rng(1), RATE_HZ, "clicks")
    clicks = np.abs(track[np.abs(track[:, 0]) > 0, 0])
    assert 1 <= len(clicks) <= 3
    assert clicks.max() > 10 ** (SILENCE_PEAK_DBFS / 20)


@pytest.mark.parametrize("kind", ["sine", "binaural"])
def test_tones_are_pure(kind):
    track = tone_track(np.random.default_rng(4), 4 * RATE_HZ, kind)
    peaks_hz = []
    for side in track.T:
        power = np.abs(np.fft.rfft(side * np.hanning(len(side)))) ** 2
        peak = int(power.argmax())
        peaks_hz.append(peak / 4)
        assert power[peak - 4 : peak + 5].sum() / power.sum() > 0.9999
    assert 80 <= peaks_hz[0] <= 6000
    assert (abs(peaks_hz[0] - peaks_hz[1]) >= 1) == (kind == "binaural")


def test_square_waves_have_the_odd_harmonics_and_hum_the_mains():
    square = tone_track(np.random.default_rng(5), 4 * RATE_HZ, "square")[:, 0]
    power = np.abs(np.fft.rfft(square * np.hanning(len(square)))) ** 2
    first = int(power.argmax())
    second, third = (power[k * first - 8 : k * first + 9].max() / power[first] for k in (2, 3))
    assert second < 1e-6
    assert third == pytest.approx(1 / 9, rel=0.2)
    for kind, mains_hz in (("hum_50", 50), ("hum_60", 60)):
        hum = tone_track(np.random.default_rng(6), 4 * RATE_HZ, kind)[:, 0]
        power = np.abs(np.fft.rfft(hum * np.hanning(len(hum)))) ** 2
        harmonics = sum(power[4 * mains_hz * k - 4 : 4 * mains_hz * k + 5].sum() for k in range(1, 24))
        assert harmonics / power.sum() > 0.9999


@pytest.mark.parametrize("kind", TONES)
def test_tones_are_steady(kind):
    track = tone_track(np.random.default_rng(7), 4 * RATE_HZ, kind)
    seconds = np.sqrt((track[:, 0].reshape(4, RATE_HZ) ** 2).mean(axis=1))
    assert seconds.max() / seconds.min() < 1.25
