"""What is done to training clips: speed, equaliser, band limits, room, fades, clipping, codecs, and mixing two."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
import numpy.typing as npt

from models.codec_augmentation import coded
from models.synthesis import SAMPLE_RATE_HZ, Samples, levelled
from models.taxonomy import FUNCTIONAL, MUSIC, SPEECH

#: The category of a window that one may argue about: it teaches presence and the teacher's outputs only.
UNDECIDED: Final = None


def at_speed(samples: Samples, speed: float) -> Samples:
    """Play faster or slower, pitch and all, by straight interpolation."""
    count = max(1, int(len(samples) / speed))
    played: Samples = np.interp(np.arange(count) * speed, np.arange(len(samples)), samples).astype(np.float32)
    return played


def spectral_gain(rng: np.random.Generator, bins: int) -> npt.NDArray[np.float32]:
    """Random equaliser with band limits as of small speakers, telephones and codecs; gain per frequency bin."""
    frequency_hz = np.linspace(0, SAMPLE_RATE_HZ / 2, bins, dtype=np.float32)
    octaves = np.log2(np.maximum(frequency_hz, 30.0) / 1000.0)
    gain_db = np.interp(octaves, np.linspace(-5, 3, 7), rng.normal(0, rng.choice([0.5, 3.0, 6.0]), 7))
    if rng.random() < 0.3:
        corner = np.log2(rng.uniform(1500, 7500) / 1000)
        gain_db = gain_db - np.clip(octaves - corner, 0, None) * rng.choice([12.0, 24.0, 200.0])
    if rng.random() < 0.3:
        corner = np.log2(rng.uniform(40, 500) / 1000)
        gain_db = gain_db - np.clip(corner - octaves, 0, None) * rng.choice([6.0, 12.0, 24.0])
    return (10 ** (np.clip(gain_db, -90, 30) / 20)).astype(np.float32)


def loudspeaker(rng: np.random.Generator, samples: Samples) -> Samples:
    """A clip as a small loudspeaker under a ceiling gives it: a band from about 200 to 5,000 Hz, in a room."""
    size = -(-(len(samples) + 16_000) // 4000) * 4000
    octaves = np.log2(np.maximum(np.linspace(0, SAMPLE_RATE_HZ / 2, size // 2 + 1), 10.0) / 1000.0)
    low, high = np.log2(rng.uniform(0.12, 0.4)), np.log2(rng.uniform(2.5, 7.0))
    gain_db = -np.clip(low - octaves, 0, None) * 18 - np.clip(octaves - high, 0, None) * 18
    spectrum = np.fft.rfft(samples, size) * 10 ** (np.maximum(gain_db, -90) / 20)
    spectrum = spectrum * room_response(rng, len(spectrum), size)
    heard: Samples = np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)
    return heard


def room_response(rng: np.random.Generator, bins: int, count: int) -> npt.NDArray[np.complex64]:
    """Spectrum of a small or large room: the direct sound and decaying noise."""
    length = int(SAMPLE_RATE_HZ * rng.uniform(0.05, 1.2))
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= 10 ** (rng.uniform(-14, 2) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    spectrum: npt.NDArray[np.complex64] = np.fft.rfft(tail.astype(np.float32), count)[:bins].astype(np.complex64)
    return spectrum


def coloured(rng: np.random.Generator, samples: Samples) -> Samples:
    """A clip through a random equaliser and, one time in four, a room."""
    # A multiple of 4000 keeps the transform fast; the room's tail must not wrap round to the start.
    size = -(-(len(samples) + 8000) // 4000) * 4000
    spectrum = np.fft.rfft(samples, size)
    spectrum = spectrum * spectral_gain(rng, len(spectrum))
    if rng.random() < 0.25:
        spectrum = spectrum * room_response(rng, len(spectrum), size)
    heard: Samples = np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)
    return heard


def damaged(rng: np.random.Generator, samples: Samples, coded_share: float = 0.0) -> Samples:
    """Clipped, coarsely quantised, or as it was; then, in ``coded_share`` of the cases, through a lossy codec."""
    samples = _distorted(rng, samples)
    # Shorter than this a codec's own frames are most of what is heard.
    if rng.random() < coded_share and len(samples) >= 0.3 * SAMPLE_RATE_HZ:
        return coded(rng, samples)
    return samples


def faded(rng: np.random.Generator, samples: Samples) -> Samples:
    """A clip that swells or dies away by up to 40 dB, over all of it or a part."""
    depth_db = rng.uniform(6, 40)
    begin, end = sorted(rng.uniform(-0.3, 1.3, 2))
    place = np.linspace(0, 1, len(samples), dtype=np.float32)
    ramp = np.clip((place - begin) / max(end - begin, 0.05), 0, 1)
    shape = ramp if rng.random() < 0.5 else 1 - ramp
    swelling: Samples = (samples * 10 ** (-depth_db * shape / 20)).astype(np.float32)
    return swelling


def _distorted(rng: np.random.Generator, samples: Samples) -> Samples:
    chance = rng.random()
    if chance < 0.06:
        limit = float(np.quantile(np.abs(samples), rng.uniform(0.8, 0.99))) + 1e-6
        return np.clip(samples, -limit, limit)
    if chance < 0.10:
        step = (float(np.abs(samples).max()) + 1e-6) / rng.choice([16, 64, 128])
        quantised: Samples = (np.round(samples / step) * step).astype(np.float32)
        return quantised
    return samples


@dataclasses.dataclass(frozen=True, slots=True)
class MixLabel:
    """What a mix of two clips is.

    Attributes
    ----------
    category
        Its category, or ``UNDECIDED``.
    presence
        Categories that are heard.
    takes_type_of
        0 or 1: the clip whose functional type is that of the mix; None when it has none or both are as loud.
    lead_db
        How far the category that decides, speech before music before functional sound, lies above the other one, in
        decibels; None for two clips of one category.
    """

    category: str | None
    presence: frozenset[str]
    takes_type_of: int | None = None
    lead_db: float | None = None


def mix_label(first: str, second: str, ratio_db: float) -> MixLabel:
    """The label of ``first`` mixed with ``second``, ``ratio_db`` decibels below it (above, when negative).

    Examples
    --------
    >>> mix_label("music", "functional", 3.0).category
    'music'
    >>> mix_label("functional", "music", 3.0).category is UNDECIDED
    True
    >>> mix_label("speech", "music", -2.0).category
    'speech'
    """
    if first == second:
        louder = None if abs(ratio_db) < 6 else int(ratio_db < 0)
        return MixLabel(first, frozenset({first}), louder if first == FUNCTIONAL else None)
    # The one that decides stands first: speech before music before functional sound.
    swapped = (first, second) in ((MUSIC, SPEECH), (FUNCTIONAL, SPEECH), (FUNCTIONAL, MUSIC))
    leading, other, lead_db = (second, first, -ratio_db) if swapped else (first, second, ratio_db)
    presence = {leading, other}
    if lead_db < -20:
        presence.discard(leading)
    if lead_db > 25:
        presence.discard(other)
    if lead_db >= (-3 if leading == SPEECH else -1):
        return MixLabel(leading, frozenset(presence), lead_db=lead_db)
    # Too faint to be what the track is about, yet far from absent: only beyond these is it the other one.
    if lead_db <= (-16 if leading == SPEECH else -22):
        return MixLabel(other, frozenset(presence), int(not swapped) if other == FUNCTIONAL else None, lead_db)
    return MixLabel(UNDECIDED, frozenset(presence), lead_db=lead_db)


def mixed(first: Samples, second: Samples, ratio_db: float) -> Samples:
    """The sum of two clips of one length, the second ``ratio_db`` decibels below the first."""
    return levelled(levelled(first) + levelled(second) * np.float32(10 ** (-ratio_db / 20)))
