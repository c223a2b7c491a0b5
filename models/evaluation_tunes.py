"""Tunes for the evaluation set's instruments and singers: phrases of a key that come again, with rests between."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

#: Semitones of seven modes: the major scale begun on each of its notes.
_MAJOR: Final = (0, 2, 4, 5, 7, 9, 11)
#: Lengths in beats of the notes of a bar of four; a negative one is a rest.
_BARS: Final = (
    (1, 1, 1, 1), (2, 2), (1.5, 0.5, 1, -1), (0.5, 0.5, 1, 0.5, 0.5, 1), (3, -1), (0.5,) * 8, (1, 0.5, 0.5, 2),
    (0.75, 0.75, 0.5, 2), (-1, 1, 1, 1), (1.5, 1.5, 1), (4,),
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """One note: when it begins and how long it is held, in seconds; its pitch in Hz; its strength from 0 to 1."""

    start_s: float
    length_s: float
    pitch_hz: float
    strength: float


def tune(rng: np.random.Generator, seconds: float, low_hz: float, beat_s: float, broken_chords: bool) -> list[Note]:
    """A tune of phrases of two bars in the order A A B A, until ``seconds`` are over.

    Parameters
    ----------
    low_hz
        The key note; the tune goes from a fourth below it to a tenth above.
    beat_s
        Length of a beat.
    broken_chords
        Notes of one chord after another, in a figure; otherwise a melody by small steps.
    """
    mode = int(rng.integers(7))
    scale = [_MAJOR[(mode + d) % 7] - _MAJOR[mode] + (12 if mode + d >= 7 else 0) for d in range(7)]

    def pitch_hz(degree: int) -> float:
        return float(low_hz * 2.0 ** ((scale[degree % 7] + 12 * (degree // 7)) / 12))

    def phrase() -> list[tuple[float, float, int]]:
        notes, degree = [], int(rng.choice([0, 2, 4]))
        for bar in range(2):
            root = int(rng.choice([0, 3, 4, 5]))
            figure = rng.permutation([root, root + 2, root + 4, root + 7])
            beats = (0.5,) * 8 if broken_chords else _BARS[int(rng.integers(len(_BARS)))]
            beat = 4.0 * bar
            for place, length in enumerate(beats):
                if length > 0:
                    degree = int(figure[place % 4]) if broken_chords else _step(rng, degree)
                    notes.append((beat, float(length), degree))
                beat += abs(length)
        if not broken_chords and notes:
            notes[-1] = (*notes[-1][:2], int(rng.choice([0, 2, 4])))
        return notes

    first, second = phrase(), phrase()
    played: list[Note] = []
    start_s, number = float(rng.uniform(0, 0.5)), 0
    while start_s < seconds:
        for beat, length, degree in second if number % 4 == 2 else first:
            # Nobody plays like a clock.
            begin_s = start_s + beat * beat_s + abs(rng.normal(0, 0.008))
            if begin_s < seconds - 0.05:
                strength = rng.uniform(0.55, 0.85) + (0.15 if beat % 4 == 0 else 0.0)
                played.append(Note(begin_s, min(length * beat_s, seconds - begin_s), pitch_hz(degree), strength))
        start_s += 8 * beat_s
        number += 1
    return played


def _step(rng: np.random.Generator, degree: int) -> int:
    return int(np.clip(degree + rng.choice([-2, -1, -1, 0, 1, 1, 2, 4, -3]), -3, 9))
