"""The pool of training windows as arrays on disk: log-mel pictures, labels, and the teacher's outputs."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import itertools
import json
import logging
import multiprocessing
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.audio_cache import AudioCache
from models.front_end import FrontEnd, log_mel
from models.labels_of_corpus import Recording
from models.training_config import PoolConfig
from models.training_data import WindowSource

if TYPE_CHECKING:
    from models.teacher_network import Teacher

_LOG = logging.getLogger(__name__)
_CHUNK = 64
_SEGMENTS = 5
_SEGMENT_SAMPLES = 15_360
#: Level at which the teacher hears every window: root mean square, full scale being 1.
TEACHER_RMS = 0.08

Arrays = dict[str, npt.NDArray[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class DrawTask:
    """What a process needs to draw windows."""

    recordings: Sequence[Recording]
    places: Sequence[int]
    cache: AudioCache
    config: PoolConfig
    seed: int

    def source(self) -> WindowSource:
        """The source of windows."""
        return WindowSource(
            self.recordings, lambda index: self.cache.samples(self.places[index]), self.config, self.seed
        )


_source: WindowSource | None = None


def _start(task: DrawTask) -> None:
    global _source
    _source = task.source()


def _draw(chunk: range) -> Arrays:
    assert _source is not None  # noqa: S101 - set by the initializer of every process
    windows = [_source.window(index) for index in chunk]
    return {
        "samples": np.stack([w.samples for w in windows]),
        "valid_samples": np.array([w.valid_samples for w in windows], np.int32),
        "category": np.array([w.category for w in windows], np.int8),
        "functional_type": np.array([w.functional_type for w in windows], np.int8),
        "presence": np.stack([w.presence for w in windows]),
        "lead_db": np.array([w.lead_db for w in windows], np.float16),
    }


def drawn_chunks(task: DrawTask, windows: int, processes: int) -> Iterator[Arrays]:
    """Windows in chunks of up to 64, in order of their index, drawn by several processes."""
    chunks = [range(start, min(start + _CHUNK, windows)) for start in range(0, windows, _CHUNK)]
    if processes == 1:
        _start(task)
        yield from map(_draw, chunks)
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(processes, context, initializer=_start, initargs=(task,)) as pool:
        # A few chunks ahead, no more: a chunk is 10 MB.
        waiting: collections.deque[concurrent.futures.Future[Arrays]] = collections.deque()
        rest = iter(chunks)
        for chunk in itertools.islice(rest, 4 * processes):
            waiting.append(pool.submit(_draw, chunk))
        while waiting:
            yield waiting.popleft().result()
            for chunk in itertools.islice(rest, 1):
                waiting.append(pool.submit(_draw, chunk))


def teacher_segments(valid_samples: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Which of the teacher's patches lie in the audio, shape (n, 5); the first always counts."""
    ends = (np.arange(_SEGMENTS) + 1) * _SEGMENT_SAMPLES + 240
    inside = valid_samples[:, np.newaxis] >= ends
    inside[:, 0] = True
    return inside


def build_pool(
    folder: pathlib.Path, task: DrawTask, front_end: FrontEnd, teacher: Teacher | None, processes: int
) -> Arrays:
    """Draw the pool unless that was done before; return its arrays, memory-mapped.

    Returns
    -------
    dict
        ``log_mel`` (n, frames, mel_bands) float16, ``valid_frames`` (n,), ``category`` (n,), ``functional_type`` (n,),
        ``presence`` (n, 3), ``lead_db`` (n,), and with a teacher ``embedding`` (n, 5, 1024) and ``scores``
        (n, 5, 521), both float16, and ``segment_valid`` (n, 5).
    """
    if not (folder / "complete.json").is_file():
        _fill_pool(folder, task, front_end, teacher, processes)
    names = json.loads((folder / "complete.json").read_text())
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}


def _fill_pool(
    folder: pathlib.Path, task: DrawTask, front_end: FrontEnd, teacher: Teacher | None, processes: int
) -> None:
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    count = task.config.windows
    shapes: dict[str, tuple[type, tuple[int, ...]]] = {
        "log_mel": (np.float16, (front_end.frames, front_end.mel_bands)),
        "valid_frames": (np.int32, ()),
        "category": (np.int8, ()),
        "functional_type": (np.int8, ()),
        "presence": (np.bool_, (3,)),
        "lead_db": (np.float16, ()),
    }
    if teacher is not None:
        shapes |= {"embedding": (np.float16, (_SEGMENTS, 1024)), "scores": (np.float16, (_SEGMENTS, 521))}
        shapes |= {"segment_valid": (np.bool_, (_SEGMENTS,))}
    pool = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (count, *shape))
        for name, (dtype, shape) in shapes.items()
    }
    picture = tf.function(lambda waveform, valid: log_mel(front_end, waveform, valid), reduce_retracing=True)
    begun, position = time.monotonic(), 0
    for chunk in drawn_chunks(task, count, processes):
        waveform = chunk["samples"].astype(np.float32) / 32768
        place = slice(position, position + len(waveform))
        pictures, frames = picture(tf.constant(waveform), tf.constant(chunk["valid_samples"]))
        pool["log_mel"][place], pool["valid_frames"][place] = pictures.numpy(), frames.numpy()
        for name in ("category", "functional_type", "presence", "lead_db"):
            pool[name][place] = chunk[name]
        if teacher is not None:
            heard = np.maximum(chunk["valid_samples"], 1)
            rms = np.sqrt(np.square(waveform).sum(axis=1) / heard)
            levelled = waveform * (TEACHER_RMS / np.maximum(rms, 1e-5))[:, np.newaxis]
            pool["embedding"][place], pool["scores"][place] = teacher.predict(np.clip(levelled, -1, 1), _SEGMENTS)
            pool["segment_valid"][place] = teacher_segments(chunk["valid_samples"])
        position += len(waveform)
        if (position // _CHUNK) % 50 == 0:
            _LOG.info("pool: %d of %d windows, %.0f s", position, count, time.monotonic() - begun)
    for array in pool.values():
        array.flush()
    (folder / "complete.json").write_text(json.dumps(sorted(pool)))
