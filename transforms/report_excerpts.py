"""Excerpts of a few tracks to listen to: decoded by the same limited child processes as everything else.

A file that has gone, has changed or cannot be decoded gives a sentence in the place of its sound.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from models.window_records import DecodePlan
from transforms.audio_sources import AudioRoot, AudioSourceError, local_copy
from transforms.decode_task import DecodeTask
from transforms.decoder_pool import DecoderPool, DecodeSettings
from transforms.records import ErrorType
from transforms.report_media import mp3_uri, spectrogram_uri

#: Enough for a listener, and a rate that MP3 has.
_SAMPLE_RATE_HZ: Final = 24_000
_BLOCK_BYTES: Final = 1 << 20
_MOST_PROCESSES: Final = 2
#: One file must not use up the time of all.
_MOST_S_PER_FILE: Final = 20.0


@dataclasses.dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a track, ready for the page.

    Attributes
    ----------
    start_s, end_s
        Where it lies in the track.
    audio, picture
        ``data:`` URIs; null when ``problem`` says why.
    """

    start_s: float
    end_s: float
    audio: str | None = None
    picture: str | None = None
    problem: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class ExcerptSettings:
    """How excerpts are made.

    Attributes
    ----------
    excerpt_s, timeout_s
        Length of one, and longest time for all, in seconds.
    """

    root: AudioRoot
    decode: DecodeSettings
    excerpt_s: float
    timeout_s: float


def excerpt_start_s(label: Mapping[str, Any], segments: Sequence[Mapping[str, Any]], excerpt_s: float) -> float:
    """Choose where a reviewer listens first: in the middle of what speaks against the label, or is least certain.

    Parameters
    ----------
    label, segments
        A row of ``track_labels`` and that track's rows of ``track_segments``.
    """
    against = [segment for segment in segments if segment["category"] != label["category"]]
    if not segments:
        return 0.0
    doubtful = min(against or segments, key=lambda segment: (segment["confidence"], segment["start_s"]))
    middle_s = float(doubtful["start_s"] + doubtful["end_s"]) / 2
    return max(0.0, min(middle_s - excerpt_s / 2, float(label["duration_s"]) - excerpt_s))


def make_excerpts(
    labels: Sequence[Mapping[str, Any]], starts_s: Sequence[float], settings: ExcerptSettings
) -> list[Excerpt]:
    """Make an excerpt of each track.

    Parameters
    ----------
    labels
        Rows of ``track_labels``.
    starts_s
        Where each one's excerpt begins, in seconds.
    """
    decode = settings.decode.model_copy(
        update={
            "processes": min(_MOST_PROCESSES, settings.decode.process_count),
            "timeout_s": min(settings.decode.timeout_s, _MOST_S_PER_FILE),
            "cpu_limit_s": max(1.0, min(settings.decode.cpu_limit_s, _MOST_S_PER_FILE)),
        }
    )
    plan = DecodePlan(
        sample_rate_hz=_SAMPLE_RATE_HZ, window_s=settings.excerpt_s, sampled_windows=1, min_duration_s=0.01
    )
    with DecoderPool(decode, plan) as pool:
        # Whoever waits for a task of a closed pool gets a RuntimeError.
        bell = threading.Timer(settings.timeout_s, pool.close)
        bell.daemon = True
        bell.start()
        try:
            tasks = [
                pool.submit(functools.partial(_unchanged, label, settings.root), (_first_sample(start_s),))
                for label, start_s in zip(labels, starts_s, strict=True)
            ]
            # libav and Pillow work beside the interpreter: encoding takes longer than decoding.
            with concurrent.futures.ThreadPoolExecutor(pool.process_count) as encoders:
                return list(encoders.map(functools.partial(_excerpt, settings=settings), tasks, starts_s))
        finally:
            bell.cancel()


def _first_sample(start_s: float) -> int:
    return round(start_s * _SAMPLE_RATE_HZ)


@contextlib.contextmanager
def _unchanged(label: Mapping[str, Any], root: AudioRoot) -> Iterator[str]:
    """Give a local file with the audio that was labelled, and no other."""
    with local_copy(label["audio_uri"], root) as path:
        digest = hashlib.sha256()
        try:
            with Path(path).open("rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
        except OSError as error:
            message = f"The file cannot be read: {error.strerror}."
            raise AudioSourceError(ErrorType.STORAGE_ERROR, message) from None
        if digest.hexdigest() != label["audio_sha256"]:
            message = "The file at this audio_uri is no longer the one that was labelled."
            raise AudioSourceError(ErrorType.UNREADABLE_AUDIO, message)
        yield path


def _excerpt(task: DecodeTask, start_s: float, settings: ExcerptSettings) -> Excerpt:
    problem: str | None = None
    try:
        for window in task.windows():
            samples = window.samples[: window.valid_samples]
            if samples.size:
                audio, picture = mp3_uri(samples, _SAMPLE_RATE_HZ), spectrogram_uri(samples, _SAMPLE_RATE_HZ)
                end_s = window.start_s + samples.size / _SAMPLE_RATE_HZ
                task.cancel()
                return Excerpt(window.start_s, end_s, audio, picture)
        problem = task.summary.message
    except RuntimeError:
        problem = f"It was not decoded within the {settings.timeout_s:g} s that all excerpts may take."
    return Excerpt(start_s, start_s + settings.excerpt_s, problem=problem or "Nothing could be decoded here.")
