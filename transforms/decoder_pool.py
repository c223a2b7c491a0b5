"""Several decoder processes behind one queue: tracks go in, windows and a summary come out of each, in any weather.

A thread of this process stands behind each decoder process; it starts it, hands it one track after another, and
replaces it when it is lost. Windows wait in a short queue per track: when nobody takes them, the decoder stands still.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import os
import queue
import threading
import time
from typing import Final

import pydantic

from models.audio_decoding import DECODERS, LIBSNDFILE
from models.window_records import DecodedWindow, DecodePlan, DecodeSummary
from transforms.audio_sources import AudioSourceError
from transforms.decode_task import CancelledDecodeError, DecodeTask, OpenAudio
from transforms.decoder_messages import BadMessageError
from transforms.decoder_process import DecoderLostError, DecoderProcess, ProcessLimits, is_out_of_memory
from transforms.processors import available_processors
from transforms.records import ErrorType

_MOST_PROCESSES: Final = 4
_START_ATTEMPTS: Final = 3
#: A decoder process that nobody asked anything for so long is ended; the next track starts another.
_IDLE_S: Final = 30.0
_FEWEST_QUEUED, _MOST_QUEUED = 8, 32


class DecodeSettings(pydantic.BaseModel):
    """How decoding is run and bounded.

    Attributes
    ----------
    processes
        Decoder processes per worker; 0: one per processor that this process may use, at most 4.
    timeout_s
        Longest time that a track may keep its worker waiting, in seconds; waiting for the model does not count.
    cpu_limit_s
        Processor time for one track, in seconds.
    memory_limit_mb
        Address space of a decoder process above what it takes after its imports, in MiB.
    max_file_bytes
        A larger file is ``audio_too_large``.
    tracks_per_process
        A decoder process is replaced after so many tracks.
    child_module
        The module that is run as the decoder process.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    processes: int = pydantic.Field(default=0, ge=0, le=64)
    timeout_s: float = pydantic.Field(default=600.0, gt=0)
    cpu_limit_s: float = pydantic.Field(default=300.0, ge=1)
    memory_limit_mb: int = pydantic.Field(default=384, ge=64)
    max_file_bytes: int = pydantic.Field(default=4 << 30, ge=1)
    tracks_per_process: int = pydantic.Field(default=500, ge=1)
    child_module: str = "transforms.decoder_child"

    @property
    def process_count(self) -> int:
        """Number of decoder processes, with 0 resolved."""
        return self.processes or min(_MOST_PROCESSES, available_processors())

    def shared_by(self, workers: int) -> DecodeSettings:
        """Settings for each of several workers on this machine: together one decoder per processor, where it is 0."""
        if self.processes:
            return self
        return self.model_copy(update={"processes": min(_MOST_PROCESSES, max(1, available_processors() // workers))})

    def process_limits(self) -> ProcessLimits:
        """Return the part that a decoder process knows."""
        return ProcessLimits(self.timeout_s, self.cpu_limit_s, self.memory_limit_mb, self.child_module)


class DecoderPool:
    """Keeps several decodes in flight; safe to share between threads.

    A caller takes the windows of its tasks in the order in which it submitted them, or as they come, or cancels them: a
    task whose windows nobody takes holds up a decoder process.
    """

    def __init__(self, settings: DecodeSettings, plan: DecodePlan) -> None:
        self._settings, self._plan = settings, plan
        self._tasks: queue.Queue[DecodeTask | None] = queue.Queue()
        self._queued = min(_MOST_QUEUED, max(_FEWEST_QUEUED, plan.sampled_windows))
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._live: set[DecodeTask] = set()
        self._workers: list[_Worker] = []
        self._closed = threading.Event()

    @property
    def process_count(self) -> int:
        """Most decoder processes at once."""
        return self._settings.process_count

    def process_ids(self) -> list[int]:
        """Return the process ids of the decoders that run now."""
        with self._lock:
            return sorted(worker.process.pid for worker in self._workers if worker.process is not None)

    def submit(
        self,
        audio: str | OpenAudio,
        starts: tuple[int, ...] | None = None,
        ready: queue.SimpleQueue[DecodeTask] | None = None,
    ) -> DecodeTask:
        """Queue one track: the path of a local file, or what opens it (called on a thread of the pool).

        Parameters
        ----------
        starts
            First samples of a later round's windows; null for the first round.
        ready
            Where the task goes for each window, for its summary, and when it fails or is cancelled, once that is there
            for :meth:`DecodeTask.take`. A caller with many tasks need not wait for one while others have something.
        """
        open_audio = audio if callable(audio) else lambda: contextlib.nullcontext(audio)
        task = DecodeTask(open_audio, self._queued, starts, ready)
        with self._lock:
            if self._closed.is_set():
                raise RuntimeError("the decoder pool is closed")
            self._live.add(task)
            self._tasks.put(task)
            if len(self._threads) < self.process_count:
                worker = _Worker(self._settings, self._plan, self._closed)
                thread = threading.Thread(target=self._work, args=(worker,), name="decoder", daemon=True)
                self._workers.append(worker)
                self._threads.append(thread)
                thread.start()
        return task

    def close(self) -> None:
        """End all decoder processes now; whoever waits for a task that is not done gets a ``RuntimeError``."""
        with self._lock:
            self._closed.set()
            live = list(self._live)
            for _ in self._threads:
                self._tasks.put(None)
        for task in live:
            if not task.finished:
                task.fail(RuntimeError("the decoder pool is closed"))
        for worker in self._workers:
            worker.interrupt()
        for thread in self._threads:
            thread.join(timeout=15.0)

    def __enter__(self) -> DecoderPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self, worker: _Worker) -> None:
        try:
            while not self._closed.is_set():
                try:
                    task = self._tasks.get(timeout=_IDLE_S)
                except queue.Empty:
                    worker.end_process()
                    continue
                if task is None:
                    return
                worker.run(task)
                with self._lock:
                    self._live.discard(task)
        finally:
            worker.end_process()


class _Worker:
    """The thread behind one decoder process."""

    def __init__(self, settings: DecodeSettings, plan: DecodePlan, closed: threading.Event) -> None:
        self._settings, self._plan, self._closed = settings, plan, closed
        self.process: DecoderProcess | None = None

    def run(self, task: DecodeTask) -> None:
        """Decode one track; nothing that happens to it gets out but through the task."""
        begin = time.monotonic()
        try:
            if task.cancelled:
                return
            summary = DecodeSummary(0, 0.0)
            try:
                with task.open_audio() as path:
                    summary = self._decode(task, path)
            except AudioSourceError as error:  # at the end too, when the file changed while it was decoded
                summary = dataclasses.replace(summary, error_type=error.error_type.value, message=error.message)
            task.decode_ms = round((time.monotonic() - begin) * 1000)
            task.finish(summary)
        except CancelledDecodeError:
            task.abandon()
        except BaseException as error:
            task.fail(error)

    def interrupt(self) -> None:
        """Kill the process from another thread."""
        process = self.process
        if process is not None:
            process.signal_kill()

    def end_process(self) -> None:
        """End the process, if there is one."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()

    def _decode(self, task: DecodeTask, path: str) -> DecodeSummary:
        given_until_s: list[float] = []

        def give(window: DecodedWindow) -> None:
            task.give(window)
            given_until_s.append(window.start_s + window.valid_samples / self._plan.sample_rate_hz)

        first_loss: DecoderLostError | None = None
        while True:
            decoders = DECODERS if first_loss is None else (LIBSNDFILE,)
            process = self._ready_process()
            try:
                summary = process.decode(path, decoders, give, task.starts)
            except DecoderLostError as loss:
                self.end_process()
                task.processes_lost += 1
                # After a crash, the other decoder may do; what hung or grew is not tried again.
                if first_loss is None and not given_until_s and loss.error_type is ErrorType.DECODER_CRASH:
                    first_loss = loss
                    continue
                return _summary_of(first_loss or loss, given_until_s)
            except BaseException:
                self.end_process()
                raise
            if is_out_of_memory(summary):
                self.end_process()
            if first_loss is not None and not summary.windows:
                return _summary_of(first_loss, given_until_s)
            return summary

    def _ready_process(self) -> DecoderProcess:
        if self.process is not None and self.process.requests >= self._settings.tracks_per_process:
            self.end_process()
        for attempt in range(_START_ATTEMPTS):
            if self._closed.is_set():
                raise RuntimeError("the decoder pool is closed")
            if self.process is not None:
                return self.process
            try:
                self.process = DecoderProcess(self._settings.process_limits(), self._plan)
            except (DecoderLostError, BadMessageError, OSError) as error:
                if attempt + 1 == _START_ATTEMPTS:  # no fault of the track: the worker itself is broken
                    raise RuntimeError(f"the decoder process does not start: {error}") from error
        return self._ready_process()


def _summary_of(loss: DecoderLostError, given_until_s: list[float]) -> DecodeSummary:
    return DecodeSummary(
        windows=len(given_until_s),
        duration_s=max(given_until_s, default=0.0),
        error_type=loss.error_type.value,
        message=str(loss),
    )


_shared: dict[tuple[int, DecodeSettings, DecodePlan], DecoderPool] = {}
_shared_lock = threading.Lock()


def shared_pool(settings: DecodeSettings, plan: DecodePlan) -> DecoderPool:
    """Give the pool that all threads of this process share for these settings; it is closed when the process ends."""
    key = (os.getpid(), settings, plan)  # a forked process must not talk to its parent's decoders
    with _shared_lock:
        if key not in _shared:
            _shared[key] = DecoderPool(settings, plan)
        return _shared[key]


def shared_process_ids() -> list[int]:
    """Return the process ids of the decoders of this process's shared pools that run now."""
    with _shared_lock:
        return [pid for key, pool in _shared.items() if key[0] == os.getpid() for pid in pool.process_ids()]


@atexit.register
def close_shared_pools() -> None:
    """Close the shared pools of this process; the next user gets a new one."""
    with _shared_lock:
        pools = [_shared.pop(key) for key in list(_shared) if key[0] == os.getpid()]
    for pool in pools:
        pool.close()
