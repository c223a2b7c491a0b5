"""Musical training sounds that the corpus lacks: single instruments, percussion, drones, chords and voices that sing.

As those of :mod:`models.synthesis`: mono at 16 kHz, float32, at about the level of 0.1 root mean square, and the same
generator gives the same sounds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.synthesis import SAMPLE_RATE_HZ, Samples, coloured_noise, levelled, slow_curve


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

    A single steady pitch is a tone, not music; here at least two pitches are no octaves of each other.
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
