"""Singing without accompaniment for the evaluation set: harmonics weighted by the formants of vowels."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import signal

from models.evaluation_samples import RATE_HZ, Samples, at_rms, faded, in_room, samples_in
from models.evaluation_tunes import tune

#: Mean formants of men in Hz: Peterson and Barney, Control Methods Used in a Study of the Vowels, 1952, table II.
VOWELS: Final = {
    "a": (730.0, 1090.0, 2440.0),
    "e": (530.0, 1840.0, 2480.0),
    "i": (270.0, 2290.0, 3010.0),
    "o": (570.0, 840.0, 2410.0),
    "u": (300.0, 870.0, 2240.0),
}
_FORMANT_WIDTHS_HZ: Final = (80.0, 100.0, 140.0, 220.0)
_SINGERS_FORMANT_HZ: Final = 3300.0
#: Voices are made at half the rate: there is nothing of them above.
_VOICE_RATE_HZ: Final = RATE_HZ // 2
_CONTROL_HZ: Final = 210


def sung(rng: np.random.Generator, seconds: float) -> tuple[Samples, str]:
    """One singer, or three in unison or thirds, in a room, and which of these.

    Returns
    -------
    samples
        Mono.
    name
        ``solo_voice`` or ``choir``.
    """
    choir = bool(rng.random() < 0.25)
    key_hz = float(np.exp(rng.uniform(np.log(95), np.log(330))))
    state = int(rng.integers(2**32))
    beat_s, sound = float(rng.uniform(0.35, 0.9)), np.zeros(samples_in(seconds))
    for part in range(3 if choir else 1):
        # The same seed: all sing the same rhythm, and the third one a fourth higher.
        pitch_hz = key_hz * (4 / 3 if part == 2 else 1)
        sound += _voice(np.random.default_rng([state, part]), np.random.default_rng(state), seconds, pitch_hz, beat_s)
    room = in_room(rng, sound, float(rng.uniform(0.3, 2.2)), float(rng.uniform(-18, -5)))
    return at_rms(faded(room, 0.05, 0.3)), "choir" if choir else "solo_voice"


def _voice(
    rng: np.random.Generator, rng_of_tune: np.random.Generator, seconds: float, key_hz: float, beat_s: float
) -> Samples:
    controls = int(seconds * _CONTROL_HZ) + 2
    time_s = np.arange(controls) / _CONTROL_HZ
    pitch_hz, level = np.full(controls, key_hz), np.zeros(controls)
    formants_hz = np.tile(np.array([*VOWELS["a"], _SINGERS_FORMANT_HZ]), (controls, 1))
    size = 1.0 if key_hz < 170 else 1.16
    hisses: list[tuple[float, float]] = []
    for note in tune(rng_of_tune, seconds, key_hz, beat_s, broken_chords=False):
        held = (time_s >= note.start_s) & (time_s < note.start_s + note.length_s)
        later = time_s >= note.start_s
        since_s = time_s[held] - note.start_s
        depth = 0.028 * np.clip((since_s - 0.2) / 0.3, 0, 1) * rng.uniform(0.3, 1)
        pitch_hz[later] = note.pitch_hz
        pitch_hz[held] *= 1 + depth * np.sin(2 * np.pi * rng.uniform(4.8, 6.3) * since_s)
        formants_hz[later, :3] = size * np.array(VOWELS[str(rng.choice(list(VOWELS)))])
        consonant_s = float(rng.choice([0.0, 0.03, 0.07, 0.1]))
        sounding = np.clip((since_s - consonant_s) / 0.04, 0, 1) * np.clip((note.length_s - since_s) / 0.05, 0, 1)
        level[held] = np.maximum(level[held], note.strength * sounding)
        if consonant_s > 0.05:
            hisses.append((note.start_s, consonant_s))
    # Nobody jumps from pitch to pitch or from vowel to vowel.
    pitch_hz = np.exp(_smoothed(np.log(pitch_hz), 0.035)) * (1 + 0.002 * _smoothed(rng.standard_normal(controls), 0.03))
    formants_hz = np.stack([_smoothed(track, 0.03) for track in formants_hz.T], axis=1)

    count = int(seconds * _VOICE_RATE_HZ)
    place = np.arange(count) / _VOICE_RATE_HZ
    phase = 2 * np.pi * np.cumsum(np.interp(place, time_s, pitch_hz)) / _VOICE_RATE_HZ
    sound = np.zeros(count)
    for harmonic in range(1, int(min(36, 6500 / pitch_hz.min())) + 1):
        frequency_hz = harmonic * pitch_hz
        resonance = np.zeros(controls)
        for number, width_hz in enumerate(_FORMANT_WIDTHS_HZ):
            offset = (frequency_hz - formants_hz[:, number]) / (width_hz / 2)
            resonance += (1.0, 0.6, 0.35, 0.25)[number] / np.sqrt(1 + offset**2)
        gain = level * resonance * (frequency_hz < 8000) / harmonic**0.6
        sound += np.interp(place, time_s, gain) * np.sin(harmonic * phase)
    hiss = np.diff(rng.standard_normal(count + 1))
    sound += 0.01 * hiss * np.interp(place, time_s, level)
    for start_s, length_s in hisses:
        start, length = int(start_s * _VOICE_RATE_HZ), int(length_s * _VOICE_RATE_HZ)
        piece = hiss[start : start + length]
        sound[start : start + length] += 0.06 * piece * np.hanning(len(piece))
    doubled = np.asarray(signal.resample_poly(sound, 2, 1))
    return np.pad(doubled, (0, max(0, samples_in(seconds) - len(doubled))))[: samples_in(seconds)]


def _smoothed(curve: Samples, seconds: float) -> Samples:
    width = max(1, int(seconds * _CONTROL_HZ))
    window = np.hanning(2 * width + 1)
    return np.convolve(np.pad(curve, width, "edge"), window / window.sum(), "valid")
