"""Drones of the evaluation set: clouds of grains on the pitches of a chord, and music drawn out in time."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import signal

from models.evaluation_samples import RATE_HZ, Samples, at_rms, faded, in_room, panned, samples_in

#: Chords in semitones: open fifth, suspended, minor and major sevenths, minor with an added ninth.
_CHORDS: Final = ((0, 7, 12), (0, 5, 7, 12), (0, 3, 7, 10), (0, 4, 7, 11), (0, 3, 7, 14), (0, 7, 14, 19))
#: Mean flatness of the spectrum from 100 to 4000 Hz below which a sound has pitch structure: noise has about 0.56.
PITCHED_FLATNESS: Final = 0.2


def granular_pad(rng: np.random.Generator, seconds: float) -> Samples:
    """A chord of many short overlapping tones, which changes once or twice or not at all.

    Returns
    -------
    numpy.ndarray
        Shape (samples, 2).
    """
    count = samples_in(seconds)
    track = np.zeros((count, 2))
    root_hz = float(np.exp(rng.uniform(np.log(55), np.log(220))))
    chords = [np.array(_CHORDS[int(rng.integers(len(_CHORDS)))]) + int(rng.choice([0, -4, 5, 3])) for _ in range(3)]
    changes, index = int(rng.integers(1, 4)), float(rng.uniform(0, 1.5))
    grain_s, partials = float(rng.uniform(0.25, 1.2)), int(rng.integers(1, 5))
    for _ in range(int(seconds * rng.uniform(12, 40) / grain_s / 2)):
        length = samples_in(grain_s * float(rng.uniform(0.5, 1.5)))
        start = int(rng.integers(-length, count))
        chord = chords[min(changes - 1, max(0, start * changes // count))]
        pitch_hz = root_hz * 2 ** ((rng.choice(chord) + 12 * rng.choice([0, 0, 0, 1])) / 12 + rng.normal(0, 0.003))
        turn = 2 * np.pi * pitch_hz * np.arange(length) / RATE_HZ + rng.uniform(0, 6.28)
        bend = index * np.sin(turn)
        grain = sum((np.sin(k * turn + bend) / k**1.5 for k in range(1, partials + 1)), np.zeros(length))
        grain = panned(grain * np.hanning(length) * rng.uniform(0.3, 1), float(rng.uniform(-0.8, 0.8)))
        first = max(0, start)
        track[first : start + length] += grain[first - start : count - start]
    room = np.stack([in_room(rng, side, float(rng.uniform(1, 3)), float(rng.uniform(-10, 0))) for side in track.T], 1)
    return at_rms(faded(room, float(rng.uniform(0.5, 3)), float(rng.uniform(0.5, 3))))


def drawn_out(rng: np.random.Generator, clip: Samples, count: int) -> Samples:
    """A mono clip slowed to ``count`` samples by overlapping grains, each from a little farther on: pitches stay."""
    grain = min(samples_in(float(rng.uniform(0.3, 0.7))), len(clip))
    window = np.hanning(grain)
    sound = np.zeros(count + 2 * grain)
    for start in range(0, count + grain, max(1, grain // 4)):
        # Grains that begin at the same places of the clip would beat with it.
        source = (len(clip) - grain) * min(1.0, start / count) + rng.uniform(-0.03, 0.03) * RATE_HZ
        begin = int(np.clip(source, 0, len(clip) - grain))
        sound[start : start + grain] += clip[begin : begin + grain] * window
    return at_rms(in_room(rng, sound[grain // 2 : grain // 2 + count], 2.5, -3.0))


def flatness(samples: Samples) -> float:
    """Mean flatness of the spectrum of a mono sound between 100 and 4000 Hz: 0 for tones, about 0.56 for noise."""
    frequency_hz, _, power = signal.spectrogram(samples, RATE_HZ, nperseg=16_384, noverlap=0, window="hann")
    band = power[(frequency_hz > 100) & (frequency_hz < 4000)] + 1e-20
    return float(np.mean(np.exp(np.mean(np.log(band), axis=0)) / np.mean(band, axis=0)))
