"""The real recordings that the evaluation set is made of: choosing them in turn, reading them, cutting pieces."""

from __future__ import annotations

import collections
import dataclasses
import functools
import os
import zlib
from collections.abc import Sequence
from typing import Final

import av
import av.error
import numpy as np

from models.errors import UserError
from models.evaluation_samples import (
    RATE_HZ,
    Samples,
    at_rms,
    faded,
    looped,
    mono,
    rms_db,
    samples_in,
    within_full_scale,
)
from models.labels_of_corpus import Recording
from models.taxonomy import FUNCTIONAL, SPEECH

#: Only so much of a recording's beginning is used: reading all of every song would take most of the time.
_LONGEST_S: Final = 120.0
#: Less than this is no material even for a loop.
_SHORTEST_S: Final = 0.25
_CROSSFADE_S: Final = 0.3
_SHORT_S: Final = 5.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A cut of a recording.

    Attributes
    ----------
    samples
        Shape (samples, channels), one or two channels.
    recording
        Where it is from; the first one of several.
    origin
        The same in words: path relative to the manifest, and seconds.
    """

    samples: Samples
    recording: Recording
    origin: str


class Sources:
    """Recordings of one split.

    Parameters
    ----------
    recordings
        All of that split. Silence is left out: there is nothing to hear of it in a mix.
    root
        The folder that ``origin`` is relative to.
    seed
        Of the order in which recordings have their turn.

    Raises
    ------
    UserError
        When a recording cannot be opened.
    """

    def __init__(self, recordings: Sequence[Recording], root: str, seed: int) -> None:
        self._root, self._seed = root, seed
        self._duration_s = {r: _duration_s(r.path) for r in recordings if r.functional_type != "silence"}
        # Of songs a few are kept; of prompts, which are wanted again and again for talk, as many.
        self._read_long, self._read_short = (functools.lru_cache(maxsize=size)(_read) for size in (4, 256))
        self._turns: dict[tuple[str, str, tuple[str, ...], float], list[Recording]] = {}

    def has(self, label: str, kinds: tuple[str, ...] = ()) -> bool:
        """Tell whether there is a recording of the category, and of one of the kinds, if any are given."""
        return bool(self._members(label, kinds, _SHORTEST_S))

    def duration_s(self, recording: Recording) -> float:
        """Length that the recording's container states, in seconds."""
        return self._duration_s[recording]

    def in_turn(
        self, purpose: str, number: int, label: str, kinds: tuple[str, ...] = (), shortest_s: float = _SHORTEST_S
    ) -> Recording:
        """The recording whose turn it is, going round packages (functional sounds: subtypes).

        Parameters
        ----------
        purpose
            Each purpose has an order of its own.
        number
            Of the turn, from 0.
        kinds
            Functional types or subtypes to choose from; empty for any.
        shortest_s
            Leave out shorter ones, unless there are no others.
        """
        key = (purpose, label, kinds, shortest_s)
        if key not in self._turns:
            members = self._members(label, kinds, shortest_s) or self._members(label, kinds, _SHORTEST_S)
            rng = np.random.default_rng([self._seed, zlib.crc32(repr(key).encode())])
            groups = collections.defaultdict(list)
            for place in rng.permutation(len(members)):
                recording = members[int(place)]
                groups[recording.subtype if label == FUNCTIONAL else recording.package].append(recording)
            rounds = max(map(len, groups.values()))
            self._turns[key] = [g[i] for i in range(rounds) for g in groups.values() if i < len(g)]
        order = self._turns[key]
        return order[number % len(order)]

    def cut(self, rng: np.random.Generator, recording: Recording, seconds: float) -> Piece:
        """A piece of that length: cut from a longer recording; else looped, or of speech, more of the same voice.

        Of eight random places the first is taken that is not much quieter than the recording as a whole.
        """
        audio = self._audio(recording)
        count = samples_in(seconds)
        name = os.path.relpath(recording.path, self._root)
        if len(audio) < count:
            if recording.label == SPEECH:
                return self._talk(rng, recording, count)
            return Piece(looped(audio, count, _CROSSFADE_S), recording, f"{name} looped")
        start = 0
        for _ in range(8):
            start = int(rng.integers(0, len(audio) - count + 1))
            if rms_db(audio[start : start + count]) > rms_db(audio) - 15:
                break
        place = f"{name} {start / RATE_HZ:.2f}-{(start + count) / RATE_HZ:.2f} s"
        return Piece(faded(audio[start : start + count], 0.005, 0.005), recording, place)

    def _talk(self, rng: np.random.Generator, recording: Recording, count: int) -> Piece:
        """Several recordings of the same package one after another, with pauses, in one channel."""
        members = [r for r in self._members(SPEECH, (), 0.0) if r.package == recording.package]
        pieces: list[Samples] = []
        names, total, chosen = [], 0, recording
        while total < count:
            voice = at_rms(mono(self._audio(chosen)))
            pause = np.zeros(samples_in(float(rng.uniform(0.1, 0.7))))
            pieces += [faded(voice, 0.003, 0.003), pause]
            names.append(os.path.relpath(chosen.path, self._root))
            total += len(voice) + len(pause)
            chosen = members[int(rng.integers(len(members)))]
        track = np.concatenate(pieces)[:count, None]
        return Piece(within_full_scale(track), recording, " then ".join(names))

    def _audio(self, recording: Recording) -> Samples:
        read = self._read_short if self._duration_s[recording] < _SHORT_S else self._read_long
        return read(recording.path)

    def _members(self, label: str, kinds: tuple[str, ...], shortest_s: float) -> list[Recording]:
        return [
            r for r, duration_s in self._duration_s.items()
            if r.label == label and duration_s >= shortest_s
            and (not kinds or r.functional_type in kinds or r.subtype in kinds)
        ]  # fmt: skip


def _duration_s(path: str) -> float:
    try:
        with av.open(path, metadata_errors="ignore") as container:
            stream = container.streams.audio[0]
            if container.duration:
                return float(container.duration / av.time_base)
            return float((stream.duration or 0) * (stream.time_base or 0))
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise _no_audio(path, error) from error


def _read(path: str) -> Samples:
    """The first two minutes, shape (samples, channels), at most two channels, float32 at ``RATE_HZ``."""
    pieces: list[Samples] = []
    heard_s = 0.0
    try:
        with av.open(path, metadata_errors="ignore") as container:
            resampler = av.AudioResampler(format="fltp", rate=RATE_HZ)
            for frame in container.decode(container.streams.audio[0]):
                pieces += [part.to_ndarray()[:2].T for part in resampler.resample(frame)]
                heard_s += frame.samples / frame.sample_rate
                if heard_s >= _LONGEST_S:
                    break
            pieces += [part.to_ndarray()[:2].T for part in resampler.resample(None)]
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _no_audio(path, error) from error
    if not pieces:
        raise _no_audio(path, EOFError("it holds no samples"))
    return np.concatenate(pieces)[: samples_in(_LONGEST_S)]


def _no_audio(path: str, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return UserError(f"{path}: cannot be decoded ({reason}); take it out of the manifest.")
