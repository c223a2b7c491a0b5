"""The Beam stage between audio files and model: their windows."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import queue
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, Final

import apache_beam as beam
from apache_beam.metrics import Metrics

from models.window_records import DecodedWindow, DecodePlan, DecodeSummary
from transforms.audio_sources import AudioRoot, StoredAudio, local_copy
from transforms.decode_task import DecodeTask
from transforms.decoder_pool import DecoderPool, DecodeSettings, shared_pool
from transforms.global_window import in_global_window
from transforms.records import ErrorType

#: Tags of the outputs.
WINDOWS: Final = "windows"
SUMMARIES: Final = "summaries"

#: Tracks in flight for each decoder process, in each thread of the worker: one to decode, and others for it to go on
#: with while the worker is busy with a batch of windows.
_IN_FLIGHT_PER_PROCESS: Final = 4


@dataclasses.dataclass(frozen=True, slots=True)
class DecodeRequest:
    """Which file to decode, and what of it.

    Attributes
    ----------
    audio_uri
        As in the catalog.
    stored
        What its storage said of the file when its sha256 was found.
    starts
        First samples of the windows that a later round hears, ascending; null for the first round.
    known_flags
        Flags of the file's earlier rounds: they are counted already.
    heard
        What those rounds brought, for whoever asked: it comes back with the summary.
    """

    audio_uri: str
    stored: StoredAudio | None = None
    starts: tuple[int, ...] | None = None
    known_flags: tuple[str, ...] = ()
    heard: bytes = b""


#: How the decoding of a track ended: what was asked for, and what came of it.
DecodeEnd = tuple[DecodeRequest, DecodeSummary]


class DecodeAudio(beam.PTransform):
    """Decode audio in processes of its own, several at a time, while the model works on what is there already.

    Input: ``(audio_sha256, DecodeRequest)``, each sha256 once. Main output: ``((audio_sha256, end), DecodedWindow)``,
    the windows of a track in their order; the end is null but for the last of them, which comes with ``(DecodeRequest,
    DecodeSummary)``: who goes on with the windows in the same bundle knows by it when it has all. Output ``summaries``:
    ``(audio_sha256, (DecodeRequest, DecodeSummary))``, exactly one for each input, with that request; the summary's
    ``windows`` is the number of windows that came out. All are in the global window: this is a batch stage.
    """

    def __init__(self, root: AudioRoot, settings: DecodeSettings, plan: DecodePlan) -> None:
        super().__init__()
        self._root, self._settings, self._plan = root, settings, plan

    def expand(self, pairs: Any) -> Any:
        """Attach the stage."""
        decode = _DecodeAudioFn(self._root, self._settings, self._plan)
        return pairs | beam.ParDo(decode).with_outputs(SUMMARIES, main=WINDOWS)


@dataclasses.dataclass(slots=True)
class _Track:
    """A track that the pool has, how much of its audio was taken, in seconds, and the window that was taken last."""

    sha256: str
    request: DecodeRequest
    audio_s: float = 0.0
    last: DecodedWindow | None = None


class _InFlight:
    """The tracks that one DoFn instance has given to the pool, and the line of those that have something to take."""

    def __init__(self) -> None:
        self.tasks: dict[DecodeTask, _Track] = {}
        self.ready: queue.SimpleQueue[DecodeTask] = queue.SimpleQueue()

    def cancel(self) -> None:
        """Give them up. They stay: a bundle that is still at work must not end as if it had never had them."""
        for task in list(self.tasks):
            task.cancel()

    def clear(self) -> None:
        """Give them up, and begin anew."""
        self.cancel()
        self.tasks.clear()
        self.ready = queue.SimpleQueue()  # the old one may still hold some of them


class _DecodeAudioFn(beam.DoFn):
    def __init__(self, root: AudioRoot, settings: DecodeSettings, plan: DecodePlan) -> None:
        self._root, self._settings, self._plan = root, settings, plan
        name = "DecodeAudio"
        self._tracks = Metrics.counter(name, "files")
        self._again = Metrics.counter(name, "files_heard_again")
        self._windows = Metrics.counter(name, "windows")
        self._lost = Metrics.counter(name, "decoder_processes_lost")
        self._decode_ms = Metrics.distribution(name, "decode_msec")
        self._audio_ms = Metrics.distribution(name, "decoded_audio_msec")
        self._errors = {kind.value: Metrics.counter(name, f"files_{kind.value}") for kind in ErrorType}
        self._flags = {
            flag: Metrics.counter(name, f"files_{flag}")
            for flag in (
                "truncated",
                "decoded_by_fallback",
                "non_finite_samples",
                "above_full_scale",
                "channels_cancel",
            )
        }

    def setup(self) -> None:
        self._in_flight = _InFlight()
        # A bundle that failed leaves its tracks behind, and Beam throws the instance away: the pool must not wait.
        self._abandon = weakref.finalize(self, self._in_flight.cancel)

    def start_bundle(self) -> None:
        self._in_flight.clear()

    def process(self, pair: tuple[str, DecodeRequest]) -> Iterator[Any]:
        sha256, request = pair
        pool, tasks = self._pool(), self._in_flight.tasks
        task = pool.submit(
            functools.partial(local_copy, request.audio_uri, self._root, sha256, request.stored),
            request.starts,
            self._in_flight.ready,
        )
        tasks[task] = _Track(sha256, request)
        # In whatever order they come: a track that takes long must not keep the decoders from those behind it.
        while tasks:
            try:
                task = self._in_flight.ready.get(block=len(tasks) >= _IN_FLIGHT_PER_PROCESS * pool.process_count)
            except queue.Empty:
                return
            yield from self._take(task)

    def finish_bundle(self) -> Iterable[Any]:
        while self._in_flight.tasks:
            yield from map(in_global_window, self._take(self._in_flight.ready.get()))

    def teardown(self) -> None:
        with contextlib.suppress(AttributeError):  # a setup that failed
            self._abandon()

    def _pool(self) -> DecoderPool:
        return shared_pool(self._settings, self._plan)

    def _take(self, task: DecodeTask) -> Iterator[Any]:
        track = self._in_flight.tasks[task]
        window = task.take()
        if window is not None:
            self._windows.inc()
            track.audio_s += window.valid_samples / self._plan.sample_rate_hz
            before, track.last = track.last, window
            if before is not None:
                yield (track.sha256, None), before
        if not task.ended:
            return
        del self._in_flight.tasks[task]
        request, summary = track.request, task.summary
        (self._tracks if request.starts is None else self._again).inc()
        self._lost.inc(task.processes_lost)
        self._decode_ms.update(task.decode_ms)
        self._audio_ms.update(round(track.audio_s * 1000))
        if summary.error_type is not None:
            self._errors[summary.error_type].inc()
        for flag in sorted(set(summary.flags).difference(request.known_flags)):
            self._flags[flag].inc()
        end = request, summary
        if track.last is not None:
            yield (track.sha256, end), track.last
        yield beam.pvalue.TaggedOutput(SUMMARIES, (track.sha256, end))
