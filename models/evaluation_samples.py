"""Arithmetic on the sounds of the evaluation set: level, fades, stereo, loops, sums, rooms.

A mono sound has the shape (samples,), a track (samples, channels); both are float, full scale at 1, at ``RATE_HZ``.
Nothing here or in the other ``evaluation_…`` sounds is shared with :mod:`models.synthesis`, which training hears: a
model that has learnt that module's generators must not pass for one that knows the sounds.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import signal

RATE_HZ: Final = 44_100

Samples = npt.NDArray[np.floating[Any]]


def samples_in(seconds: float) -> int:
    """Whole samples in a time, at least one."""
    return max(1, round(seconds * RATE_HZ))


def rms_db(samples: Samples) -> float:
    """Root mean square over all channels in dB re full scale; -200 for silence."""
    return 20 * float(np.log10(max(np.sqrt(np.mean(np.square(samples, dtype=np.float64))), 1e-10)))


def at_rms(samples: Samples, level_db: float = -20.0) -> Samples:
    """The sound at a root mean square of ``level_db`` dB re full scale; silence stays silence."""
    now = rms_db(samples)
    return np.asarray(samples * 10 ** ((level_db - now) / 20)) if now > -180 else samples


def within_full_scale(samples: Samples, peak: float = 0.98) -> Samples:
    """The sound, turned down if its peak is above ``peak``."""
    highest = float(np.abs(samples).max(initial=0))
    return np.asarray(samples * (peak / highest)) if highest > peak else samples


def finished(rng: np.random.Generator, samples: Samples) -> Samples:
    """The sound at a level as tracks have it: -30 to -14 dB re full scale, without clipping."""
    return within_full_scale(at_rms(samples, float(rng.uniform(-30, -14))))


def faded(samples: Samples, in_s: float, out_s: float) -> Samples:
    """The sound with a fade at each end, shaped as half a cosine."""
    result = np.array(samples)
    for seconds, part in ((in_s, slice(None)), (out_s, slice(None, None, -1))):
        count = min(len(result), round(seconds * RATE_HZ))
        ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(count) + 0.5) / max(count, 1))
        result[part][:count] *= ramp if result.ndim == 1 else ramp[:, None]
    return result


def mono(samples: Samples) -> Samples:
    """The mean of the channels, shape (samples,)."""
    return samples if samples.ndim == 1 else samples.mean(axis=1)


def stereo(samples: Samples, other: Samples | None = None, width: float = 1.0) -> Samples:
    """Two channels, shape (samples, 2).

    Parameters
    ----------
    samples
        A mono sound or a track of one or two channels, which then is given back with two.
    other
        A second mono sound of the same length: ``samples`` in the middle and this one at the sides.
    width
        Level of the sides, as a factor.
    """
    if samples.ndim == 2:
        return np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else samples
    sides = np.zeros_like(samples) if other is None else other * width
    return np.stack([samples + sides, samples - sides], axis=1)


def panned(samples: Samples, place: float) -> Samples:
    """A mono sound at a place between left (-1) and right (1), shape (samples, 2)."""
    angle = (place + 1) * np.pi / 4
    return np.asarray(samples[:, None] * np.array([np.cos(angle), np.sin(angle)]))


def looped(clip: Samples, count: int, crossfade_s: float) -> Samples:
    """The clip again and again until there are ``count`` samples, each end cross-faded into the next beginning.

    The cross-fade is at most half the clip; powers add to one in it, as is right for noises.
    """
    if len(clip) >= count:
        return clip[:count]
    fade = min(len(clip) // 2, round(crossfade_s * RATE_HZ))
    ramp = np.sin(np.linspace(0, np.pi / 2, fade)) if fade else np.zeros(0)
    ramp = ramp if clip.ndim == 1 else ramp[:, None]
    piece = np.array(clip, np.float64)
    piece[:fade] *= ramp
    piece[len(piece) - fade :] *= ramp[::-1]
    step = len(clip) - fade
    bed = np.zeros((count + fade + len(clip), *clip.shape[1:]))
    for start in range(0, count + fade, step):
        bed[start : start + len(clip)] += piece[: len(bed) - start]
    return bed[fade : fade + count]


def mixed(first: Samples, second: Samples, ratio_db: float) -> Samples:
    """The sum of two sounds of one length, the second's root mean square ``ratio_db`` dB below the first's."""
    if first.ndim != second.ndim or first.shape[1:] != second.shape[1:]:
        first, second = stereo(first), stereo(second)
    return at_rms(at_rms(first) + at_rms(second) * 10 ** (-ratio_db / 20))


def band_passed(samples: Samples, low_hz: float, high_hz: float, order: int = 2) -> Samples:
    """The sound through a Butterworth band pass."""
    sections = signal.butter(order, [low_hz, high_hz], "bandpass", fs=RATE_HZ, output="sos")
    return np.asarray(signal.sosfilt(sections, samples, axis=0))


def low_passed(samples: Samples, high_hz: float, order: int = 2) -> Samples:
    """The sound through a Butterworth low pass."""
    sections = signal.butter(order, high_hz, "lowpass", fs=RATE_HZ, output="sos")
    return np.asarray(signal.sosfilt(sections, samples, axis=0))


def in_room(rng: np.random.Generator, samples: Samples, decay_s: float, wet_db: float) -> Samples:
    """A mono sound in a room that takes ``decay_s`` to fall by 60 dB; the echoes are ``wet_db`` above the direct sound.

    The response is sparse: pulses of either sign at random times, some 2,000 a second, duller than the sound.
    """
    count = samples_in(decay_s)
    pulses = np.zeros(count)
    places = rng.integers(samples_in(0.005), count, int(2000 * decay_s) + 1)
    pulses[places] = rng.choice([-1.0, 1.0], len(places)) * 0.001 ** (places / count)
    response = low_passed(pulses, 5000, 1)
    response *= 10 ** (wet_db / 20) / float(np.sqrt(np.sum(response**2)))
    response[0] += 1.0
    return np.asarray(signal.fftconvolve(samples, response)[: len(samples)])
