"""Which tracks keep the labels of the previous run, bucket by bucket, and the rows that say so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.metrics import Metrics

from models.decision import DecisionSettings, needs_review
from models.taxonomy import CATEGORIES
from models.track_flags import flags_of_audio, track_flags
from transforms.audio_comparison import VERSION_COLUMNS, AudioComparison, UnchangedBy
from transforms.audio_sources import AudioRoot
from transforms.carried_rows import (
    ROWS_AT_ONCE,
    CarriedRows,
    read_buckets,
    spill,
    spill_one,
    whole,
    write_carried_rows,
)
from transforms.catalog_buckets import to_batch, to_rows
from transforms.catalog_duplicates import JudgeTrackId
from transforms.previous_run import PreviousRun, PreviousRunError
from transforms.records import RowTally, TallySum
from transforms.rows_by_key import KEYED_ROWS, bucket_of_key
from transforms.table_schemas import TABLES

TO_LABEL: Final = "to_label"
DEAD_LETTERS: Final = "dead_letters"
LABELLED: Final = "labelled"
BY_AUDIO: Final = "by_audio"
BY_RELEASE: Final = "by_release"
LABELS: Final = "labels"
#: Tables whose carried rows depend on nothing outside their bucket.
FINISHED_TABLES: Final = ("audio_versions", "track_segments", "track_embeddings")

#: Buckets of the catalog, about, when the previous run has fewer files.
_CATALOG_BUCKETS: Final = 256
_AUDIO_COLUMNS: Final = (
    "audio_sha256", "duration_s", "category", "functional_type", "confidence", "p_music", "p_functional", "p_speech",
    "music_fraction", "functional_fraction", "speech_fraction",
)  # fmt: skip
_ROW_COLUMNS: Final = ("track_id", "isrc", "release_id", "title", "artist", "audio_uri", "licensor")
_FLAG_COLUMNS: Final = ("title", "release_title", "declared_type", "genres", "duration_ms")


@dataclasses.dataclass(frozen=True)
class CarrySettings:
    """What carrying needs, checked before the job starts.

    Attributes
    ----------
    previous
        The run to carry from; its labels depend on what the new ones depend on.
    lineage
        The lineage columns of the new run.
    staging_dir
        Of the new run.
    """

    previous: PreviousRun
    audio_root: AudioRoot
    decision: DecisionSettings
    unchanged_by: UnchangedBy
    lineage: Mapping[str, Any]
    staging_dir: str

    @property
    def most_files(self) -> int:
        """Files that the new tables have for one of the previous run's, at most: a power of two.

        Many when that run was small, for the catalog may have become large since.
        """
        return max(4, 1 << (_CATALOG_BUCKETS // self.previous.buckets).bit_length() >> 1)

    @property
    def catalog_buckets(self) -> int:
        """Buckets that the catalog is read into: those of every number of files that the new tables may have."""
        return self.most_files * self.previous.buckets


@dataclasses.dataclass(frozen=True, slots=True)
class CarriedLabels:
    """Carried rows of one file of ``track_labels``, without ``duplicate_of``; their hashes in ``track_hash``."""

    shard: int
    path: str


class CarryBucket(beam.DoFn):
    """Compare the catalog rows of one file of the new tables with the previous run.

    Takes the file's number with the number of all, and the files of
    :class:`~transforms.catalog_buckets.ReadCatalogBuckets`. Gives ``to_label`` (:class:`CatalogRow`), ``dead_letters``,
    ``labelled`` (:class:`TallySum`), ``labels`` (:class:`CarriedLabels`), ``by_audio`` and ``by_release`` (files for
    :class:`~transforms.rows_by_key.RowsByKey`), and under each of :data:`FINISHED_TABLES` its :class:`CarriedRows`.
    """

    OUTPUTS = (TO_LABEL, DEAD_LETTERS, LABELLED, LABELS, BY_AUDIO, BY_RELEASE, *FINISHED_TABLES)

    def __init__(self, settings: CarrySettings) -> None:
        super().__init__()
        self._settings = settings
        self._judge = JudgeTrackId()
        self._comparison = AudioComparison(settings.audio_root, settings.unchanged_by)
        name = "CarryLabels"
        self._carried = Metrics.counter(name, "tracks_carried")
        self._to_label = Metrics.counter(name, "rows_to_label")
        self._by_kind = {
            (category, decision): Metrics.counter(name, f"tracks_{category}_{decision}")
            for category in CATEGORIES
            for decision in ("auto", "review")
        }

    def process(self, element: tuple[int, int], paths: Sequence[str]) -> Iterator[beam.pvalue.TaggedOutput]:
        """Compare the rows of one file."""
        shard, shards = element
        bucket = shard % self._settings.previous.buckets
        catalog, dead_letters = self._distinct(
            read_buckets(paths, range(shard, self._settings.catalog_buckets, shards))
        )
        # As in the tables, whose rows are merged with these.
        catalog = catalog.take(pc.sort_indices(whole(catalog["track_id"])))
        for letter in dead_letters:
            yield beam.pvalue.TaggedOutput(DEAD_LETTERS, letter)
        versions = self._settings.previous.read("audio_versions", bucket, VERSION_COLUMNS)
        kept, new_versions = self._comparison.unchanged(catalog, versions)
        for row in to_rows(catalog.filter(pa.array(~kept))):
            self._to_label.inc()
            yield beam.pvalue.TaggedOutput(TO_LABEL, row)
        catalog = catalog.filter(pa.array(kept)).combine_chunks()
        del versions
        self._carried.inc(catalog.num_rows)
        digest = int(np.add.reduce(catalog["tally_digest"].to_numpy(), dtype=np.uint64))
        tally = RowTally(int(catalog["tally_rows"].to_numpy().sum()), digest)
        yield beam.pvalue.TaggedOutput(LABELLED, TallySum(tally, catalog.num_rows))
        hashes = catalog["track_hash"].to_numpy()
        part = carried_rows(self._settings, "audio_versions", shard, [(new_versions, hashes)])
        yield beam.pvalue.TaggedOutput("audio_versions", part)
        del new_versions
        yield from self._unfinished(shard, self._labels(catalog, bucket), hashes)
        ids = whole(catalog["track_id"])
        del catalog
        for table in ("track_segments", "track_embeddings"):
            rows = self._rows_of(table, bucket, ids, hashes)
            yield beam.pvalue.TaggedOutput(table, carried_rows(self._settings, table, shard, rows))

    def _distinct(self, catalog: pa.Table) -> tuple[pa.Table, list[Any]]:
        """Judge the track ids that stand more than once, as :class:`CollapseDuplicates` does."""
        counted = catalog.group_by("track_id").aggregate([("track_id", "count")])
        repeated = whole(counted["track_id"].filter(pc.greater(counted["track_id_count"], 1)))
        if not len(repeated):
            return catalog, []
        again = pc.is_in(whole(catalog["track_id"]), value_set=repeated)
        by_id: dict[str, list[Any]] = {}
        for row in to_rows(catalog.filter(again)):
            by_id.setdefault(row.track_id, []).append(row)
        rows, dead_letters = [], []
        for group in by_id.items():
            for judged in self._judge.process(group):
                if isinstance(judged, beam.pvalue.TaggedOutput):
                    dead_letters.append(judged.value)
                else:
                    rows.append(judged)
        return pa.concat_tables([catalog.filter(pc.invert(again)), to_batch(rows)]).combine_chunks(), dead_letters

    def _rows_of(
        self, table: str, bucket: int, ids: pa.Array, hashes: npt.NDArray[np.uint64]
    ) -> Iterator[tuple[pa.Table, npt.NDArray[np.uint64]]]:
        """Give the previous run's rows of the carried tracks, a part at a time."""
        names = [name for name in TABLES[table].names if name not in self._settings.lineage]
        for batch in self._settings.previous.batches(table, bucket, names):
            found = pc.index_in(batch["track_id"], value_set=ids)
            carried = found.is_valid()
            positions = found.filter(carried).to_numpy(zero_copy_only=False).astype(np.int64)
            yield pa.Table.from_batches([batch.filter(carried)]), hashes[positions]

    def _labels(self, catalog: pa.Table, bucket: int) -> pa.Table:
        """Give the carried tracks' rows of ``track_labels`` as far as they are known here, but lineage."""
        previous, ids = self._settings.previous, whole(catalog["track_id"])
        labels = previous.read("track_labels", bucket, ("track_id", "flags", *_AUDIO_COLUMNS))
        order = pc.index_in(ids, value_set=whole(labels["track_id"]))
        if order.null_count:
            missing = ids.filter(order.is_null())[0].as_py()
            path = previous.files["track_labels"][bucket].path
            raise PreviousRunError(
                f"previous run {previous.run_id}, file {path}: has no label for {missing!r}, which has a row in "
                "audio_versions"
            )
        labels = labels.take(order)
        decision = self._settings.decision
        flags: list[list[str]] = []
        decisions: list[str] = []
        for first in range(0, catalog.num_rows, ROWS_AT_ONCE):
            now = catalog.slice(first, ROWS_AT_ONCE).select(_FLAG_COLUMNS).to_pydict()
            before = labels.slice(first, ROWS_AT_ONCE).select(["flags", "category", "duration_s"]).to_pydict()
            for index, (old, category, duration_s) in enumerate(zip(*before.values(), strict=True)):
                words = {column: now[column][index] for column in _FLAG_COLUMNS}
                found = track_flags(flags_of_audio(old), category, duration_s, decision, **words)
                flags.append(found)
                decisions.append("review" if needs_review(found) else "auto")
        for category, decided in zip(labels["category"].to_pylist(), decisions, strict=True):
            self._by_kind[category, decided].inc()
        columns = {name: catalog[name] for name in _ROW_COLUMNS} | {name: labels[name] for name in _AUDIO_COLUMNS}
        columns["decision"] = pa.array(decisions, pa.string())
        columns["flags"] = pa.array(flags, TABLES["track_labels"].field("flags").type)
        columns["duplicate_of"] = pa.nulls(catalog.num_rows, pa.string())
        columns["label_source"] = pa.array(["carried"] * catalog.num_rows, pa.string())
        return pa.table(columns)

    def _unfinished(
        self, shard: int, labels: pa.Table, hashes: npt.NDArray[np.uint64]
    ) -> Iterator[beam.pvalue.TaggedOutput]:
        settings = self._settings
        path = spill_one(settings.staging_dir, labels.append_column("track_hash", pa.array(hashes)))
        yield beam.pvalue.TaggedOutput(LABELS, CarriedLabels(shard, path))
        on_release = labels.filter(labels["release_id"].is_valid())
        for tag, rows, key in ((BY_AUDIO, labels, "audio_sha256"), (BY_RELEASE, on_release, "release_id")):
            keyed = pa.Table.from_arrays([rows[key], rows["track_id"], rows["category"]], schema=KEYED_ROWS)
            count = settings.previous.buckets
            buckets = np.array([bucket_of_key(text, count) for text in rows[key].to_pylist()], np.int64)
            yield beam.pvalue.TaggedOutput(tag, spill(settings.staging_dir, keyed, buckets, count))


def carried_rows(
    settings: CarrySettings,
    table: str,
    shard: int,
    parts: Iterable[tuple[pa.Table, npt.NDArray[np.uint64]]],
) -> CarriedRows:
    """Put the new run's lineage behind rows and write them for one file of the table.

    Parameters
    ----------
    shard
        Number of the file.
    parts
        Its rows in their sort order and without lineage, each part with the hashes of its rows' track ids.
    """
    schema = TABLES[table]

    def with_lineage(rows: pa.Table) -> pa.Table:
        columns = [
            pa.repeat(pa.scalar(settings.lineage[field.name], field.type), rows.num_rows)
            if field.name in settings.lineage
            else rows[field.name].cast(field.type)
            for field in schema
        ]
        return pa.Table.from_arrays(columns, schema=schema)

    complete = ((with_lineage(rows), hashes) for rows, hashes in parts)
    return write_carried_rows(settings.staging_dir, table, shard, complete, schema)
