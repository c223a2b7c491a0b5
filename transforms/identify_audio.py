"""The Beam stage between catalog and decoder: which audio a row means, by the sha256 of its bytes."""

from __future__ import annotations

import collections
import json
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import Any, Final

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.utils.thread_pool_executor import shared_unbounded_instance

from transforms.audio_sources import AudioIdentity, AudioRoot, AudioSourceError, StoredAudio, identify
from transforms.decode_audio import DecodeRequest
from transforms.global_window import in_global_window
from transforms.processors import available_processors
from transforms.records import CatalogRow, DeadLetter, ErrorType, Stage

#: Tags of the outputs that are not the main one.
DEAD_LETTERS: Final = "dead_letters"
FILES: Final = "files"

#: Most local files that a worker reads at once: hashing needs a processor for each, and memory has one bandwidth.
_MOST_LOCAL_READERS: Final = 8
#: Remote files that a worker reads at once: a store takes long to answer, and a client holds 16 MiB of each.
_REMOTE_READERS: Final = 8
#: Rows in flight for each file that is read, so that the readers have something to go on with.
_IN_FLIGHT_PER_READER: Final = 2

#: What holds the readers of this process to their number, by whether they read from a store.
_readers: dict[bool, threading.BoundedSemaphore] = {}
_readers_lock = threading.Lock()


class IdentifyAudio(beam.PTransform):
    """Find each row's audio and the sha256 of its bytes, of several files at a time.

    Main output: ``(audio_sha256, (CatalogRow, StoredAudio))``. Output ``dead_letters``:
    :class:`~transforms.records.DeadLetter` of rows whose audio is missing, empty, too large, not to be read, or not
    allowed. Output ``files``: ``(audio_sha256, (track_id, DecodeRequest))`` of the other rows. All are in the global
    window: this is a batch stage.
    """

    def __init__(self, root: AudioRoot) -> None:
        super().__init__()
        self._root = root

    def expand(self, rows: Any) -> Any:
        """Attach the stage."""
        return rows | beam.ParDo(_IdentifyAudioFn(self._root)).with_outputs(DEAD_LETTERS, FILES, main="identified")


class _IdentifyAudioFn(beam.DoFn):
    def __init__(self, root: AudioRoot) -> None:
        self._root = root
        name = "IdentifyAudio"
        self._files = Metrics.counter(name, "rows_identified")
        self._bytes = Metrics.distribution(name, "audio_bytes")
        self._identify_ms = Metrics.distribution(name, "identify_msec")
        self._errors = {kind.value: Metrics.counter(name, f"rows_{kind.value}") for kind in ErrorType}

    def start_bundle(self) -> None:
        # Beam's own threads: one that is still reading keeps no process from its end.
        self._pool = shared_unbounded_instance()
        self._in_flight: collections.deque[tuple[CatalogRow, Future[tuple[AudioIdentity, int]]]] = collections.deque()

    def process(self, row: CatalogRow) -> Iterator[Any]:
        waiting = self._in_flight
        waiting.append((row, self._pool.submit(_identified, row.audio_uri, self._root)))
        while waiting and (waiting[0][1].done() or len(waiting) >= _IN_FLIGHT_PER_READER * reader_count(self._root)):
            yield from self._outputs(*waiting.popleft())

    def finish_bundle(self) -> Iterable[Any]:
        while self._in_flight:
            for output in self._outputs(*self._in_flight.popleft()):
                yield in_global_window(output)

    def _outputs(self, row: CatalogRow, reading: Future[tuple[AudioIdentity, int]]) -> Iterator[Any]:
        try:
            identity, identify_ms = reading.result()
        except AudioSourceError as error:
            self._errors[error.error_type.value].inc()
            text = json.dumps(row.contract_fields(), ensure_ascii=False)
            letter = DeadLetter(row.track_id, text, Stage.AUDIO, error.error_type, error.message, row.tally)
            yield beam.pvalue.TaggedOutput(DEAD_LETTERS, letter)
            return
        self._files.inc()
        self._bytes.update(identity.size_bytes)
        self._identify_ms.update(identify_ms)
        stored = StoredAudio(identity.size_bytes, identity.storage_version)
        yield identity.sha256, (row, stored)
        request = DecodeRequest(row.audio_uri, stored)
        yield beam.pvalue.TaggedOutput(FILES, (identity.sha256, (row.track_id, request)))


def _identified(audio_uri: str, root: AudioRoot) -> tuple[AudioIdentity, int]:
    """Read a file, when it is its turn; also the time that it took, in milliseconds."""
    with _readers_lock:
        readers = _readers.setdefault(root.is_remote, threading.BoundedSemaphore(reader_count(root)))
    with readers:
        begin = time.monotonic()
        identity = identify(audio_uri, root)
        return identity, round((time.monotonic() - begin) * 1000)


def reader_count(root: AudioRoot) -> int:
    """How many files under ``root`` a worker process reads at once."""
    return _REMOTE_READERS if root.is_remote else min(_MOST_LOCAL_READERS, available_processors())
