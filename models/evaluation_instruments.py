"""Instruments of the evaluation set: one of them plays a tune alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy import signal

from models.evaluation_samples import RATE_HZ, Samples, at_rms, band_passed, faded, in_room, samples_in
from models.evaluation_tunes import Note, tune


def plucked(rng: np.random.Generator, note: Note) -> Samples:
    """A plucked string: a burst of noise goes round in a loop that is as long as a period and dulls it a little.

    Source: Karplus and Strong, Digital Synthesis of Plucked-String and Drum Timbres, 1983.
    """
    count = samples_in(note.length_s + 1.2)
    period = RATE_HZ / note.pitch_hz
    whole = int(period - 0.5)
    fraction = period - 0.5 - whole
    loss = 0.001 ** (1 / (note.pitch_hz * rng.uniform(1.5, 5)))
    loop = np.zeros(whole + 3)
    loop[0] = 1.0
    # Half a sample of delay comes from the mean of two neighbours, which is the dulling; the rest tunes the string.
    loop[whole:] = -loss * np.convolve([0.5, 0.5], [1 - fraction, fraction])
    burst = np.zeros(count)
    burst[: whole + 1] = rng.uniform(-1, 1, whole + 1)[:count]
    burst = burst - np.roll(burst, max(1, int(whole * 0.2)))
    return np.asarray(signal.lfilter([1.0], loop, burst))


def electric_piano(rng: np.random.Generator, note: Note) -> Samples:
    """A struck tine by frequency modulation: bright at first, soon a soft tone.

    Source: Chowning, The Synthesis of Complex Audio Spectra by Means of Frequency Modulation, 1973.
    """
    time_s = np.arange(samples_in(note.length_s + 0.6)) / RATE_HZ
    turn = 2 * np.pi * note.pitch_hz * time_s
    body = 1.4 * note.strength * np.exp(-time_s * 3) * np.sin(turn)
    tine = 0.35 * note.strength * np.exp(-time_s * 12) * np.sin(14 * turn)
    return np.sin(turn + body + tine) * np.exp(-time_s * rng.uniform(1, 2.5)) * np.minimum(time_s / 0.003, 1)


def bells(rng: np.random.Generator, note: Note) -> Samples:
    """Glockenspiel or music box: frequency modulation by a ratio that is no whole number, two octaves up."""
    time_s = np.arange(samples_in(note.length_s + 1.5)) / RATE_HZ
    turn = 2 * np.pi * 4 * note.pitch_hz * time_s
    return np.sin(turn + 1.8 * np.exp(-time_s * 6) * np.sin(2.76 * turn)) * np.exp(-time_s * rng.uniform(2, 5))


def bowed(rng: np.random.Generator, note: Note) -> Samples:
    """A bowed string: a saw's harmonics with vibrato and jitter, through a body of its own, and the bow's noise."""
    count = samples_in(note.length_s + 0.12)
    time_s = np.arange(count) / RATE_HZ
    jitter = np.cumsum(rng.standard_normal(count)) * 4e-6
    vibrato = 0.006 * np.clip((time_s - 0.15) / 0.4, 0, 1) * np.sin(2 * np.pi * rng.uniform(5, 6.5) * time_s)
    phase = 2 * np.pi * np.cumsum(note.pitch_hz * (1 + vibrato + jitter)) / RATE_HZ
    body = np.random.default_rng(int(note.pitch_hz) % 7)
    bumps_hz = body.uniform((250, 700, 2000), (450, 1500, 3500))
    sound = np.zeros(count)
    for harmonic in range(1, min(28, int(9000 / note.pitch_hz)) + 1):
        frequency_hz = harmonic * note.pitch_hz
        resonance = 0.4 + np.sum(1 / (1 + ((frequency_hz - bumps_hz) / (0.3 * bumps_hz)) ** 2))
        sound += resonance / harmonic * np.sin(harmonic * phase)
    sound += 0.15 * band_passed(rng.standard_normal(count), 1500, 7000, 1) * (1 + 0.5 * np.sin(phase))
    return faded(sound, min(0.09, note.length_s / 3), 0.1)


def reed(rng: np.random.Generator, note: Note) -> Samples:
    """A reed or a pipe: a sine that is bent the more, the harder it is blown, and breath."""
    count = samples_in(note.length_s + 0.05)
    time_s = np.arange(count) / RATE_HZ
    swell = np.minimum(time_s / 0.05, 1) * (0.8 + 0.2 * np.sin(2 * np.pi * 5.2 * time_s))
    wave = np.tanh((0.5 + 2.5 * note.strength * swell) * np.sin(2 * np.pi * note.pitch_hz * time_s) + 0.15)
    breath = 0.04 * band_passed(rng.standard_normal(count), 800, 6000, 1)
    return faded((wave - wave.mean()) * swell + breath * swell, 0.03, 0.05)


#: Each with the lowest and the highest key note in Hz.
INSTRUMENTS: Final[dict[str, tuple[Callable[[np.random.Generator, Note], Samples], float, float]]] = {
    "plucked": (plucked, 80.0, 260.0),
    "electric_piano": (electric_piano, 110.0, 440.0),
    "bells": (bells, 180.0, 420.0),
    "bowed": (bowed, 98.0, 440.0),
    "reed": (reed, 120.0, 520.0),
}


def solo(rng: np.random.Generator, seconds: float, instrument: str) -> Samples:
    """An instrument alone, in a room.

    Parameters
    ----------
    instrument
        One of ``INSTRUMENTS``.

    Returns
    -------
    numpy.ndarray
        Mono.
    """
    play, low_hz, high_hz = INSTRUMENTS[instrument]
    key_hz = float(np.exp(rng.uniform(np.log(low_hz), np.log(high_hz))))
    broken_chords = instrument in ("plucked", "electric_piano", "bells") and bool(rng.random() < 0.5)
    count = samples_in(seconds)
    sound = np.zeros(count)
    for note in tune(rng, seconds, key_hz, float(rng.uniform(0.3, 0.8)), broken_chords):
        start = round(note.start_s * RATE_HZ)
        heard = at_rms(play(rng, note))[: count - start] * note.strength
        sound[start : start + len(heard)] += heard
    return at_rms(faded(in_room(rng, sound, float(rng.uniform(0.2, 1.8)), float(rng.uniform(-20, -6))), 0.0, 0.3))
