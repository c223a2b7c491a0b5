"""Sounds of the stress set that hold nothing but noise, a tone or silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy import signal

from models.evaluation_samples import RATE_HZ, Samples, at_rms, band_passed, faded, low_passed, stereo

#: Root mean square of noises and tones before they get their level, in dB re full scale.
_LEVEL_DB: Final = -20.0
#: Largest magnitude of what counts as silence, in dB re full scale.
SILENCE_PEAK_DBFS: Final = -62.0


def white(rng: np.random.Generator, count: int) -> Samples:
    """Every frequency alike; evenly distributed samples, as simple generators give them."""
    return rng.uniform(-1, 1, count)


def pink(rng: np.random.Generator, count: int) -> Samples:
    """3 dB less per octave, as the sum of relaxations that are as strong and each twice as fast as the one before."""
    total = np.zeros(count)
    for corner_hz in 4.0 * 2.0 ** np.arange(13):
        keep = np.exp(-2 * np.pi * corner_hz / RATE_HZ)
        total += signal.lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.uniform(-1, 1, count))
    return total


def brown(rng: np.random.Generator, count: int) -> Samples:
    """6 dB less per octave: a leaky sum of white noise."""
    return np.asarray(signal.lfilter([1], [1, -0.9985], rng.uniform(-1, 1, count)))


def blue(rng: np.random.Generator, count: int) -> Samples:
    """3 dB more per octave: the differences of pink noise."""
    return np.diff(pink(rng, count + 1))


def violet(rng: np.random.Generator, count: int) -> Samples:
    """6 dB more per octave: the differences of white noise."""
    return np.diff(white(rng, count + 1))


def grey(rng: np.random.Generator, count: int) -> Samples:
    """As loud at every frequency: white noise through the inverse of A-weighting (IEC 61672), at most 40 dB up."""
    frequency_hz = np.linspace(0, RATE_HZ / 2, 4097)
    f2 = np.maximum(frequency_hz, 1.0) ** 2
    weight = (12194**2 * f2**2) / (
        (f2 + 20.6**2) * np.sqrt((f2 + 107.7**2) * (f2 + 737.9**2)) * (f2 + 12194**2)
    )  # fmt: skip
    gain = np.minimum(1 / np.maximum(weight, 1e-6), 100.0)
    taps = signal.firwin2(8191, frequency_hz, gain, fs=RATE_HZ)
    return np.asarray(signal.fftconvolve(white(rng, count + len(taps) - 1), taps, "valid"))


def deep(rng: np.random.Generator, count: int) -> Samples:
    """Brown noise with hardly anything above 100 to 400 Hz, as in aircraft cabins."""
    return low_passed(brown(rng, count), float(rng.uniform(100, 400)), 4)


def green(rng: np.random.Generator, count: int) -> Samples:
    """White noise of the middle frequencies, around 500 Hz."""
    return band_passed(white(rng, count), float(rng.uniform(150, 300)), float(rng.uniform(700, 1400)), 1)


NOISES: Final[dict[str, Callable[[np.random.Generator, int], Samples]]] = {
    "white": white, "pink": pink, "brown": brown, "blue": blue,
    "violet": violet, "grey": grey, "deep": deep, "green": green,
}  # fmt: skip


def noise_track(rng: np.random.Generator, count: int, colour: str) -> Samples:
    """Noise of a colour in stereo as it is uploaded: some wide, some swelling slowly, some faded.

    Returns
    -------
    numpy.ndarray
        Shape (count, 2).
    """
    make = NOISES[colour]
    track = stereo(at_rms(make(rng, count)), at_rms(make(rng, count)), float(rng.choice([0.0, rng.uniform(0.2, 1)])))
    if rng.random() < 0.4:
        time_s = np.arange(count) / RATE_HZ
        swell_db = rng.uniform(1, 5) * np.sin(2 * np.pi * rng.uniform(0.04, 0.25) * time_s + rng.uniform(0, 6.28))
        track *= 10 ** (swell_db / 20)[:, None]
    if rng.random() < 0.5:
        track = faded(track, float(rng.uniform(0.2, 3)), float(rng.uniform(0.2, 3)))
    return at_rms(track, _LEVEL_DB)


SILENCES: Final = ("digital", "dither", "dc_offset", "hiss", "faint_clicks")


def silence_track(rng: np.random.Generator, count: int, kind: str) -> Samples:
    """Silence as files hold it; apart from an offset, all of it stays below ``SILENCE_PEAK_DBFS``.

    Parameters
    ----------
    kind
        One of ``SILENCES``, or ``clicks``: silence with a few single samples that are well above that level.

    Returns
    -------
    numpy.ndarray
        Shape (count, 2), full scale at 1.
    """
    step = 1 / 32768
    track = np.zeros((count, 2))
    if kind == "dither":
        track += (rng.uniform(-1, 1, (count, 2)) + rng.uniform(-1, 1, (count, 2))) * step
    elif kind == "dc_offset":
        track += rng.choice([-1, 1]) * 10 ** rng.uniform(-3, -0.7) + rng.uniform(-1, 1, (count, 2)) * step
    elif kind == "hiss":
        noise = white(rng, count)
        track += (noise / np.abs(noise).max() * 10 ** (rng.uniform(-80, SILENCE_PEAK_DBFS - 1) / 20))[:, None]
    elif kind in ("faint_clicks", "clicks"):
        highest_db = SILENCE_PEAK_DBFS - 1 if kind == "faint_clicks" else -35.0
        number = int(rng.integers(1, 8 if kind == "faint_clicks" else 4))
        heights = 10 ** (rng.uniform(highest_db - 15, highest_db, number) / 20)
        track[rng.integers(0, count, number)] = (heights * rng.choice([-1, 1], number))[:, None]
    return track


TONES: Final = ("sine", "square", "triangle", "binaural", "hum_50", "hum_60", "pulsed")


def tone_track(rng: np.random.Generator, count: int, kind: str) -> Samples:
    """One steady tone.

    Parameters
    ----------
    kind
        One of ``TONES``: ``binaural`` has another pitch in either ear, ``hum_50`` and ``hum_60`` are of mains,
        ``pulsed`` comes and goes several times a second.

    Returns
    -------
    numpy.ndarray
        Shape (count, 2).
    """
    time_s = np.arange(count) / RATE_HZ
    pitch_hz = float(np.exp(rng.uniform(np.log(80), np.log(1200 if kind in ("square", "triangle") else 6000))))
    start = rng.uniform(0, 2 * np.pi)
    if kind == "binaural":
        pitch_hz = float(rng.uniform(90, 500))
        ears_hz = (pitch_hz, pitch_hz + float(rng.uniform(1, 35)))
        track = np.stack([np.sin(2 * np.pi * ear_hz * time_s + start) for ear_hz in ears_hz], axis=1)
    elif kind in ("hum_50", "hum_60"):
        mains_hz = 50 if kind == "hum_50" else 60
        tone = np.zeros(count)
        for harmonic in range(1, 24):
            # Rectifiers and transformers hum at twice the mains' frequency most of all.
            strength = rng.uniform(0.3, 1) / harmonic * (1.0 if harmonic % 2 == 0 or harmonic == 1 else 0.4)
            tone += strength * np.sin(2 * np.pi * harmonic * mains_hz * time_s + rng.uniform(0, 6.28))
        track = stereo(tone)
    else:
        tone = np.sin(2 * np.pi * pitch_hz * time_s + start)
        if kind in ("square", "triangle"):
            power = 1 if kind == "square" else 2
            for harmonic in range(3, int(RATE_HZ / 2 / pitch_hz), 2):
                sign = (-1) ** ((harmonic - 1) // 2) if kind == "triangle" else 1
                tone += sign / harmonic**power * np.sin(harmonic * (2 * np.pi * pitch_hz * time_s + start))
        elif kind == "pulsed":
            tone *= np.clip(0.5 + 2 * np.sin(2 * np.pi * float(rng.uniform(2, 16)) * time_s), 0, 1)
        track = stereo(tone)
    return at_rms(faded(track, 0.02, 0.02), _LEVEL_DB)
