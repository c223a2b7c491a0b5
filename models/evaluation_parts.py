"""The parts of the evaluation set that are real recordings: cut, mixed, encoded, made louder, looped, drawn out."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from models import evaluation_drones, evaluation_scenes
from models.augmentation import mix_label
from models.evaluation_noise import NOISES, noise_track
from models.evaluation_samples import Samples, faded, finished, looped, mixed, mono, samples_in, stereo
from models.evaluation_sources import Piece, Sources
from models.evaluation_track import REVIEW, EvaluationTrack, Tracks, from_piece
from models.lossy_codecs import CODEC_SETTINGS
from models.loudness import at_loudness
from models.taxonomy import CATEGORIES, FUNCTIONAL, MUSIC, SPEECH

#: Functional types whose short recordings are looped to long beds, and that are laid under music and speech.
BED_TYPES: Final = ("nature", "machine", "ambience", "noise")
MIX_LEVELS_DB: Final = (-12.0, -6.0, 0.0, 6.0, 12.0)
LOUDNESS_LEVELS_LUFS: Final = (-40.0, -23.0, -14.0, -6.0)
#: What is mixed with what, and that often: the label's rule has a case for each.
_MIXES: Final = (
    (MUSIC, FUNCTIONAL), (SPEECH, FUNCTIONAL), (MUSIC, FUNCTIONAL), (SPEECH, MUSIC), (FUNCTIONAL, FUNCTIONAL)
)  # fmt: skip


def short_cuts(sources: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """5 to 10 s of one recording, each category in turn."""
    yield _cut("short_cuts", sources, rng, number, 5.0, 10.0)


def very_short_cuts(sources: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """2 to 5 s of one recording, each category in turn."""
    yield _cut("very_short_cuts", sources, rng, number, 2.0, 5.0)


def _cut(
    name: str, sources: Sources, rng: np.random.Generator, number: int, low_s: float, high_s: float
) -> EvaluationTrack:
    label, turn = CATEGORIES[number % 3], number // 3
    # Every other piece of speech may be joined from words and short sentences, as most speech of a corpus is.
    joined = label == SPEECH and turn % 2 == 1
    recording = sources.in_turn(name, turn, label, shortest_s=0.3 if joined else high_s)
    piece = sources.cut(rng, recording, float(rng.uniform(low_s, high_s)))
    return from_piece(piece, piece.samples, name)


def mixes(sources: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """10 to 20 s of two sounds at one of ``MIX_LEVELS_DB``, labelled by the rule that training goes by."""
    ratio_db, turn = MIX_LEVELS_DB[number % len(MIX_LEVELS_DB)], number // len(MIX_LEVELS_DB)
    first_label, second_label = _MIXES[turn % len(_MIXES)]
    seconds = float(rng.uniform(10, 20))
    kinds = BED_TYPES if first_label == FUNCTIONAL and sources.has(FUNCTIONAL, BED_TYPES) else ()
    first = sources.cut(rng, sources.in_turn("mixes", number, first_label, kinds), seconds)
    kind, package = first.recording.subtype, first.recording.package
    if second_label == FUNCTIONAL:
        # Two functional sounds are of one type, so that the mix has a type.
        of_type = first.recording.functional_type if first_label == FUNCTIONAL else None
        samples, origin, second_kind = _bed(sources, rng, number, seconds, (of_type,) if of_type else BED_TYPES)
    else:
        second = sources.cut(rng, sources.in_turn("mixes under", number, second_label), seconds)
        samples, origin, second_kind = second.samples, second.origin, second.recording.subtype
    rule = mix_label(first_label, second_label, ratio_db)
    label = rule.category or first_label
    if label == FUNCTIONAL and rule.takes_type_of == 1:
        kind = second_kind
    track = mixed(stereo(first.samples), stereo(samples), ratio_db)
    yield EvaluationTrack(
        # Half of them in one channel.
        finished(rng, mono(track) if turn % 2 else track), label, kind, package, "mixes",
        f"{first.origin} with {origin}", mix_db=ratio_db, expected_decision="" if rule.category else REVIEW,
    )  # fmt: skip


def _bed(
    sources: Sources, rng: np.random.Generator, number: int, seconds: float, kinds: tuple[str, ...]
) -> tuple[Samples, str, str]:
    """Something to lay under another sound, its origin and its subtype: recorded, or synthetic one time in three."""
    count = samples_in(seconds)
    if (number % 3 == 2 and len(kinds) > 1) or not sources.has(FUNCTIONAL, kinds):
        if rng.random() < 0.5:
            return evaluation_scenes.rain(rng, count), "synthetic rain", "rain"
        colour = str(rng.choice(list(NOISES)))
        return noise_track(rng, count, colour), f"synthetic {colour} noise", "noise"
    piece = sources.cut(rng, sources.in_turn("beds under", number, FUNCTIONAL, kinds), seconds)
    return piece.samples, piece.origin, piece.recording.subtype


def _same_track(sources: Sources, rng: np.random.Generator, number: int) -> Piece:
    """The track that ``codecs`` and ``loudness`` both work on: 8 to 14 s of each category in turn."""
    label = CATEGORIES[number % 3]
    return sources.cut(rng, sources.in_turn("pairs", number // 3, label, shortest_s=5.0), float(rng.uniform(8, 14)))


def codecs(sources: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """One track in every setting of ``CODEC_SETTINGS``."""
    piece = _same_track(sources, rng, number)
    track = from_piece(piece, finished(rng, piece.samples), "codecs")
    for setting in CODEC_SETTINGS:
        yield dataclasses.replace(track, codec=setting, pair=f"codecs-{number:03}")


def loudness(sources: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """One track at each of ``LOUDNESS_LEVELS_LUFS``, clipped where it takes that."""
    piece = _same_track(sources, rng, number)
    for lufs in LOUDNESS_LEVELS_LUFS:
        track = from_piece(piece, at_loudness(piece.samples, lufs), "loudness")
        yield dataclasses.replace(track, loudness_lufs=lufs, pair=f"loudness-{number:03}")


def long_beds(sources: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """One to three minutes made of a short recording, as uploaders make them: looped, widened, faded in and out."""
    recording = sources.in_turn("long_beds", number, FUNCTIONAL, BED_TYPES)
    # A few seconds are looped even where there are more: that the sound comes again is what makes such beds hard.
    piece = sources.cut(rng, recording, min(sources.duration_s(recording), float(rng.uniform(4, 12))))
    count, fade_s = samples_in(float(rng.uniform(60, 180))), float(rng.uniform(0.1, 1.5))
    clip = mono(piece.samples)
    sides = looped(np.roll(clip, len(clip) // 2), count, fade_s)
    bed = stereo(looped(clip, count, fade_s), sides, float(rng.choice([0.0, rng.uniform(0.3, 0.9)])))
    bed = faded(bed, float(rng.uniform(0.5, 6)), float(rng.uniform(0.5, 8)))
    made = f"{piece.origin} again and again, cross-faded"
    yield dataclasses.replace(from_piece(piece, finished(rng, bed), "long_beds"), origin=made)


def slowed_music(sources: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """Music drawn out four to eight times, from a place with pitch structure: ambient music."""
    seconds = float(rng.uniform(10, 30))
    tries = []
    for attempt in range(5):
        recording = sources.in_turn("slowed_music", 5 * number + attempt, MUSIC)
        piece = sources.cut(rng, recording, seconds / float(rng.uniform(4, 8)))
        tries.append((evaluation_drones.flatness(mono(piece.samples)), piece))
        if tries[-1][0] < evaluation_drones.PITCHED_FLATNESS:
            break
    piece = min(tries, key=lambda found: found[0])[1]
    sound = evaluation_drones.drawn_out(rng, mono(piece.samples), samples_in(seconds))
    track = from_piece(piece, finished(rng, faded(sound, 1.0, 1.0)), "slowed_music")
    yield dataclasses.replace(track, origin=f"{piece.origin} drawn out")
