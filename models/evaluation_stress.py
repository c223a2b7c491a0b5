"""The parts of the evaluation set that are synthetic, and the scenes in which recordings are heard through noise."""

from __future__ import annotations

import dataclasses

import numpy as np

from models import evaluation_drones, evaluation_instruments, evaluation_noise, evaluation_scenes
from models.evaluation_percussion import groove
from models.evaluation_samples import RATE_HZ, Samples, finished, mixed, mono, samples_in, stereo
from models.evaluation_sources import Piece, Sources
from models.evaluation_track import REVIEW, EvaluationTrack, Tracks, from_piece
from models.evaluation_voice import sung
from models.taxonomy import FUNCTIONAL, MUSIC, SPEECH


def solo_instruments(_: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """One instrument alone for 8 to 30 s, each of the instruments in turn."""
    names = list(evaluation_instruments.INSTRUMENTS)
    name = names[number % len(names)]
    sound = evaluation_instruments.solo(rng, float(rng.uniform(8, 30)), name)
    yield _synthetic(finished(rng, sound), MUSIC, name, "solo_instruments", f"synthetic {name}")


def sung_voice(_: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """Somebody sings vowels alone for 8 to 30 s."""
    sound, name = sung(rng, float(rng.uniform(8, 30)))
    yield _synthetic(finished(rng, sound), MUSIC, name, "sung_voice", f"synthetic {name}")


def percussion(_: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """Drums alone for 8 to 30 s."""
    sound, name = groove(rng, float(rng.uniform(8, 30)))
    yield _synthetic(finished(rng, sound), MUSIC, "percussion", "percussion", f"synthetic groove {name}")


def drones(_: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """A held chord of many grains for 8 to 30 s."""
    sound = evaluation_drones.granular_pad(rng, float(rng.uniform(8, 30)))
    yield _synthetic(finished(rng, sound), MUSIC, "drone", "drones", "synthetic granular pad")


def noise(_: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """Noise of each colour in turn, 8 to 20 s."""
    colours = list(evaluation_noise.NOISES)
    colour = colours[number % len(colours)]
    sound = evaluation_noise.noise_track(rng, samples_in(float(rng.uniform(8, 20))), colour)
    yield _synthetic(finished(rng, sound), FUNCTIONAL, "noise", f"noise_{colour}", f"synthetic {colour} noise")


def silence(_: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """Silence of each kind in turn, 6 to 30 s; one time in six with clicks that can be heard, a slice of its own."""
    kinds = (*evaluation_noise.SILENCES, "clicks")
    kind = kinds[number % len(kinds)]
    sound = evaluation_noise.silence_track(rng, samples_in(float(rng.uniform(6, 30))), kind)
    name = "silence_clicks" if kind == "clicks" else "silence"
    yield _synthetic(sound, FUNCTIONAL, "silence", name, f"synthetic silence, {kind}")


def tones(_: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """One steady tone of each kind in turn, 6 to 20 s."""
    kind = evaluation_noise.TONES[number % len(evaluation_noise.TONES)]
    sound = evaluation_noise.tone_track(rng, samples_in(float(rng.uniform(6, 20))), kind)
    yield _synthetic(finished(rng, sound), FUNCTIONAL, "tone", "tones", f"synthetic tone, {kind}")


def _synthetic(samples: Samples, label: str, subtype: str, name: str, origin: str) -> EvaluationTrack:
    return EvaluationTrack(samples, label, subtype, f"synthetic-{name}", name, origin)


def music_under_rain_0db(sources: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """Music and rain, equally strong: synthetic rain, and the recorded rain of the split every third time."""
    piece = _music(sources, rng, number)
    if number % 3 == 2 and sources.has(FUNCTIONAL, ("rain",)):
        recording = sources.in_turn("rain", number // 3, FUNCTIONAL, ("rain",))
        rain = sources.cut(rng, recording, len(piece.samples) / RATE_HZ)
        over, origin = rain.samples[: len(piece.samples)], rain.origin
    else:
        over, origin = evaluation_scenes.rain(rng, len(piece.samples)), "synthetic rain"
    yield _over_music(rng, piece, over, origin, "music_under_rain_0db")


def music_under_vinyl_0db(sources: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """Music and the noise of an old record, equally strong."""
    piece = _music(sources, rng, number)
    over = evaluation_scenes.vinyl(rng, len(piece.samples))
    yield _over_music(rng, piece, over, "synthetic vinyl noise", "music_under_vinyl_0db")


def _music(sources: Sources, rng: np.random.Generator, number: int) -> Piece:
    return sources.cut(rng, sources.in_turn("music under noise", number, MUSIC), float(rng.uniform(8, 16)))


def _over_music(rng: np.random.Generator, piece: Piece, over: Samples, origin: str, name: str) -> EvaluationTrack:
    track = from_piece(piece, finished(rng, mixed(stereo(piece.samples), over, 0.0)), name)
    return dataclasses.replace(track, origin=f"{piece.origin} with {origin}", mix_db=0.0)


def cafe_talk(sources: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """People talking in a café: is it speech or an ambience? Labelled speech, and for a person to decide."""
    seconds = float(rng.uniform(12, 25))
    talkers = _voices(sources, rng, int(rng.integers(2, 5)), seconds, number)
    others = _voices(sources, rng, 5, seconds, number + 1000)
    sound = evaluation_scenes.cafe_talk(
        rng, [mono(t.samples) for t in talkers], [mono(t.samples) for t in others], samples_in(seconds)
    )
    track = from_piece(talkers[0], finished(rng, sound), "cafe_talk")
    yield dataclasses.replace(track, origin=f"{len(talkers)} talkers, babble and cups", expected_decision=REVIEW)


def shop_music(sources: Sources, rng: np.random.Generator, number: int) -> Tracks:
    """Music as it is heard in a shop: is it music or an ambience? Labelled music, and for a person to decide."""
    seconds = float(rng.uniform(12, 25))
    music = sources.cut(rng, sources.in_turn("shop_music", number, MUSIC), seconds)
    others = _voices(sources, rng, 5, seconds, number)
    sound = evaluation_scenes.shop_music(
        rng, mono(music.samples), [mono(t.samples) for t in others], samples_in(seconds)
    )
    track = from_piece(music, finished(rng, sound), "shop_music")
    yield dataclasses.replace(track, origin=f"{music.origin}, chatter and steps", expected_decision=REVIEW)


def _voices(sources: Sources, rng: np.random.Generator, count: int, seconds: float, number: int) -> list[Piece]:
    return [sources.cut(rng, sources.in_turn("voices", 7 * number + i, SPEECH), seconds) for i in range(count)]
