"""A run that labels what is new or changed and carries all other labels forward from the previous run.

Carried rows travel in files, a bucket of track ids at a time; only rows that are labelled anew travel one by one. So
memory grows with the size of a bucket, which is a file of the new tables, and with the number of new rows.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow.compute as pc

from models.royalty_policy import RoyaltyPolicy
from transforms.carried_rows import ROWS_AT_ONCE, CarriedRowsWriter, read_buckets, read_parts, whole
from transforms.carry_labels import (
    BY_AUDIO,
    BY_RELEASE,
    DEAD_LETTERS,
    FINISHED_TABLES,
    LABELLED,
    LABELS,
    TO_LABEL,
    CarriedLabels,
    CarryBucket,
    CarrySettings,
)
from transforms.catalog_buckets import ReadCatalogBuckets
from transforms.catalog_settings import CatalogSettings
from transforms.hear_audio import Counted
from transforms.rows_by_key import ROWS, SPILLED, RowsByKey, first_tracks, release_counts
from transforms.royalty_treatments import COUNTS_OF_NONE, TRACK_COLUMNS, Treat, others_of
from transforms.sorted_rows import SortedRows
from transforms.whole_run import RunTables
from transforms.write_tables import shard_count


class LabelIncrementally(beam.PTransform):
    """Label a catalog, carrying labels forward where audio is unchanged.

    Each table gets the previous run's number of files times a power of two, so that the rows of one come from one.

    Parameters
    ----------
    catalog
        The value of ``--catalog``.
    catalog_states, catalog_settings
        As for :class:`~transforms.catalog_reading.ReadCatalog`.
    settings
        What carrying needs.
    label_tracks
        :class:`~transforms.label_tracks.LabelTracks`, for the other rows.
    policies
        In force on the run date.
    rows_per_file
        Catalog rows for one file of a table, about.
    counted
        Wraps a PCollection so that its elements are counted under a name.
    """

    def __init__(
        self,
        catalog: str,
        catalog_states: Mapping[str, str] | None,
        catalog_settings: CatalogSettings,
        settings: CarrySettings,
        label_tracks: beam.PTransform,
        policies: Sequence[RoyaltyPolicy],
        rows_per_file: int,
        counted: Counted,
    ) -> None:
        super().__init__()
        self._read_catalog = ReadCatalogBuckets(
            catalog, catalog_states, catalog_settings, settings.staging_dir, settings.catalog_buckets
        )
        self._settings, self._label_tracks = settings, label_tracks
        self._policies, self._rows_per_file, self._counted = tuple(policies), rows_per_file, counted

    def expand(self, pbegin: Any) -> RunTables:
        """Compose the stages."""
        settings, buckets = self._settings, self._settings.previous.buckets
        catalog = pbegin | "ReadCatalog" >> self._read_catalog
        read = self._counted("rows_read", catalog.read)
        files_per_table = (
            read
            | "Rows" >> beam.Map(lambda tally: tally.rows)
            | "CountRows" >> beam.CombineGlobally(sum)
            | "FilesPerTable" >> beam.Map(_files_per_table, self._rows_per_file, buckets, settings.most_files)
        )
        carried = (
            files_per_table
            | "Files" >> beam.FlatMap(lambda files: [(number, files) for number in range(files)])
            | "SpreadFiles" >> beam.Reshuffle()
            | "Carry"
            >> beam.ParDo(CarryBucket(settings), beam.pvalue.AsList(catalog.paths)).with_outputs(*CarryBucket.OUTPUTS)
        )
        fresh = self._counted("rows_to_label", carried[TO_LABEL]) | "LabelTracks" >> self._label_tracks
        keyed = fresh["track_labels"] | "Keys" >> beam.FlatMap(_keys).with_outputs(BY_AUDIO, BY_RELEASE)
        firsts = {SPILLED: carried[BY_AUDIO], ROWS: keyed[BY_AUDIO]} | "FirstTracks" >> RowsByKey(
            first_tracks, settings.staging_dir, buckets
        )
        releases = {SPILLED: carried[BY_RELEASE], ROWS: keyed[BY_RELEASE]} | "CountReleases" >> RowsByKey(
            release_counts, settings.staging_dir, buckets
        )
        finished = carried[LABELS] | "Finish" >> beam.ParDo(
            _FinishBucket(settings, self._policies),
            beam.pvalue.AsList(firsts[SPILLED]),
            beam.pvalue.AsList(releases[SPILLED]),
        ).with_outputs("track_labels", "royalty_treatments")
        completed = (
            {
                "label": fresh["track_labels"] | "ById" >> beam.Map(lambda label: (label["track_id"], label)),
                "first": firsts[ROWS],
                "counts": releases[ROWS],
            }
            | "JoinAnswers" >> beam.CoGroupByKey()
            | "Complete" >> beam.FlatMapTuple(_complete).with_outputs("track_labels", "tracks")
        )
        treatments = completed["tracks"] | "Treat" >> beam.ParDo(Treat(self._policies, dict(settings.lineage)))
        rows = {
            "track_labels": (completed["track_labels"], finished["track_labels"]),
            "royalty_treatments": (treatments, finished["royalty_treatments"]),
            **{table: (fresh[table], carried[table]) for table in FINISHED_TABLES},
        }
        return RunTables(
            read,
            (fresh["labelled"], carried[LABELLED]) | "Labelled" >> beam.Flatten(),
            (
                self._counted("dead_letters", catalog.dead_letters),
                self._counted("dead_letters", carried[DEAD_LETTERS]),
                fresh["dead_letters"],
            )
            | "DeadLetters" >> beam.Flatten(),
            {table: parts | f"Both {table}" >> beam.Flatten() for table, parts in rows.items()},
            files_per_table,
        )


def _files_per_table(rows: int, rows_per_file: int, buckets: int, most: int) -> int:
    """Those of the previous run times a power of two, so that each new file's carried rows come from one of them."""
    wanted = shard_count(rows, rows_per_file) / buckets
    return buckets * min(most, 1 << max(0, round(math.log2(wanted))))


def _keys(label: Mapping[str, Any]) -> Iterator[beam.pvalue.TaggedOutput]:
    yield beam.pvalue.TaggedOutput(BY_AUDIO, (label["audio_sha256"], label["track_id"], label["category"]))
    if label["release_id"]:
        yield beam.pvalue.TaggedOutput(BY_RELEASE, (label["release_id"], label["track_id"], label["category"]))


def _complete(track_id: str, joined: Mapping[str, Iterable[Any]]) -> Iterator[beam.pvalue.TaggedOutput]:
    """A new label with what carried labels say of its audio and release."""
    ((label,), firsts, counts) = (list(joined[name]) for name in ("label", "first", "counts"))
    yield beam.pvalue.TaggedOutput("track_labels", label | {"duplicate_of": firsts[0][0] if firsts else None})
    track = tuple(label[column] for column in TRACK_COLUMNS)
    yield beam.pvalue.TaggedOutput("tracks", (track, others_of(counts[0]) if counts else COUNTS_OF_NONE))


class _FinishBucket(beam.DoFn):
    """Carried rows of one file of ``track_labels`` and of ``royalty_treatments``."""

    def __init__(self, settings: CarrySettings, policies: tuple[RoyaltyPolicy, ...]) -> None:
        super().__init__()
        self._settings = settings
        self._policies = policies
        self._treat = Treat(policies, {})

    def process(
        self, carried: CarriedLabels, firsts: Sequence[str], releases: Sequence[str]
    ) -> Iterator[beam.pvalue.TaggedOutput]:
        settings, bucket = self._settings, carried.shard % self._settings.previous.buckets
        first_of, counts_of = (_sorted_answers(paths, bucket) for paths in (firsts, releases))
        with contextlib.ExitStack() as stack:
            tables = ("track_labels", "royalty_treatments") if self._policies else ("track_labels",)
            writers = {
                table: stack.enter_context(
                    CarriedRowsWriter(settings.staging_dir, table, carried.shard, settings.lineage)
                )
                for table in tables
            }
            for labels in read_parts(carried.path):
                hashes, last = labels["track_hash"].to_numpy(), labels["track_id"][-1].as_py()
                if first_of is not None:
                    answers = first_of.up_to(last)
                    found = pc.index_in(whole(labels["track_id"]), value_set=whole(answers["track_id"]))
                    place = labels.schema.get_field_index("duplicate_of")
                    labels = labels.set_column(place, "duplicate_of", whole(answers["first"]).take(found))
                writers["track_labels"].add(labels, hashes)
                if self._policies:
                    answered = counts_of.up_to(last).to_pylist() if counts_of is not None else []
                    others = {row.pop("track_id"): others_of(tuple(row.values())) for row in answered}
                    rows = self._treat.many(labels.select(TRACK_COLUMNS), others)
                    writers["royalty_treatments"].add(rows, hashes.repeat(len(self._policies)))
        for table, writer in writers.items():
            yield beam.pvalue.TaggedOutput(table, writer.carried())


def _sorted_answers(paths: Sequence[str], bucket: int) -> SortedRows | None:
    """Answers of :class:`RowsByKey` for the tracks of one bucket, in the order of their ids; null without any."""
    if not paths:
        return None
    answers = read_buckets(paths, [bucket])
    answers = answers.take(pc.sort_indices(whole(answers["track_id"]))).combine_chunks()
    return SortedRows(iter(answers.to_batches(max_chunksize=ROWS_AT_ONCE)), answers.schema)
