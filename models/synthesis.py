"""Functional training sounds that the corpus lacks: noise, tones, machines, vehicles, rain, insects, taps, crowds.

Everything is mono at 16 kHz, float32, at about the level of 0.1 root mean square, and comes from the generator that is
passed in, so that the same seed gives the same sounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

SAMPLE_RATE_HZ: Final = 16_000


def levelled(samples: npt.NDArray[np.floating], rms: float = 0.1) -> Samples:
    """The samples at the given root mean square; silence stays silence."""
    now = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    return (samples * (rms / now if now > 1e-9 else 0.0)).astype(np.float32)


def slow_curve(rng: np.random.Generator, count: int, knots_per_s: float) -> Samples:
    """A smooth random curve between 0 and 1 with about ``knots_per_s`` turns a second."""
    knots = max(3, int(count / SAMPLE_RATE_HZ * knots_per_s) + 2)
    return np.interp(np.linspace(0, knots - 1, count), np.arange(knots), rng.random(knots)).astype(np.float32)


def coloured_noise(rng: np.random.Generator, count: int, slope_db: float | None = None, bumps: int = 0) -> Samples:
    """Noise whose power falls by ``-slope_db`` dB per octave (0 white, -3 pink, -6 brown), with resonances."""
    if slope_db is None:
        slope_db = float(rng.choice([0.0, -3.0, -6.0, rng.uniform(-12, 6)], p=[0.2, 0.2, 0.25, 0.35]))
    spectrum = np.fft.rfft(rng.standard_normal(count).astype(np.float32))
    octaves = np.log2(np.maximum(np.arange(len(spectrum), dtype=np.float32) * SAMPLE_RATE_HZ / count, 20.0) / 1000.0)
    gain_db: npt.NDArray[np.floating] = slope_db * octaves
    for _ in range(bumps):
        centre, width = rng.uniform(-4, 3), rng.uniform(0.1, 1.2)
        gain_db = gain_db + rng.uniform(-12, 18) * np.exp(-(((octaves - centre) / width) ** 2))
    return levelled(np.fft.irfft(spectrum * 10 ** (np.minimum(gain_db, 60) / 20), count))


def moving_noise(rng: np.random.Generator, count: int) -> Samples:
    """Coloured noise, steady or with slowly moving level and colour."""
    noise: npt.NDArray[np.floating] = coloured_noise(rng, count, bumps=int(rng.integers(0, 3)))
    if rng.random() < 0.45:
        other = coloured_noise(rng, count, bumps=int(rng.integers(0, 4)))
        blend = slow_curve(rng, count, rng.uniform(0.1, 1.5))
        noise = noise * np.sqrt(blend) + other * np.sqrt(1 - blend)
    if rng.random() < 0.4:
        noise = noise * 10 ** (slow_curve(rng, count, rng.uniform(0.1, 2)) * rng.uniform(2, 20) / 20)
    return levelled(noise)


def steady_tone(rng: np.random.Generator, count: int) -> Samples:
    """A test tone, a binaural pair, mains hum or an isochronic pulse: one steady pitch, sometimes over faint noise."""
    time_s = np.arange(count, dtype=np.float64) / SAMPLE_RATE_HZ
    kind = rng.integers(4)
    pitch_hz = (
        float(rng.choice([50.0, 60.0, 100.0, 120.0])) if kind == 0 else float(np.exp(rng.uniform(*np.log([45, 5000]))))
    )
    tone = np.zeros(count)
    for harmonic in range(1, int(rng.integers(4, 30)) if kind == 0 else int(rng.choice([1, 1, 2, 4])) + 1):
        if harmonic * pitch_hz < 7900:
            level = rng.random() / harmonic ** rng.uniform(0.3, 1.5) if harmonic > 1 else 1.0
            tone += level * np.sin(2 * np.pi * harmonic * pitch_hz * time_s + rng.uniform(0, 6))
    if kind == 1:
        tone += rng.uniform(0.5, 1) * np.sin(2 * np.pi * (pitch_hz + rng.uniform(0.5, 40)) * time_s)
    if kind == 2:
        pulse = np.sin(2 * np.pi * rng.uniform(0.5, 20) * time_s)
        tone *= 0.5 + 0.5 * pulse if rng.random() < 0.5 else pulse > 0
    if rng.random() < 0.5:
        return levelled(levelled(tone) + coloured_noise(rng, count) * 10 ** (rng.uniform(-40, -6) / 20))
    return levelled(tone)


def machine(rng: np.random.Generator, count: int) -> Samples:
    """An engine, fan or appliance: a wandering harmonic series, beaten by its rotation, over shaped noise."""
    pitch_hz = float(np.exp(rng.uniform(*np.log([18, 400]))))
    wander = 1 + rng.choice([0.002, 0.02, 0.15]) * (slow_curve(rng, count, rng.uniform(0.2, 3)) - 0.5)
    phase = 2 * np.pi * np.cumsum(pitch_hz * wander.astype(np.float64)) / SAMPLE_RATE_HZ
    tone, tilt = np.zeros(count, np.float32), rng.uniform(0.2, 1.6)
    for harmonic in range(1, int(min(24, 7000 / pitch_hz)) + 1):
        tone += (rng.random() / harmonic**tilt) * np.sin(harmonic * phase + rng.uniform(0, 6)).astype(np.float32)
    noise = coloured_noise(rng, count, rng.uniform(-7, 0), bumps=int(rng.integers(1, 5)))
    beat = 1 + rng.uniform(0, 0.9) * np.sin(phase * rng.choice([1.0, 0.5, 1 / 3]) + rng.uniform(0, 6)).astype(
        np.float32
    )
    return levelled(levelled(tone) * 10 ** (rng.uniform(-18, 6) / 20) + noise * beat)


def vehicle(rng: np.random.Generator, count: int) -> Samples:
    """A motor that revs up, idles or passes by: bursts at its firing rate through the resonances of an exhaust."""
    low_hz, high_hz = sorted(np.exp(rng.uniform(np.log(12), np.log(220), 2)))
    sweep = (
        slow_curve(rng, count, float(rng.choice([0.1, 0.4, 1.5])))
        if rng.random() < 0.7
        else np.zeros(count, np.float32)
    )
    rate_hz = low_hz + (high_hz - low_hz) * sweep
    turns = np.cumsum(rate_hz * (1 + 0.02 * rng.standard_normal() * slow_curve(rng, count, 20))) / SAMPLE_RATE_HZ
    bursts = np.diff(np.floor(turns), prepend=0).astype(np.float32)
    # No two strokes are alike, and one cylinder is always a little stronger.
    cylinders = int(rng.choice([1, 2, 4, 6]))
    strength = (rng.uniform(0.5, 1, cylinders)[np.floor(turns).astype(int) % cylinders]) * rng.uniform(0.7, 1, count)
    length = int(SAMPLE_RATE_HZ * rng.uniform(0.004, 0.03))
    time_s = np.arange(4 * length) / SAMPLE_RATE_HZ
    ring = rng.standard_normal(4 * length) * rng.uniform(0.2, 1.5)
    for _ in range(int(rng.integers(1, 5))):
        ring += np.sin(2 * np.pi * np.exp(rng.uniform(*np.log([60, 1500]))) * time_s + rng.uniform(0, 6))
    ring *= np.exp(-np.arange(4 * length) / length)
    size = count + len(ring)
    motor = np.fft.irfft(np.fft.rfft(bursts * strength, size) * np.fft.rfft(ring, size), size)[:count]
    road = coloured_noise(rng, count, rng.uniform(-8, -2), bumps=2) * (0.3 + sweep)
    sound = levelled(levelled(motor) + levelled(road) * 10 ** (rng.uniform(-24, 0) / 20))
    if rng.random() < 0.3:
        sound = levelled(sound * 10 ** (slow_curve(rng, count, rng.uniform(0.2, 0.8)) * rng.uniform(6, 30) / 20))
    return sound


def aircraft(rng: np.random.Generator, count: int) -> Samples:
    """A jet's roar and whine, a propeller's or a rotor's blades: near, passing, or from inside the cabin."""
    time_s = np.arange(count, dtype=np.float64) / SAMPLE_RATE_HZ
    pitch = 1 + rng.choice([0.0, 0.01, 0.1]) * (slow_curve(rng, count, 0.4).astype(np.float64) - 0.5)
    roar = coloured_noise(rng, count, rng.uniform(-6, -1), bumps=int(rng.integers(1, 4)))
    tones = np.zeros(count)
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 5))):
            whine_hz = np.exp(rng.uniform(*np.log([400, 6500])))
            tones += rng.random() * np.sin(2 * np.pi * whine_hz * np.cumsum(pitch) / SAMPLE_RATE_HZ)
        blades_db = rng.uniform(-36, -6)
    else:
        blade_hz = np.exp(rng.uniform(*np.log([10, 160])))
        phase = 2 * np.pi * blade_hz * np.cumsum(pitch) / SAMPLE_RATE_HZ
        for harmonic in range(1, int(min(30, 4000 / blade_hz)) + 1):
            tones += rng.random() / harmonic ** rng.uniform(0.2, 1.2) * np.sin(harmonic * phase + rng.uniform(0, 6))
        roar = roar * (1 + rng.uniform(0, 0.8) * np.sin(phase)).astype(np.float32)
        blades_db = rng.uniform(-12, 9)
    sound = levelled(levelled(roar) + levelled(tones) * 10 ** (blades_db / 20))
    if rng.random() < 0.3:
        passing = np.exp(-(((time_s - rng.uniform(0, 5)) / rng.uniform(0.8, 3)) ** 2))
        sound = sound * (0.03 + passing.astype(np.float32))
    return levelled(sound)


def drops(rng: np.random.Generator, count: int) -> Samples:
    """Rain, dripping water or crackling fire: many short decaying bursts over a bed of noise."""
    per_s = float(np.exp(rng.uniform(*np.log([4, 3000]))))
    impulses = np.zeros(count, np.float32)
    number = max(1, rng.poisson(per_s * count / SAMPLE_RATE_HZ))
    np.add.at(impulses, rng.integers(0, count, number), rng.exponential(1.0, number) ** rng.uniform(1, 2))
    burst = int(SAMPLE_RATE_HZ * rng.uniform(0.001, 0.03))
    time_s = np.arange(4 * burst) / SAMPLE_RATE_HZ
    shape = rng.standard_normal(4 * burst) * (rng.random() < 0.6) + np.sin(
        2 * np.pi * rng.uniform(300, 5000) * time_s * (1 + rng.uniform(-3, 8) * time_s)
    )
    shape = shape * np.exp(-np.arange(4 * burst) / burst)
    size = count + len(shape)
    rain = np.fft.irfft(np.fft.rfft(impulses, size) * np.fft.rfft(shape, size), size)[:count]
    bed = coloured_noise(rng, count, rng.uniform(-6, 2), bumps=2) * 10 ** (rng.uniform(-30, 3) / 20)
    return levelled(levelled(rain) + bed)


def insects(rng: np.random.Generator, count: int) -> Samples:
    """Crickets, cicadas or birds: chirps at high pitch, in trains, over faint noise."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    sound = np.zeros(count)
    for _ in range(int(rng.integers(1, 5))):
        trill = np.sin(2 * np.pi * rng.uniform(8, 90) * time_s + rng.uniform(0, 6)) > rng.uniform(-0.5, 0.5)
        calls = slow_curve(rng, count, rng.uniform(1, 6)) > rng.uniform(0, 0.7)
        glide = 1 + rng.choice([0.0, 0.01, 0.3]) * (slow_curve(rng, count, rng.uniform(4, 30)) - 0.5)
        phase = 2 * np.pi * np.cumsum(rng.uniform(1800, 6500) * glide) / SAMPLE_RATE_HZ
        sound += rng.random() * np.convolve(trill * calls, np.ones(40) / 40, "same") * np.sin(phase)
    return levelled(
        levelled(sound) + coloured_noise(rng, count, rng.uniform(-6, 0)) * 10 ** (rng.uniform(-30, -3) / 20)
    )


def taps(rng: np.random.Generator, count: int) -> Samples:
    """Tapping, scratching and brushing close to the microphone, as in recordings without words for falling asleep."""
    sound = np.zeros(count + SAMPLE_RATE_HZ, np.float32)
    position = 0.0
    gap_s, brushed = float(rng.uniform(0.08, 0.9)), rng.random() < 0.5
    body_hz = rng.uniform(200, 4000)
    while position < count:
        length = int(SAMPLE_RATE_HZ * (rng.uniform(0.1, 0.7) if brushed else rng.uniform(0.01, 0.06)))
        envelope = np.hanning(length) if brushed else np.exp(-np.arange(length) / (length / 5))
        texture = rng.standard_normal(length)
        if brushed:
            texture = np.diff(texture, prepend=0.0)
        else:
            texture = 0.5 * texture + np.sin(
                2 * np.pi * body_hz * rng.uniform(0.9, 1.1) * np.arange(length) / SAMPLE_RATE_HZ
            )
        sound[int(position) : int(position) + length] += (rng.uniform(0.3, 1) * envelope * texture).astype(np.float32)
        position += SAMPLE_RATE_HZ * gap_s * rng.uniform(0.4, 1.7)
    return levelled(levelled(sound[:count]) + coloured_noise(rng, count) * 10 ** (rng.uniform(-45, -20) / 20))


def crackle(rng: np.random.Generator, count: int) -> Samples:
    """A worn record's groove: clicks and pops of all sizes over hiss and rumble; or clicks in a near silence."""
    per_s = float(np.exp(rng.uniform(*np.log([1, 400]))))
    number = max(1, rng.poisson(per_s * count / SAMPLE_RATE_HZ))
    clicks: npt.NDArray[np.floating] = np.zeros(count, np.float32)
    sizes = rng.choice([-1.0, 1.0], number) * rng.pareto(rng.uniform(1.5, 4), number)
    np.add.at(clicks, rng.integers(0, count, number), np.minimum(sizes, 50).astype(np.float32))
    length = int(rng.integers(2, 40))
    clicks = np.convolve(clicks, rng.standard_normal(length) * np.exp(-np.arange(length) / (length / 4)))[:count]
    hiss = coloured_noise(rng, count, rng.uniform(-4, 2)) + coloured_noise(rng, count, -9.0) * rng.uniform(0, 1.5)
    return levelled(levelled(clicks) + levelled(hiss) * 10 ** (rng.uniform(-40, 6) / 20))


def clatter(rng: np.random.Generator, count: int) -> Samples:
    """Cups, steps and chairs: single knocks and rings at odd moments."""
    sound = np.zeros(count + SAMPLE_RATE_HZ, np.float32)
    for _ in range(1 + rng.poisson(rng.uniform(0.5, 4) * count / SAMPLE_RATE_HZ)):
        time_s = np.arange(int(SAMPLE_RATE_HZ * rng.uniform(0.03, 0.4))) / SAMPLE_RATE_HZ
        knock = rng.standard_normal(len(time_s)) * np.exp(-time_s / rng.uniform(0.003, 0.03))
        for _ in range(int(rng.integers(0, 4))):
            ring = np.sin(2 * np.pi * rng.uniform(800, 7000) * time_s + rng.uniform(0, 6))
            knock += rng.random() * ring * np.exp(-time_s / rng.uniform(0.01, 0.15))
        start = int(rng.integers(count))
        sound[start : start + len(knock)] += (rng.exponential() * knock).astype(np.float32)
    return levelled(sound[:count])


def granulated(
    rng: np.random.Generator, clip: Samples, count: int, grain_s: tuple[float, float] = (0.3, 1.6)
) -> Samples:
    """A long bed made of overlapping pieces of a clip, drawn at random and cross-faded."""
    bed = np.zeros(count + int(grain_s[1] * SAMPLE_RATE_HZ) + 1, np.float32)
    position = -int(rng.uniform(0, grain_s[0]) * SAMPLE_RATE_HZ)
    while position < count:
        length = min(len(clip), int(rng.uniform(*grain_s) * SAMPLE_RATE_HZ))
        start = int(rng.integers(0, len(clip) - length + 1))
        piece = clip[start : start + length]
        fade = max(1, min(length // 2, int(0.12 * SAMPLE_RATE_HZ)))
        ramp = np.sin(np.linspace(0, np.pi / 2, fade, dtype=np.float32))
        piece = piece.copy()
        piece[:fade] *= ramp
        piece[-fade:] *= ramp[::-1]
        first = max(0, position)
        bed[first : position + length] += piece[first - position :] if position + length > first else 0
        position += max(length - fade, 400)
    return levelled(bed[:count])


def babble(rng: np.random.Generator, voices: Sequence[Samples], count: int) -> Samples:
    """Many voices at once, none of them understood: a café."""
    sound = np.zeros(count, np.float32)
    for voice in voices:
        sound += np.roll(np.resize(voice, count), int(rng.integers(count))) * rng.uniform(0.5, 1.2)
    return levelled(sound)


#: Synthetic functional sounds by functional_type.
FUNCTIONAL_SOUNDS: Final[dict[str, tuple[Callable[[np.random.Generator, int], Samples], ...]]] = {
    "noise": (moving_noise, moving_noise, moving_noise, crackle),
    "tone": (steady_tone,),
    "machine": (machine, vehicle, aircraft),
    "nature": (drops, insects),
    "asmr": (taps,),
}
