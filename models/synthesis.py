"""Training sounds that the corpus lacks: noise, tones, machines, rain, drones, melodies and voices that sing.

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


def _scale_hz(rng: np.random.Generator, low_hz: float, notes: int) -> npt.NDArray[np.float64]:
    steps = [(0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10)][int(rng.integers(4))]
    degree = np.arange(notes)
    return np.asarray(low_hz * 2 ** ((12 * (degree // len(steps)) + np.take(steps, degree % len(steps))) / 12))


def _melody_pitches(rng: np.random.Generator, notes: int, low_hz: float) -> list[float]:
    scale = _scale_hz(rng, low_hz, 12)
    place = np.clip(np.cumsum(rng.integers(-2, 3, notes)) + 5, 0, 11)
    return [float(scale[p]) for p in place]


def melody(rng: np.random.Generator, count: int) -> Samples:
    """One instrument, or two or three, playing notes of a scale: plucked, struck, blown or bowed, often sparse."""
    sound = np.zeros(count + 2 * SAMPLE_RATE_HZ, np.float32)
    beat_s = float(rng.uniform(0.14, 1.2))
    low_hz = float(np.exp(rng.uniform(*np.log([60, 500]))))
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        plucked, decay_s = rng.random() < 0.6, float(np.exp(rng.uniform(*np.log([0.15, 2.5]))))
        tilt, partials, stretch = rng.uniform(0.5, 2), int(rng.integers(2, 14)), rng.choice([0.0, 0.0, 0.0005, 0.01])
        position = rng.uniform(0, beat_s)
        for pitch_hz in _melody_pitches(rng, int(count / SAMPLE_RATE_HZ / beat_s) + 2, low_hz):
            length_s = beat_s * float(rng.choice([0.5, 1, 1, 2]))
            start = int(position * SAMPLE_RATE_HZ)
            position += length_s
            if start >= count or rng.random() < 0.15:
                continue
            sounding_s = min(2.0, 3 * decay_s if plucked else length_s * rng.uniform(0.6, 1.1))
            time_s = np.arange(int(sounding_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
            vibrato = 0 if plucked else 0.004 * np.sin(2 * np.pi * 5.5 * time_s) / 5.5
            note = np.zeros(len(time_s), np.float32)
            for k in range(1, partials + 1):
                frequency_hz = k * pitch_hz * (1 + stretch * k * k)
                if frequency_hz < 7800:
                    fall = np.exp(-time_s * k**0.5 / decay_s) if plucked else 1.0
                    phase = 2 * np.pi * frequency_hz * (time_s + vibrato) + k
                    note += (fall * np.sin(phase) / k**tilt).astype(np.float32)
            fade = np.minimum(1, np.minimum(time_s / (0.004 if plucked else 0.05), (sounding_s - time_s) / 0.04))
            sound[start : start + len(note)] += note * fade.astype(np.float32) * rng.uniform(0.4, 1)
    sound = sound[:count]
    if not sound.any():
        return melody(rng, count)
    return levelled(levelled(sound) + coloured_noise(rng, count) * 10 ** (rng.uniform(-60, -25) / 20))


def drums(rng: np.random.Generator, count: int) -> Samples:
    """A pattern of struck skins, woods and metals that comes round in time: percussion alone."""
    time_s = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    step = int(SAMPLE_RATE_HZ * rng.uniform(0.09, 0.28))
    steps = int(rng.choice([6, 8, 12, 16]))
    sound = np.zeros(count + SAMPLE_RATE_HZ, np.float32)
    for _ in range(int(rng.integers(1, 5))):
        pitch_hz, decay_s = (
            float(np.exp(rng.uniform(*np.log([45, 1500])))),
            float(np.exp(rng.uniform(*np.log([0.02, 0.4])))),
        )
        skin = np.sin(2 * np.pi * pitch_hz * (time_s + rng.uniform(0, 0.03) * (1 - np.exp(-time_s / 0.03))))
        noise = (
            np.diff(rng.standard_normal(len(time_s)), prepend=0.0)
            if rng.random() < 0.5
            else rng.standard_normal(len(time_s))
        )
        hit = (skin * rng.random() + noise * rng.choice([0.0, 0.1, 0.6, 1.0])) * np.exp(-time_s / decay_s)
        pattern = rng.random(steps) * (rng.random(steps) < rng.uniform(0.15, 0.7))
        pattern[0] = rng.random()
        offset = int(rng.integers(steps))
        for number, start in enumerate(range(0, count, step)):
            strength = pattern[(number + offset) % steps] * rng.uniform(0.8, 1)
            if strength > 0:
                sound[start : start + len(hit)] += (strength * hit).astype(np.float32)
    return levelled(levelled(sound[:count]) + coloured_noise(rng, count) * 10 ** (rng.uniform(-60, -25) / 20))


def drone(rng: np.random.Generator, count: int) -> Samples:
    """A sustained chord of three to six notes of a scale, slowly beating and changing colour: drone music."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    sound = np.zeros(count, np.float32)
    scale = _scale_hz(rng, float(np.exp(rng.uniform(*np.log([45, 260])))), 12)
    for pitch_hz in rng.choice(scale, int(rng.integers(3, 7)), replace=False):
        swell = 0.15 + slow_curve(rng, count, rng.uniform(0.2, 1.5))
        for detune in rng.uniform(-0.006, 0.006, int(rng.integers(1, 4))):
            for k in range(1, int(rng.integers(2, 9))):
                if k * pitch_hz < 7800:
                    phase = 2 * np.pi * k * pitch_hz * (1 + detune) * time_s + rng.uniform(0, 6)
                    sound += (rng.random() / k * np.sin(phase)).astype(np.float32) * swell
    return levelled(levelled(sound) + coloured_noise(rng, count) * 10 ** (rng.uniform(-50, -12) / 20))


def held_chord(rng: np.random.Generator, count: int) -> Samples:
    """Three to six notes of a scale, held without any movement, as an organ or a synthesizer pad holds them: music.

    A single steady pitch is :func:`steady_tone`; here at least two pitches are no octaves of each other.
    """
    time_s = np.arange(count, dtype=np.float64) / SAMPLE_RATE_HZ
    scale = _scale_hz(rng, float(np.exp(rng.uniform(*np.log([50, 600])))), 12)
    first = int(rng.integers(0, 3))
    steps = np.unique(np.concatenate([[first, first + 2, first + 4], rng.integers(0, 12, int(rng.integers(0, 4)))]))
    sound = np.zeros(count)
    partials, tilt = int(rng.choice([1, 1, 2, 4, 8])), float(rng.uniform(0.5, 2))
    for pitch_hz in scale[steps]:
        detune = rng.choice([0.0, 0.0, 0.003]) * rng.uniform(-1, 1)
        for k in range(1, partials + 1):
            if k * pitch_hz < 7800:
                phase = 2 * np.pi * k * pitch_hz * (1 + detune) * time_s + rng.uniform(0, 6)
                sound += rng.uniform(0.5, 1) / k**tilt * np.sin(phase)
    return levelled(levelled(sound) + coloured_noise(rng, count) * 10 ** (rng.uniform(-60, -20) / 20))


def bowls(rng: np.random.Generator, count: int) -> Samples:
    """Struck bowls, bells or chimes: inharmonic partials that beat and die away slowly, struck now and then."""
    time_s = np.arange(count, dtype=np.float64) / SAMPLE_RATE_HZ
    sound = np.zeros(count)
    ratios = np.array([1.0, 2.71, 5.15, 8.1, 11.6]) if rng.random() < 0.6 else np.array([1.0, 2.0, 2.4, 3.0, 4.2])
    every_s = float(rng.uniform(0.8, 6))
    pitches_hz = np.exp(rng.uniform(np.log(90), np.log(1200), int(rng.choice([1, 1, 2, 3]))))
    strike_s = -float(rng.uniform(0, 8)) if rng.random() < 0.5 else float(rng.uniform(0, 0.5))
    while strike_s < count / SAMPLE_RATE_HZ:
        pitch_hz, strength = float(rng.choice(pitches_hz)), float(rng.uniform(0.5, 1))
        since_s = np.maximum(time_s - strike_s, 0)
        for number, ratio in enumerate(ratios):
            frequency_hz = pitch_hz * ratio
            if frequency_hz < 7800:
                ring = np.exp(-since_s / (rng.uniform(2, 9) / (1 + number))) * (time_s >= strike_s)
                beat = 1 + rng.uniform(0, 0.7) * np.sin(2 * np.pi * rng.uniform(0.2, 6) * time_s)
                sound += strength / (1 + number) * ring * beat * np.sin(2 * np.pi * frequency_hz * since_s)
        strike_s += every_s * float(rng.uniform(0.7, 1.4))
    return levelled(levelled(sound) + coloured_noise(rng, count) * 10 ** (rng.uniform(-60, -20) / 20))


def sung_voice(rng: np.random.Generator, speech: Samples, count: int) -> Samples:
    """Speech turned into unaccompanied singing: its slowed spectral envelopes, driven by the pitch of a melody.

    Parameters
    ----------
    speech
        Somebody talking; at least a tenth of a second.
    """
    frame, hop = 1024, 256
    slow = float(rng.uniform(1.5, 4))
    window = np.hanning(frame).astype(np.float32)
    padded = np.pad(speech, (0, max(0, 2 * frame - len(speech))))
    columns = np.lib.stride_tricks.sliding_window_view(padded, frame)[:: int(hop)]
    logarithm = np.log(np.abs(np.fft.rfft(columns * window)) + 1e-4)
    cepstrum = np.fft.irfft(logarithm)
    cepstrum[:, 28:-28] = 0
    envelope = np.exp(np.fft.rfft(cepstrum).real)
    frames = -(-count // hop) + 4
    envelope = envelope[np.minimum((np.arange(frames) / slow).astype(int) % len(envelope), len(envelope) - 1)]

    sound = np.zeros(frames * hop + frame, np.float32)
    for _ in range(int(rng.choice([1, 1, 1, 3]))):
        note_s = rng.uniform(0.25, 1.1)
        pitches = np.array(_melody_pitches(rng, int(count / SAMPLE_RATE_HZ / note_s) + 3, float(rng.uniform(85, 330))))
        place = np.arange(len(sound)) / SAMPLE_RATE_HZ / note_s
        pitch = pitches[np.minimum(place.astype(int), len(pitches) - 1)]
        glide = np.ones(800) / 800
        pitch = np.convolve(np.pad(pitch, (400, 399), "edge"), glide, "valid")[: len(sound)]
        vibrato = 1 + rng.uniform(0, 0.02) * np.sin(
            2 * np.pi * rng.uniform(4.5, 6.5) * np.arange(len(pitch)) / SAMPLE_RATE_HZ
        )
        phase = np.cumsum(pitch * vibrato / SAMPLE_RATE_HZ)
        pulses = np.diff(np.floor(phase), prepend=0).astype(np.float32)
        pulses += rng.uniform(0.002, 0.03) * rng.standard_normal(len(pulses)).astype(np.float32)
        excited = np.lib.stride_tricks.sliding_window_view(pulses, frame)[::hop][:frames]
        voiced = np.fft.irfft(np.fft.rfft(excited * window) * envelope[: len(excited)]) * window
        for index, piece in enumerate(voiced):
            sound[index * hop : index * hop + frame] += piece.astype(np.float32)
    return levelled(sound[frame // 2 : frame // 2 + count])


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


def stretched(rng: np.random.Generator, clip: Samples, count: int) -> Samples:
    """A clip drawn out many times with random phases: pitched pieces become drones."""
    frame = int(rng.choice([4096, 8192, 16384]))
    padded = np.pad(clip, (0, max(0, frame + 1 - len(clip))), "wrap") if len(clip) else np.zeros(frame + 1, np.float32)
    window = np.hanning(frame).astype(np.float32)
    sound = np.zeros(count + 2 * frame, np.float32)
    factor = float(rng.uniform(4, 20))
    for start in range(0, count + frame, frame // 2):
        source = int(start / factor) % (len(padded) - frame)
        magnitude = np.abs(np.fft.rfft(padded[source : source + frame] * window))
        phase = rng.uniform(0, 2 * np.pi, len(magnitude))
        sound[start : start + frame] += (np.fft.irfft(magnitude * np.exp(1j * phase), frame) * window).astype(
            np.float32
        )[: len(sound) - start]
    return levelled(sound[frame // 2 : frame // 2 + count])


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
