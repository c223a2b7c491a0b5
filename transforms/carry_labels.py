"""Which tracks keep the labels of the previous run, bucket by bucket, and the rows that say so."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.metrics import Metrics

from models.decision import DecisionSettings, needs_review
from models.taxonomy import CATEGORIES
from transforms.audio_comparison import VERSION_COLUMNS, AudioComparison, UnchangedBy
from transforms.audio_sources import AudioRoot
from transforms.carried_flags import flags_of_carried
from transforms.carried_rows import ROWS_AT_ONCE, CarriedRowsWriter, PartsWriter, read_buckets, spill, whole
from transforms.catalog_buckets import to_batch, to_rows
from transforms.catalog_duplicates import JudgeTrackId
from transforms.previous_run import PreviousRun, PreviousRunError
from transforms.records import NO_ROWS, RowTally, TallySum
from transforms.rows_by_key import KEYED_ROWS, bucket_of_key
from transforms.run_summary import LINEAGE_COLUMNS
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
#: What is read of the previous run.
_COLUMNS_READ: Final = {
    "audio_versions": VERSION_COLUMNS,
    "track_labels": ("track_id", "flags", *_AUDIO_COLUMNS),
    **{
        table: tuple(name for name in TABLES[table].names if name not in LINEAGE_COLUMNS)
        for table in ("track_segments", "track_embeddings")
    },
}
#: Rows of ``track_labels`` on their way: without lineage, and with ``key_hash`` of the track id.
_UNFINISHED: Final = pa.schema(
    [
        *(field for field in TABLES["track_labels"] if field.name not in LINEAGE_COLUMNS),
        pa.field("track_hash", pa.uint64()),
    ]
)
_ROW_COLUMNS: Final = ("track_id", "isrc", "release_id", "title", "artist", "audio_uri", "licensor")


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
    """Carried rows of one file of ``track_labels``, without ``duplicate_of``; in the order of their track ids."""

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
        """Compare the rows of one file, a few thousand at a time in the order of their track ids."""
        shard, shards = element
        settings, bucket = self._settings, shard % self._settings.previous.buckets
        catalog, dead_letters = self._distinct(read_buckets(paths, range(shard, settings.catalog_buckets, shards)))
        for letter in dead_letters:
            yield beam.pvalue.TaggedOutput(DEAD_LETTERS, letter)
        order = pc.sort_indices(whole(catalog["track_id"]))
        before = {table: settings.previous.sorted_rows(table, bucket, names) for table, names in _COLUMNS_READ.items()}
        tally, tracks, keyed = NO_ROWS, 0, _KeyedRows(settings)
        with contextlib.ExitStack() as stack:
            finished = {
                table: stack.enter_context(CarriedRowsWriter(settings.staging_dir, table, shard, settings.lineage))
                for table in FINISHED_TABLES
            }
            unfinished = stack.enter_context(PartsWriter(settings.staging_dir, _UNFINISHED))
            for first in range(0, catalog.num_rows, ROWS_AT_ONCE):
                rows = catalog.take(order.slice(first, ROWS_AT_ONCE)).combine_chunks()
                last = rows["track_id"][-1].as_py()
                old = {table: sorted_rows.up_to(last) for table, sorted_rows in before.items()}
                kept, versions = self._comparison.unchanged(rows, old["audio_versions"])
                for row in to_rows(rows.filter(pa.array(~kept))):
                    self._to_label.inc()
                    yield beam.pvalue.TaggedOutput(TO_LABEL, row)
                rows = rows.filter(pa.array(kept)).combine_chunks()
                if not rows.num_rows:
                    continue
                tally, tracks = tally + _sum_of(rows), tracks + rows.num_rows
                hashes = rows["track_hash"].to_numpy()
                finished["audio_versions"].add(versions, hashes)
                labels = self._labels(rows, old["track_labels"], bucket)
                unfinished.write(labels.append_column("track_hash", rows["track_hash"]))
                keyed.add(labels)
                for table in ("track_segments", "track_embeddings"):
                    found = pc.index_in(old[table]["track_id"], value_set=whole(rows["track_id"]))
                    positions = whole(found.drop_null()).to_numpy()
                    finished[table].add(old[table].filter(found.is_valid()), hashes[positions])
        self._carried.inc(tracks)
        yield beam.pvalue.TaggedOutput(LABELLED, TallySum(tally, tracks))
        yield beam.pvalue.TaggedOutput(LABELS, CarriedLabels(shard, unfinished.path))
        for table, writer in finished.items():
            yield beam.pvalue.TaggedOutput(table, writer.carried())
        for tag, path in keyed.spill().items():
            yield beam.pvalue.TaggedOutput(tag, path)

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

    def _labels(self, catalog: pa.Table, labels: pa.Table, bucket: int) -> pa.Table:
        """Give the carried tracks' rows of ``track_labels`` as far as they are known here, but lineage."""
        ids = whole(catalog["track_id"])
        order = pc.index_in(ids, value_set=whole(labels["track_id"]))
        if order.null_count:
            missing, previous = ids.filter(order.is_null())[0].as_py(), self._settings.previous
            raise PreviousRunError(
                f"previous run {previous.run_id}, file {previous.files['track_labels'][bucket].path}: has no label for "
                f"{missing!r}, which has a row in audio_versions"
            )
        labels = labels.take(order)
        flags = flags_of_carried(catalog, labels, self._settings.decision)
        decisions = ["review" if needs_review(found) else "auto" for found in flags]
        for kind, number in Counter(zip(labels["category"].to_pylist(), decisions, strict=True)).items():
            self._by_kind[kind].inc(number)
        columns = {name: catalog[name] for name in _ROW_COLUMNS} | {name: labels[name] for name in _AUDIO_COLUMNS}
        columns["decision"] = pa.array(decisions, pa.string())
        columns["flags"] = pa.array(flags, TABLES["track_labels"].field("flags").type)
        columns["duplicate_of"] = pa.nulls(catalog.num_rows, pa.string())
        columns["label_source"] = pa.repeat(pa.scalar("carried"), catalog.num_rows)
        schema = _UNFINISHED.remove(len(_UNFINISHED) - 1)
        return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def _sum_of(rows: pa.Table) -> RowTally:
    digest = np.add.reduce(rows["tally_digest"].to_numpy(), dtype=np.uint64)  # modulo 2**64, as a tally is
    return RowTally(int(rows["tally_rows"].to_numpy().sum()), int(digest))


class _KeyedRows:
    """Carried tracks by their audio and by their release, for :class:`~transforms.rows_by_key.RowsByKey`."""

    def __init__(self, settings: CarrySettings) -> None:
        self._settings = settings
        self._rows: dict[str, list[pa.Table]] = {BY_AUDIO: [], BY_RELEASE: []}

    def add(self, labels: pa.Table) -> None:
        on_release = labels.filter(labels["release_id"].is_valid())
        for tag, rows, key in ((BY_AUDIO, labels, "audio_sha256"), (BY_RELEASE, on_release, "release_id")):
            self._rows[tag].append(
                pa.Table.from_arrays([rows[key], rows["track_id"], rows["category"]], schema=KEYED_ROWS)
            )

    def spill(self) -> dict[str, str]:
        """Write a file for each kind of key; gives their paths."""
        paths, count = {}, self._settings.previous.buckets
        for tag, parts in self._rows.items():
            rows = pa.concat_tables(parts) if parts else KEYED_ROWS.empty_table()
            buckets = (bucket_of_key(text, count) for part in parts for text in part["key"].to_pylist())
            paths[tag] = spill(self._settings.staging_dir, rows, np.fromiter(buckets, np.int64, rows.num_rows), count)
        return paths
