"""From labelled recordings to training windows: draw, cut, augment, mix, and say what the result is. No TensorFlow."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from models import augmentation, synthesis, synthetic_music
from models.labels_of_corpus import Recording
from models.synthesis import Samples
from models.taxonomy import CATEGORIES, FUNCTIONAL, FUNCTIONAL_TYPES, MUSIC, SPEECH
from models.training_config import PoolConfig

SAMPLE_RATE_HZ: Final = 16_000
WINDOW_SAMPLES: Final = 80_000
_SHORTEST_SAMPLES: Final = 4_800

#: How often each type is drawn among functional recordings.
_TYPE_SHARES: Final = {
    "nature": 0.35,
    "machine": 0.2,
    "sound_effect": 0.24,
    "ambience": 0.13,
    "noise": 0.05,
    None: 0.03,
}
#: Types whose short clips are also made into long beds.
_BED_TYPES: Final = ("nature", "machine", "ambience", "noise")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TrainingWindow:
    """One drawn window and what is known of it.

    Attributes
    ----------
    samples
        Shape (80000,), int16 at 16 kHz; zeros behind ``valid_samples``.
    valid_samples
        How many samples are audio.
    category
        Index in ``CATEGORIES``, or -1 when one may argue about it: what is then heard is in ``presence``.
    functional_type
        Index in ``FUNCTIONAL_TYPES``, or -1 when unknown or not functional.
    presence
        Whether each category is heard, shape (3,).
    """

    samples: npt.NDArray[np.int16]
    valid_samples: int
    category: int
    functional_type: int
    presence: npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A sound before mixing.

    Attributes
    ----------
    samples
        Mono at 16 kHz, float32, at most 5 s.
    category
        One of ``CATEGORIES``, or ``UNDECIDED`` when one may argue about it; then it is not mixed any further.
    functional_type
        Its type, if it is functional and known.
    argued
        What an undecided clip may be.
    """

    samples: Samples
    category: str | None
    functional_type: str | None = None
    argued: tuple[str, ...] = ()


class WindowSource:
    """Draws training windows; the same seed and index always give the same window.

    Parameters
    ----------
    recordings
        Labelled recordings to draw from, all of one split.
    audio
        Gives all samples of the recording with that index, int16 at 16 kHz.
    config
        Shares of what is drawn.
    seed
        With the window's index, the seed of its generator.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        audio: Callable[[int], npt.NDArray[np.int16]],
        config: PoolConfig,
        seed: int,
    ) -> None:
        self._audio = audio
        self._config = config
        self._seed = seed
        self._recordings = list(recordings)
        groups: dict[tuple[str, str | None, str], list[int]] = collections.defaultdict(list)
        for index, recording in enumerate(recordings):
            if recording.functional_type != "silence" and len(audio(index)) >= 0.1 * SAMPLE_RATE_HZ:
                # Packages differ in style, subtypes of functional sound in kind: each group is drawn alike.
                group = recording.subtype if recording.label == FUNCTIONAL else recording.package
                groups[recording.label, recording.functional_type, group].append(index)
        self._groups: dict[str, dict[str | None, list[list[int]]]] = {category: {} for category in CATEGORIES}
        for (label, functional_type, _), members in groups.items():
            self._groups[label].setdefault(functional_type, []).append(members)
        shares = config.shares.model_dump()
        self._kinds = list(shares)
        self._kind_share = np.array(list(shares.values())) / sum(shares.values())

    def window(self, index: int) -> TrainingWindow:
        """The window with that index."""
        rng = np.random.default_rng((self._seed, index))
        for _ in range(5):
            window = self._draw(rng)
            if window is not None:
                return window
        noise = Clip(synthesis.moving_noise(rng, WINDOW_SAMPLES), FUNCTIONAL, "noise")
        return _finished(rng, noise, self._config.coded_share)

    def _draw(self, rng: np.random.Generator) -> TrainingWindow | None:
        first = self._clip(rng, str(rng.choice(self._kinds, p=self._kind_share)), WINDOW_SAMPLES)
        length = len(first.samples)
        if rng.random() < self._config.short_share:
            length = min(length, int(SAMPLE_RATE_HZ * np.exp(rng.uniform(np.log(0.3), np.log(5)))))
        start = int(rng.integers(0, len(first.samples) - length + 1))
        first = dataclasses.replace(first, samples=first.samples[start : start + length])
        if float(np.abs(first.samples).max(initial=0)) < 1e-4:
            return None
        if first.category is None or rng.random() >= self._config.mixed_share:
            return _finished(rng, first, self._config.coded_share)
        kinds = ("functional_recording", "functional_synthetic", "music_recording", "speech_recording", "babble")
        second = self._clip(rng, str(rng.choice(kinds, p=(0.42, 0.18, 0.22, 0.15, 0.03))), length)
        if second.category is None or not second.samples.any():
            return None
        filled = (
            np.resize(second.samples, length) if len(second.samples) >= length else _placed(rng, second.samples, length)
        )
        ratio_db = float(rng.triangular(-14, 4, 26))
        label = augmentation.mix_label(first.category, second.category, ratio_db)
        return _finished(
            rng,
            dataclasses.replace(first, samples=augmentation.mixed(first.samples, filled, ratio_db)),
            self._config.coded_share,
            label,
            (first.functional_type, second.functional_type),
        )

    def _clip(self, rng: np.random.Generator, kind: str, count: int) -> Clip:
        if kind == "functional_synthetic":
            functional_type = str(
                rng.choice(["noise", "tone", "machine", "nature", "asmr"], p=[0.32, 0.16, 0.3, 0.16, 0.06])
            )
            makers = synthesis.FUNCTIONAL_SOUNDS[functional_type]
            samples = makers[int(rng.integers(len(makers)))](rng, count)
            clip = Clip(samples, FUNCTIONAL, functional_type)
        elif kind == "music_synthetic":
            makers = (synthetic_music.melody, synthetic_music.drone, synthetic_music.drums, synthetic_music.held_chord)
            clip = Clip(makers[int(rng.choice(4, p=[0.4, 0.2, 0.27, 0.13]))](rng, count), MUSIC)
        elif kind == "bowls":
            # Nobody can tell from the sound alone whether it is a piece of music.
            clip = Clip(synthetic_music.bowls(rng, count), augmentation.UNDECIDED, argued=(MUSIC, FUNCTIONAL))
        elif kind == "cafe_talk":
            # Two or three people at the next table: not speech that somebody published, and not a mere bed either.
            talkers = [self._talk(rng, count) for _ in range(int(rng.integers(2, 4)))]
            talk = synthesis.babble(rng, [t for t in talkers if len(t)], count)
            room = augmentation.mixed(self._crowd(rng, count), synthesis.clatter(rng, count), rng.uniform(0, 20))
            samples = augmentation.mixed(talk, room, rng.uniform(-3, 9))
            clip = Clip(samples, augmentation.UNDECIDED, argued=(FUNCTIONAL, SPEECH))
        elif kind == "shop_music":
            music = self._looped(rng, self._piece(rng, MUSIC, None, count), count)
            room = augmentation.mixed(self._crowd(rng, count), synthesis.clatter(rng, count), rng.uniform(-3, 20))
            samples = augmentation.mixed(augmentation.loudspeaker(rng, music), room, rng.uniform(-8, 3))
            clip = Clip(samples, augmentation.UNDECIDED, argued=(MUSIC, FUNCTIONAL))
        elif kind == "music_stretched":
            clip = Clip(synthetic_music.stretched(rng, self._piece(rng, MUSIC, None, WINDOW_SAMPLES), count), MUSIC)
        elif kind == "sung_voice":
            clip = Clip(synthetic_music.sung_voice(rng, self._piece(rng, SPEECH, None, WINDOW_SAMPLES), count), MUSIC)
        elif kind == "babble":
            clip = Clip(self._crowd(rng, count), FUNCTIONAL, "ambience")
        elif kind == "speech_recording":
            clip = Clip(self._talk(rng, count), SPEECH)
        elif kind == "music_recording":
            clip = Clip(self._piece(rng, MUSIC, None, count, speeds=(0.75, 1.35)), MUSIC)
        else:
            clip = self._functional(rng, count)
        samples = augmentation.coloured(rng, clip.samples)
        if rng.random() < 0.12:
            samples = augmentation.faded(rng, samples)
        return dataclasses.replace(clip, samples=samples)

    def _crowd(self, rng: np.random.Generator, count: int) -> Samples:
        """Many people: babble made of speech, or a recording."""
        if "ambience" in self._groups[FUNCTIONAL] and rng.random() < 0.5:
            return self._looped(rng, self._piece(rng, FUNCTIONAL, "ambience", count), count)
        voices = [self._piece(rng, SPEECH, None, count) for _ in range(int(rng.integers(5, 12)))]
        return synthesis.babble(rng, voices, count)

    @staticmethod
    def _looped(rng: np.random.Generator, piece: Samples, count: int) -> Samples:
        return piece if len(piece) >= count else synthesis.granulated(rng, piece, count)

    def _functional(self, rng: np.random.Generator, count: int) -> Clip:
        present = {t: share for t, share in _TYPE_SHARES.items() if t in self._groups[FUNCTIONAL]}
        if not present:
            return Clip(synthesis.moving_noise(rng, count), FUNCTIONAL, "noise")
        share = np.array(list(present.values()))
        functional_type = list(present)[int(rng.choice(len(share), p=share / share.sum()))]
        piece = self._piece(rng, FUNCTIONAL, functional_type, count, speeds=(0.7, 1.45))
        chance = rng.random()
        if functional_type in _BED_TYPES and len(piece) > 3200 and chance < (0.55 if len(piece) < count else 0.2):
            piece = synthesis.granulated(rng, piece, count)
        elif len(piece) < count and chance > 0.75:
            piece = _placed(rng, piece, count)
        return Clip(piece, FUNCTIONAL, functional_type)

    def _talk(self, rng: np.random.Generator, count: int) -> Samples:
        groups = self._groups[SPEECH][None]
        # Many short prompts of one package, or as many as there is room for.
        members = groups[int(rng.integers(len(groups)))]
        speed = float(rng.uniform(0.78, 1.5)) if rng.random() < self._config.speed_share else 1.0
        talk = self._cut(rng, members[int(rng.integers(len(members)))], count, speed)
        if len(talk) >= count or rng.random() < 0.45:
            return talk
        pieces = [talk]
        while sum(map(len, pieces)) < count:
            pause = rng.standard_normal(int(SAMPLE_RATE_HZ * rng.uniform(0.05, 0.9))) * 10 ** rng.uniform(-5, -3)
            pieces += [pause.astype(np.float32), self._cut(rng, members[int(rng.integers(len(members)))], count, speed)]
        return np.concatenate(pieces)[:count]

    def _piece(
        self,
        rng: np.random.Generator,
        category: str,
        functional_type: str | None,
        count: int,
        speeds: tuple[float, float] = (0.85, 1.2),
    ) -> Samples:
        groups = self._groups[category][functional_type]
        # Between evening out the groups and going by recordings.
        share = np.array([len(members) for members in groups], np.float64) ** 0.5
        members = groups[int(rng.choice(len(groups), p=share / share.sum()))]
        speed = float(rng.uniform(*speeds)) if rng.random() < self._config.speed_share else 1.0
        return self._cut(rng, members[int(rng.integers(len(members)))], count, speed)

    def _cut(self, rng: np.random.Generator, index: int, count: int, speed: float) -> Samples:
        audio = self._audio(index)
        wanted = min(len(audio), int(count * speed) + 2)
        piece: Samples = np.zeros(0, np.float32)
        for _ in range(4):
            start = int(rng.integers(0, len(audio) - wanted + 1))
            piece = audio[start : start + wanted].astype(np.float32) / np.float32(32768)
            if float(np.sqrt(np.mean(np.square(piece)))) > 1e-3:
                break
        return (augmentation.at_speed(piece, speed) if speed != 1.0 else piece)[:count]


def _placed(rng: np.random.Generator, piece: Samples, count: int) -> Samples:
    """A short clip once or several times in a longer silence that is not quite silent."""
    placed = (rng.standard_normal(count) * 10 ** rng.uniform(-5.5, -3.5)).astype(np.float32)
    position = int(rng.integers(0, max(1, count - len(piece) + 1)))
    gap = int(SAMPLE_RATE_HZ * rng.uniform(0.0, 1.5))
    first = position % (len(piece) + gap) if rng.random() < 0.6 else position
    for start in range(first, count, len(piece) + gap) if first != position else (position,):
        placed[start : start + len(piece)] += piece[: max(0, count - start)]
    return placed


def _finished(
    rng: np.random.Generator,
    clip: Clip,
    coded_share: float,
    label: augmentation.MixLabel | None = None,
    types: tuple[str | None, str | None] = (None, None),
) -> TrainingWindow:
    """Give the window its last damage and level, and its labels as numbers."""
    if label is None:
        heard = clip.argued if clip.category is None else (clip.category,)
        label = augmentation.MixLabel(clip.category, frozenset(heard), 0)
        types = (clip.functional_type, None)
    samples = augmentation.damaged(rng, clip.samples, coded_share)
    # Levels do not matter to the front end; what matters here is that 16 bits neither clip nor swallow anything.
    samples = samples * (rng.uniform(0.1, 0.9) / (float(np.abs(samples).max()) + 1e-9))
    stored = np.zeros(WINDOW_SAMPLES, np.int16)
    stored[: len(samples)] = np.round(np.nan_to_num(samples) * 32767).astype(np.int16)
    functional_type = None
    if label.category == FUNCTIONAL and label.takes_type_of is not None:
        functional_type = types[label.takes_type_of]
    return TrainingWindow(
        samples=stored,
        valid_samples=len(samples),
        category=-1 if label.category is None else CATEGORIES.index(label.category),
        functional_type=-1 if functional_type is None else FUNCTIONAL_TYPES.index(functional_type),
        presence=np.array([category in label.presence for category in CATEGORIES]),
    )
