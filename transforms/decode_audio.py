"""The Beam stage between catalog and model: which audio a row means, and that audio's windows."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import json
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, Final

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from models.window_records import DecodePlan
from transforms.audio_sources import AudioRoot, AudioSourceError, StoredAudio, identify, local_copy
from transforms.decoder_pool import DecoderPool, DecodeSettings, DecodeTask, shared_pool
from transforms.records import CatalogRow, DeadLetter, ErrorType, Stage
from transforms.worker_life import end_with_main_process

#: Tags of the outputs that are not the main one.
DEAD_LETTERS: Final = "dead_letters"
SUMMARIES: Final = "summaries"
VERSIONS: Final = "versions"
FILES: Final = "files"

#: Tracks in flight for each decoder process, in each thread of the worker.
_IN_FLIGHT_PER_PROCESS: Final = 2


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
    """

    audio_uri: str
    stored: StoredAudio | None = None
    starts: tuple[int, ...] | None = None
    known_flags: tuple[str, ...] = ()


class IdentifyAudio(beam.PTransform):
    """Find each row's audio and the sha256 of its bytes.

    Main output: ``(audio_sha256, CatalogRow)``. Output ``dead_letters``: :class:`~transforms.records.DeadLetter` of
    rows whose audio is missing, empty, too large, not to be read, or not allowed. Output ``versions``:
    ``(audio_sha256, (track_id, size_bytes, storage_version))`` of the other rows. Output ``files``: ``(audio_sha256,
    (track_id, DecodeRequest))`` of them.
    """

    def __init__(self, root: AudioRoot) -> None:
        super().__init__()
        self._root = root

    def expand(self, rows: Any) -> Any:
        """Attach the stage."""
        return rows | beam.ParDo(_IdentifyAudioFn(self._root)).with_outputs(
            DEAD_LETTERS, VERSIONS, FILES, main="identified"
        )


class DecodeAudio(beam.PTransform):
    """Decode audio in processes of its own, several at a time, while the model works on what is there already.

    Input: ``(audio_sha256, DecodeRequest)``, each sha256 once. Main output: ``(audio_sha256, DecodedWindow)``. Output
    ``summaries``: ``(audio_sha256, DecodeSummary)``, exactly one for each input, whose ``windows`` is the number of
    windows that came out. All are in the global window: this is a batch stage.
    """

    def __init__(self, root: AudioRoot, settings: DecodeSettings, plan: DecodePlan) -> None:
        super().__init__()
        self._root, self._settings, self._plan = root, settings, plan

    def expand(self, pairs: Any) -> Any:
        """Attach the stage."""
        decode = _DecodeAudioFn(self._root, self._settings, self._plan)
        return pairs | beam.ParDo(decode).with_outputs(SUMMARIES, main="windows")


class _IdentifyAudioFn(beam.DoFn):
    def __init__(self, root: AudioRoot) -> None:
        self._root = root
        name = "IdentifyAudio"
        self._files = Metrics.counter(name, "rows_identified")
        self._bytes = Metrics.distribution(name, "audio_bytes")
        self._identify_ms = Metrics.distribution(name, "identify_msec")
        self._errors = {kind.value: Metrics.counter(name, f"rows_{kind.value}") for kind in ErrorType}

    def process(self, row: CatalogRow) -> Iterator[Any]:
        begin = time.monotonic()
        try:
            identity = identify(row.audio_uri, self._root)
        except AudioSourceError as error:
            self._errors[error.error_type.value].inc()
            text = json.dumps(row.contract_fields(), ensure_ascii=False)
            letter = DeadLetter(row.track_id, text, Stage.AUDIO, error.error_type, error.message, row.tally)
            yield beam.pvalue.TaggedOutput(DEAD_LETTERS, letter)
            return
        self._files.inc()
        self._bytes.update(identity.size_bytes)
        self._identify_ms.update(round((time.monotonic() - begin) * 1000))
        yield identity.sha256, row
        version = row.track_id, identity.size_bytes, identity.storage_version
        yield beam.pvalue.TaggedOutput(VERSIONS, (identity.sha256, version))
        request = DecodeRequest(row.audio_uri, StoredAudio(identity.size_bytes, identity.storage_version))
        yield beam.pvalue.TaggedOutput(FILES, (identity.sha256, (row.track_id, request)))


class _InFlight:
    """The tracks that one DoFn instance has given to the pool, in that order."""

    def __init__(self) -> None:
        self.tasks: collections.deque[tuple[str, DecodeRequest, DecodeTask]] = collections.deque()

    def cancel(self) -> None:
        while self.tasks:
            self.tasks.popleft()[-1].cancel()


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
        end_with_main_process()
        self._in_flight = _InFlight()
        # A bundle that failed leaves its tracks behind, and Beam throws the instance away: the pool must not wait.
        self._abandon = weakref.finalize(self, self._in_flight.cancel)

    def start_bundle(self) -> None:
        self._in_flight.cancel()

    def process(self, pair: tuple[str, DecodeRequest]) -> Iterator[Any]:
        sha256, request = pair
        pool = self._pool()
        task = pool.submit(
            functools.partial(local_copy, request.audio_uri, self._root, sha256, request.stored), request.starts
        )
        tasks = self._in_flight.tasks
        tasks.append((sha256, request, task))
        while tasks and (tasks[0][-1].finished or len(tasks) >= _IN_FLIGHT_PER_PROCESS * pool.process_count):
            yield from self._take(*tasks[0])
            tasks.popleft()

    def finish_bundle(self) -> Iterable[Any]:
        tasks = self._in_flight.tasks
        while tasks:
            for output in self._take(*tasks[0]):
                if isinstance(output, beam.pvalue.TaggedOutput):
                    yield beam.pvalue.TaggedOutput(output.tag, _in_global_window(output.value))
                else:
                    yield _in_global_window(output)
            tasks.popleft()

    def teardown(self) -> None:
        with contextlib.suppress(AttributeError):  # a setup that failed
            self._abandon()

    def _pool(self) -> DecoderPool:
        return shared_pool(self._settings, self._plan)

    def _take(self, sha256: str, request: DecodeRequest, task: DecodeTask) -> Iterator[Any]:
        audio_s = 0.0
        for window in task.windows():
            self._windows.inc()
            audio_s += window.valid_samples / self._plan.sample_rate_hz
            yield sha256, window
        summary = task.summary
        (self._tracks if request.starts is None else self._again).inc()
        self._lost.inc(task.processes_lost)
        self._decode_ms.update(task.decode_ms)
        self._audio_ms.update(round(audio_s * 1000))
        if summary.error_type is not None:
            self._errors[summary.error_type].inc()
        for flag in sorted(set(summary.flags).difference(request.known_flags)):
            self._flags[flag].inc()
        yield beam.pvalue.TaggedOutput(SUMMARIES, (sha256, summary))


def _in_global_window(value: Any) -> WindowedValue:
    window = GlobalWindow()
    return WindowedValue(value, window.max_timestamp(), [window])
