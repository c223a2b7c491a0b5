"""Percussion of the evaluation set: struck things by their modes, rattles by bands of noise, in grooves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from models.evaluation_samples import RATE_HZ, Samples, at_rms, band_passed, in_room, samples_in

#: Frequencies of the lowest modes, as ratios to the first: zeros of Bessel functions for a round skin, a free bar's
#: bending modes for wood and metal, and a plate's for cups and saucers, which were chosen by ear.
SKIN: Final = (1.0, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156)
BAR: Final = (1.0, 2.757, 5.404, 8.933)
CUP: Final = (1.0, 1.37, 2.11, 2.83, 3.92, 5.1)


def struck(
    rng: np.random.Generator, pitch_hz: float, modes: tuple[float, ...], decay_s: float, knock: float = 0.2
) -> Samples:
    """A struck body: each mode rings, the higher the shorter, with a knock of noise at first.

    Parameters
    ----------
    decay_s
        Time in which the first mode falls by 60 dB.
    knock
        Strength of the noise, as a share of the tone's.
    """
    time_s = np.arange(samples_in(decay_s * 1.1)) / RATE_HZ
    sound = knock * rng.uniform(-1, 1, len(time_s)) * np.exp(-time_s / 0.004)
    for ratio in modes:
        if ratio * pitch_hz < 16_000:
            ring = np.exp(-6.9 * time_s * ratio**0.7 / decay_s)
            sound += rng.uniform(0.3, 1) / ratio * ring * np.sin(2 * np.pi * ratio * pitch_hz * time_s)
    return sound


def _kick(rng: np.random.Generator, pitch_hz: float) -> Samples:
    time_s = np.arange(samples_in(0.35)) / RATE_HZ
    sweep_hz = pitch_hz * (1 + 3 * np.exp(-time_s / 0.02))
    return np.sin(2 * np.pi * np.cumsum(sweep_hz) / RATE_HZ) * np.exp(-time_s / 0.09)


def _rattle(rng: np.random.Generator, low_hz: float, decay_s: float) -> Samples:
    time_s = np.arange(samples_in(decay_s * 5)) / RATE_HZ
    noise = band_passed(rng.uniform(-1, 1, len(time_s)), low_hz, min(low_hz * 2.2, 20_000))
    return 1.5 * noise * np.exp(-time_s / decay_s) * np.minimum(time_s / 0.001, 1)


def _snare(rng: np.random.Generator, pitch_hz: float) -> Samples:
    wires = _rattle(rng, 1800, 0.06)
    wires[: samples_in(0.15)] += struck(rng, pitch_hz, SKIN, 0.2)[: samples_in(0.15)]
    return wires


#: Voices of a kit, each with how to strike it at a pitch that belongs to the kit, and that pitch's range in Hz.
_VOICES: Final[dict[str, tuple[Callable[[np.random.Generator, float], Samples], float, float]]] = {
    "kick": (_kick, 42, 60),
    "snare": (_snare, 160, 240),
    "hat": (lambda rng, hz: _rattle(rng, hz, 0.025), 6000, 9000),
    "open_hat": (lambda rng, hz: _rattle(rng, hz, 0.15), 5500, 8500),
    "shaker": (lambda rng, hz: _rattle(rng, hz, 0.04), 3500, 6000),
    "low_tom": (lambda rng, hz: struck(rng, hz, SKIN, 0.7), 70, 110),
    "high_tom": (lambda rng, hz: struck(rng, hz, SKIN, 0.45), 130, 200),
    "conga": (lambda rng, hz: struck(rng, hz, SKIN, 0.3, 0.4), 220, 380),
    "block": (lambda rng, hz: struck(rng, hz, BAR, 0.12, 0.3), 700, 1600),
    "marimba": (lambda rng, hz: struck(rng, hz, BAR, 0.5, 0.1), 200, 500),
}
#: Grooves of sixteen steps by voice: a digit is a stroke and its strength, a point a pause.
_GROOVES: Final[dict[str, dict[str, str]]] = {
    "rock": {"kick": "9.......9.6.....", "snare": "....9.......9..3", "hat": "7.5.7.5.7.5.7.5."},
    "four": {"kick": "9...9...9...9...", "open_hat": "..8...8...8...8.", "snare": "....7.......7..."},
    "tresillo": {"low_tom": "9..9..9.9..9..9.", "block": "9..6..9...9.6...", "shaker": "6464646464646464"},
    "hands": {"conga": "9.4.6.88..4.6.88", "low_tom": "....5.......5...", "shaker": "7.4.7.4.7.4.7.4."},
    "toms": {"low_tom": "9..5..9...6.9...", "high_tom": "..4..4..8..4..77", "block": "....5.......5..."},
    "bars": {"marimba": "9.6.9..69.6.9...", "block": "5.5.5.5.5.5.5.5."},
    "march": {"snare": "9.669.669.666666", "kick": "9.......9......."},
}  # fmt: skip


def groove(rng: np.random.Generator, seconds: float) -> tuple[Samples, str]:
    """A groove on a drum kit or hand drums without any other instrument, and its name.

    Returns
    -------
    samples
        Mono.
    name
        One of the grooves.
    """
    name = str(rng.choice(list(_GROOVES)))
    step_s, swing = float(rng.uniform(0.1, 0.19)), float(rng.choice([0.0, 0.0, 0.25]))
    count = samples_in(seconds)
    sound = np.zeros(count)
    for voice, pattern in _GROOVES[name].items():
        strike, low_hz, high_hz = _VOICES[voice]
        pitch_hz = float(rng.uniform(low_hz, high_hz))
        for number in range(int(seconds / step_s)):
            digit = pattern[number % 16]
            # A bar now and then is not quite like the others.
            if digit == "." or rng.random() < 0.04:
                continue
            start_s = (number + swing * (number % 2)) * step_s + abs(rng.normal(0, 0.004))
            start = round(start_s * RATE_HZ)
            heard = strike(rng, pitch_hz)[: max(0, count - start)] * int(digit) / 9 * rng.uniform(0.85, 1)
            sound[start : start + len(heard)] += heard
    return at_rms(in_room(rng, sound, float(rng.uniform(0.15, 1.2)), float(rng.uniform(-20, -6)))), name
