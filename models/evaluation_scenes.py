"""Scenes of the stress set: rain, an old record's surface, people talking in a café, music in a shop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import signal

from models.evaluation_noise import brown, pink, white
from models.evaluation_percussion import CUP, SKIN, struck
from models.evaluation_samples import (
    RATE_HZ,
    Samples,
    at_rms,
    band_passed,
    in_room,
    low_passed,
    mixed,
    panned,
    samples_in,
    stereo,
)


def rain(rng: np.random.Generator, count: int) -> Samples:
    """Rain in stereo: drops of several sizes, each a bubble that rings for a moment, over the hiss of the many.

    Returns
    -------
    numpy.ndarray
        Shape (count, 2).
    """
    sides = []
    per_s = float(np.exp(rng.uniform(np.log(30), np.log(900))))
    hiss_db, low_db = float(rng.uniform(-15, 6)), float(rng.uniform(-30, -10))
    sizes_hz = np.exp(rng.uniform(np.log(700), np.log(9000), 7))
    for _ in range(2):
        drops = np.zeros(count)
        for size_hz in sizes_hz:
            falls = np.zeros(count)
            number = rng.poisson(per_s / len(sizes_hz) * count / RATE_HZ)
            falls[rng.integers(0, count, number)] = rng.lognormal(0, 0.8, number)
            time_s = np.arange(samples_in(0.03)) / RATE_HZ
            bubble = np.sin(2 * np.pi * size_hz * (1 + 2 * time_s) * time_s) * np.exp(
                -time_s / rng.uniform(0.001, 0.006)
            )
            drops += signal.fftconvolve(falls, bubble)[:count]
        hiss = band_passed(white(rng, count), 900, 11_000, 1)
        side = at_rms(hiss) * 10 ** (hiss_db / 20) + at_rms(drops) + at_rms(brown(rng, count)) * 10 ** (low_db / 20)
        sides.append(at_rms(side))
    return np.stack(sides, axis=1)


def vinyl(rng: np.random.Generator, count: int) -> Samples:
    """The surface of an old record: hiss, rumble, crackle, and scratches that come again with every turn.

    Returns
    -------
    numpy.ndarray
        Shape (count, 2).
    """
    clicks = np.zeros(count)
    number = rng.poisson(float(np.exp(rng.uniform(np.log(8), np.log(150)))) * count / RATE_HZ)
    clicks[rng.integers(0, count, number)] = np.minimum(1 + rng.pareto(2.0, number), 8) * rng.choice([-1, 1], number)
    # 33 1/3 turns a minute.
    for offset in rng.integers(0, samples_in(1.8), int(rng.integers(0, 4))):
        clicks[offset :: samples_in(1.8)] += 6.0 * rng.choice([-1, 1])
    crackle = at_rms(band_passed(clicks, 300, 9000, 1))
    hiss = at_rms(pink(rng, count)) * 10 ** (rng.uniform(-6, 6) / 20)
    rumble = at_rms(low_passed(brown(rng, count), 45, 2)) * 10 ** (rng.uniform(-20, -4) / 20)
    other = at_rms(pink(rng, count)) * 10 ** (rng.uniform(-12, 0) / 20)
    return at_rms(stereo(crackle + hiss + rumble, other, 0.4))


def _hits(rng: np.random.Generator, count: int, kind: str) -> Samples:
    """Cups and saucers, or somebody walking by, shape (count, 2)."""
    track = np.zeros((count, 2))
    position, step_s, place = float(rng.uniform(0, 2)), float(rng.uniform(0.48, 0.62)), float(rng.uniform(-0.8, 0.8))
    while position * RATE_HZ < count:
        if kind == "cups":
            hit = struck(rng, float(rng.uniform(1400, 3800)), CUP, float(rng.uniform(0.08, 0.35)), 0.4)
            place = float(rng.uniform(-0.9, 0.9))
            gap_s = float(rng.choice([rng.uniform(0.05, 0.2), rng.exponential(1.5)]))
        else:
            hit = struck(rng, float(rng.uniform(70, 120)), SKIN, 0.12, 1.5)
            gap_s = step_s * float(rng.uniform(0.95, 1.05)) + (float(rng.uniform(1, 4)) if rng.random() < 0.06 else 0)
        start = int(position * RATE_HZ)
        hit = panned(hit * rng.uniform(0.2, 1), place)[: count - start]
        track[start : start + len(hit)] += hit
        position += gap_s
    return track


def _chatter(rng: np.random.Generator, voices: Sequence[Samples], count: int) -> Samples:
    """Many voices at once in a room, none of them understood, shape (count, 2)."""
    track = np.zeros((count, 2))
    for voice in voices:
        for _ in range(2):
            moved = np.roll(np.resize(voice, count), int(rng.integers(count)))
            track += panned(at_rms(moved) * rng.uniform(0.4, 1), float(rng.uniform(-1, 1)))
    return np.stack([in_room(rng, low_passed(side, 3500, 1), 0.9, 3.0) for side in track.T], axis=1)


def cafe_talk(rng: np.random.Generator, talkers: Sequence[Samples], others: Sequence[Samples], count: int) -> Samples:
    """A table at which two to four people talk in turn, the café behind them, and its cups.

    Parameters
    ----------
    talkers, others
        Mono speech of ``count`` samples each: of those at the table, and of all the rest.

    Returns
    -------
    numpy.ndarray
        Shape (count, 2).
    """
    table = np.zeros((count, 2))
    turn = np.floor(np.cumsum(rng.random(count // RATE_HZ + 2) < 0.4)) + rng.integers(len(talkers))
    for number, talk in enumerate(talkers):
        speaks = (turn % len(talkers) == number).astype(float)
        heard = at_rms(talk) * np.interp(np.arange(count) / RATE_HZ, np.arange(len(speaks)), speaks)
        table += panned(in_room(rng, heard, 0.7, float(rng.uniform(-8, 2))), float(rng.uniform(-0.7, 0.7)))
    background = mixed(_chatter(rng, others, count), _hits(rng, count, "cups"), float(rng.uniform(6, 16)))
    return mixed(table, background, float(rng.uniform(-3, 5)))


def shop_music(rng: np.random.Generator, music: Samples, others: Sequence[Samples], count: int) -> Samples:
    """Music from a small loudspeaker in the ceiling, with people who walk by and talk.

    Parameters
    ----------
    music
        Mono, ``count`` samples.
    others
        Mono speech of ``count`` samples each.

    Returns
    -------
    numpy.ndarray
        Shape (count, 2).
    """
    speaker = np.tanh(3 * band_passed(at_rms(music), float(rng.uniform(200, 400)), float(rng.uniform(3000, 5500))))
    heard = stereo(in_room(rng, speaker, float(rng.uniform(0.8, 1.8)), float(rng.uniform(0, 6))))
    people = mixed(_chatter(rng, others, count), _hits(rng, count, "steps"), float(rng.uniform(6, 14)))
    return mixed(heard, people, float(rng.uniform(-4, 4)))
