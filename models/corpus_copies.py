"""Find recordings that are in a corpus twice: the same samples, or another encoding of the same recording.

Games lend each other music and sounds, so the same recording comes in several packages, with another codec, bit rate,
sample rate or level. In two splits it would let a model be tested on what it was trained on.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ: Final = 16_000
#: A fingerprint is made of the first seconds of a recording.
FINGERPRINT_S: Final = 15.0

_FRAME: Final = 1024
_HOP: Final = 256
#: Bands of a quarter of an octave or so, in what even a recording at 8 kHz holds.
_EDGES_HZ: Final = np.geomspace(150, 3500, 25)
#: What lies this far below the loudest moment is noise of the codec, in dB.
_RANGE_DB: Final = 60.0
#: Encoders put silence of up to a tenth of a second before a recording; in frames of 16 ms.
_LAGS: Final = range(-8, 9)
_LEAST_FRAMES: Final = 12
#: Two recordings are the same when their patterns correlate by more than this.
SAME_RECORDING: Final = 0.8
#: Recordings whose mean spectra differ by more in any band are not compared further, in dB.
_SPECTRUM_DB: Final = 9.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """How the spectrum of a recording moves, whatever its level and its tone control.

    Attributes
    ----------
    pattern
        Shape (frames, 24), float32: level of each band in dB, less the mean of its band and the mean of its frame.
    spectrum
        Shape (24,), float32: mean level of each band in dB, less the mean of all.
    """

    pattern: npt.NDArray[np.float32]
    spectrum: npt.NDArray[np.float32]


def fingerprint(samples: npt.NDArray[np.float32]) -> Fingerprint:
    """Make the fingerprint of a recording.

    Parameters
    ----------
    samples
        Its first ``FINGERPRINT_S`` seconds, shape (n,), mono at 16 kHz.
    """
    padded = np.pad(samples, (0, max(0, _FRAME - samples.size)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_FRAME).astype(np.float32), axis=1)) ** 2
    bins = np.round(_EDGES_HZ * _FRAME / SAMPLE_RATE_HZ).astype(int)
    bands = np.add.reduceat(power, bins, axis=1)[:, :-1] / np.diff(bins)
    loudest = max(float(bands.max()), 1e-12)
    level_db = 10 * np.log10(np.maximum(bands, loudest * 10 ** (-_RANGE_DB / 10)))
    spectrum = level_db.mean(0)
    pattern = level_db - spectrum
    pattern -= pattern.mean(1, keepdims=True)
    return Fingerprint(pattern.astype(np.float32), (spectrum - spectrum.mean()).astype(np.float32))


def likeness(one: Fingerprint, other: Fingerprint) -> float:
    """Say how alike two recordings are: the highest correlation of their patterns over small shifts in time.

    Returns
    -------
    float
        About 0 for different recordings, 1 for the same samples; 0 when either hardly moves, as steady noise or a
        tone, or is too short to tell.
    """
    best = 0.0
    for lag in _LAGS:
        a, b = one.pattern[max(0, lag) :], other.pattern[max(0, -lag) :]
        count = min(len(a), len(b))
        if count < _LEAST_FRAMES:
            continue
        a, b = a[:count], b[:count]
        norm = float(np.sqrt(np.vdot(a, a) * np.vdot(b, b)))
        # A pattern of less than 1 dB is the codec's.
        if norm > count * _EDGES_HZ.size:
            best = max(best, float(np.vdot(a, b)) / norm)
    return best


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What was heard of a recording.

    Attributes
    ----------
    audio_sha256
        Of all its samples, mono at 16 kHz as int16.
    duration_s
        Its measured length, in seconds.
    fingerprint
        Of its first seconds.
    """

    audio_sha256: str
    duration_s: float
    fingerprint: Fingerprint


def find_copies(heard: Sequence[Heard]) -> dict[int, int]:
    """Find recordings that are copies of an earlier one.

    A copy of a copy is one too, however much it differs from the first.

    Returns
    -------
    dict
        The place of each copy, and that of the first recording among its like.
    """
    first_of = list(range(len(heard)))

    def first(place: int) -> int:
        while first_of[place] != place:
            place = first_of[place]
        return place

    def join(one: int, other: int) -> None:
        one, other = sorted((first(one), first(other)))
        first_of[other] = one

    first_with: dict[str, int] = {}
    for place, recording in enumerate(heard):
        join(first_with.setdefault(recording.audio_sha256, place), place)
    by_length = sorted((r.duration_s, place) for place, r in enumerate(heard) if first_of[place] == place)
    lengths_s = [length for length, _ in by_length]
    spectra = np.array([heard[place].fingerprint.spectrum for _, place in by_length])
    for at, (length_s, place) in enumerate(by_length):
        end = bisect.bisect_right(lengths_s, length_s + max(0.15, 0.01 * length_s))
        distance_db = np.abs(spectra[at + 1 : end] - spectra[at]).max(axis=1, initial=0.0)
        for near in np.flatnonzero(distance_db <= _SPECTRUM_DB):
            other = by_length[at + 1 + int(near)][1]
            if likeness(heard[place].fingerprint, heard[other].fingerprint) > SAME_RECORDING:
                join(place, other)
    return {place: first(place) for place in range(len(heard)) if first(place) != place}
