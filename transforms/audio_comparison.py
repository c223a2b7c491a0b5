"""Which rows of a catalog have the audio that the previous run labelled."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
from collections.abc import Iterator
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.metrics import Metrics

from transforms.audio_sources import AudioRoot, AudioSourceError, StoredAudio, identify, look_up
from transforms.carried_rows import mask_of, whole

#: What says that a track's audio is unchanged: the catalog's etag or else what the storage says, or only its bytes.
UnchangedBy = Literal["storage", "sha256"]

#: The columns of ``audio_versions`` that are compared.
VERSION_COLUMNS: Final = ("track_id", "audio_uri", "audio_sha256", "size_bytes", "storage_version", "audio_etag")

#: Requests to an object store at once: it takes long to answer one and can answer many.
_REQUESTS_AT_ONCE: Final = 16
_QUESTIONS_AT_ONCE: Final = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class _Question:
    """A row that its etag does not decide; ``ask_storage``: whether what the storage says may."""

    audio_uri: str
    sha256: str
    stored: StoredAudio
    ask_storage: bool


class AudioComparison:
    """Compares rows with a previous run's ``audio_versions``.

    A row's audio is unchanged when its ``audio_uri`` is, and its ``audio_etag``, or without one on either side the
    file's size and ``storage_version``. Where those differ, or only bytes are trusted, it is when the file's sha256 is.
    """

    def __init__(self, root: AudioRoot, unchanged_by: UnchangedBy) -> None:
        self._root, self._trusted = root, unchanged_by == "storage"
        self._new = Metrics.counter("CarryLabels", "rows_new")
        self._looked_up = Metrics.counter("CarryLabels", "rows_looked_up")
        self._hashed = Metrics.counter("CarryLabels", "rows_compared_by_sha256")

    def unchanged(self, catalog: pa.Table, versions: pa.Table) -> tuple[npt.NDArray[np.bool_], pa.Table]:
        """Tell which rows are unchanged.

        Parameters
        ----------
        catalog
            Rows in the format of :data:`~transforms.catalog_buckets.CATALOG_BATCH`, each track id once.
        versions
            :data:`VERSION_COLUMNS` of the previous run.

        Returns
        -------
        tuple
            Whether each row is unchanged, shape (rows,), and :data:`VERSION_COLUMNS` of those that are, in their order.
        """
        found = pc.index_in(whole(catalog["track_id"]), value_set=whole(versions["track_id"]))
        known = np.flatnonzero(mask_of(found.is_valid()))
        self._new.inc(catalog.num_rows - len(known))
        before, now = versions.take(found.take(pa.array(known))), catalog.take(pa.array(known))
        same_uri = mask_of(pc.equal(now["audio_uri"], before["audio_uri"])) & self._trusted
        etags = now["audio_etag"], before["audio_etag"]
        same = same_uri & mask_of(pc.fill_null(pc.equal(*etags), False))
        # An etag that differs says that something changed: then the bytes decide, whatever the storage says.
        ask_storage = same_uri & ~mask_of(pc.fill_null(pc.not_equal(*etags), False))
        sizes, stored = before["size_bytes"].to_numpy().copy(), before["storage_version"].to_pylist()
        undecided = np.flatnonzero(~same)
        uris, digests = (
            column.take(pa.array(undecided)).to_pylist() for column in (now["audio_uri"], before["audio_sha256"])
        )
        questions = (
            _Question(uri, sha256, StoredAudio(int(sizes[index]), stored[index]), bool(ask_storage[index]))
            for index, uri, sha256 in zip(undecided.tolist(), uris, digests, strict=True)
        )
        for index, answer in zip(undecided.tolist(), self._answers(questions), strict=True):
            if answer is not None:
                same[index], sizes[index], stored[index] = True, answer.size_bytes, answer.storage_version
        same &= sizes <= self._root.max_file_bytes
        kept = np.zeros(catalog.num_rows, bool)
        kept[known[same]] = True
        columns = {column: now[column] for column in ("track_id", "audio_uri")}
        columns |= {"audio_sha256": before["audio_sha256"], "size_bytes": pa.array(sizes)}
        columns |= {"storage_version": pa.array(stored, pa.string()), "audio_etag": now["audio_etag"]}
        return kept, pa.table(columns).filter(pa.array(same))

    def _answers(self, questions: Iterator[_Question]) -> Iterator[StoredAudio | None]:
        """Answer in the order of the questions; null where the audio changed."""
        if "://" not in self._root.root:
            yield from map(self._count, map(self._ask, questions))
            return
        with concurrent.futures.ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
            while some := list(itertools.islice(questions, _QUESTIONS_AT_ONCE)):
                yield from map(self._count, pool.map(self._ask, some))

    def _ask(self, question: _Question) -> tuple[StoredAudio | None, bool, bool]:
        """What the storage says of unchanged audio, else null; whether it was looked up, and whether it was read."""
        looked_up = question.ask_storage and question.stored.storage_version is not None
        if looked_up and look_up(question.audio_uri, self._root) == question.stored:
            return question.stored, True, False
        try:
            identity = identify(question.audio_uri, self._root)
        except AudioSourceError:
            return None, looked_up, True  # labelling says what is wrong with it
        found = StoredAudio(identity.size_bytes, identity.storage_version)
        return found if identity.sha256 == question.sha256 else None, looked_up, True

    def _count(self, answer: tuple[StoredAudio | None, bool, bool]) -> StoredAudio | None:
        # Here, for Beam's counters know the thread of the bundle and no other.
        found, looked_up, read = answer
        self._looked_up.inc(int(looked_up))
        self._hashed.inc(int(read))
        return found
