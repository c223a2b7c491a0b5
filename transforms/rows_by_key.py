"""What a track's row needs to know of other tracks: those with its audio, those on its release; carried and new ones.

Carried rows travel in files, new ones one by one. Both are sorted into buckets by their key, so that no stage holds
more than one bucket, and the answers come back to the buckets of the track ids.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.royalty_rule import ReleaseContext
from models.taxonomy import FUNCTIONAL
from transforms.carried_rows import mask_of, read_buckets, spill, whole
from transforms.records import key_hash

#: A key (audio or release), the track that has it, and the track's category.
KEYED_ROWS: Final = pa.schema([("key", pa.string()), ("track_id", pa.string()), ("category", pa.string())])

SPILLED: Final = "spilled"
ROWS: Final = "rows"


def bucket_of_key(key: str, buckets: int) -> int:
    """Bucket of a key, the same on every machine."""
    return zlib.crc32(key.encode("utf-8")) % buckets


class RowsByKey(beam.PTransform):
    """Answer a question about all rows of each key.

    Takes a dict of PCollections: ``spilled``, files of :data:`KEYED_ROWS` with a bucket for each
    :func:`bucket_of_key`; and ``rows``, tuples of the same columns. Gives a dict: ``spilled``, files of the answers for
    the spilled rows, with a bucket for each track id's hash modulo ``buckets``; and ``rows``, ``(track_id, answer)``
    for the others. The answer is a tuple.

    Parameters
    ----------
    answer
        From rows of whole keys, with the column ``spilled`` beside those of :data:`KEYED_ROWS`, to a table of
        ``track_id``, ``spilled`` and the answers' columns, for the tracks that have an answer.
    staging_dir
        Where files on the way go.
    buckets
        How many.
    """

    def __init__(self, answer: Callable[[pa.Table], pa.Table], staging_dir: str, buckets: int) -> None:
        super().__init__()
        self._answer, self._staging_dir, self._buckets = answer, staging_dir, buckets

    def expand(self, inputs: Mapping[str, beam.PCollection[Any]]) -> dict[str, beam.PCollection[Any]]:
        """Compose the stages."""
        buckets = self._buckets
        keyed = inputs[ROWS] | "ToBuckets" >> beam.Map(lambda row: (bucket_of_key(row[0], buckets), row))
        every = (
            inputs[ROWS].pipeline
            | "EveryBucket" >> beam.Create([(bucket, None) for bucket in range(buckets)], reshuffle=False)
        )  # fmt: skip
        answered = (
            (keyed, every)
            | "WithEmptyBuckets" >> beam.Flatten()
            | "GroupByBucket" >> beam.GroupByKey()
            | "Answer"
            >> beam.ParDo(
                _Answer(self._answer, self._staging_dir, buckets), beam.pvalue.AsList(inputs[SPILLED])
            ).with_outputs(SPILLED, ROWS)
        )
        return {SPILLED: answered[SPILLED], ROWS: answered[ROWS]}


class _Answer(beam.DoFn):
    def __init__(self, answer: Callable[[pa.Table], pa.Table], staging_dir: str, buckets: int) -> None:
        super().__init__()
        self._answer, self._staging_dir, self._buckets = answer, staging_dir, buckets

    def process(
        self, element: tuple[int, Iterable[tuple[str, str, str] | None]], paths: Sequence[str]
    ) -> Iterator[beam.pvalue.TaggedOutput]:
        bucket, grouped = element
        rows = [row for row in grouped if row is not None]
        columns = zip(*rows, strict=True) if rows else [()] * len(KEYED_ROWS)
        fresh = pa.Table.from_arrays([pa.array(values, pa.string()) for values in columns], schema=KEYED_ROWS)
        parts = [_marked(fresh, False)]
        if paths:
            parts.append(_marked(read_buckets(paths, [bucket]), True))
        answers = self._answer(pa.concat_tables(parts).combine_chunks())
        of_spilled = answers.filter(answers["spilled"])
        if of_spilled.num_rows:
            ids = of_spilled["track_id"].to_pylist()
            homes = np.array([key_hash(track_id) % self._buckets for track_id in ids], np.int64)
            path = spill(self._staging_dir, of_spilled.drop_columns(["spilled"]), homes, self._buckets)
            yield beam.pvalue.TaggedOutput(SPILLED, path)
        for answer in answers.filter(pc.invert(answers["spilled"])).drop_columns(["spilled"]).to_pylist():
            track_id = answer.pop("track_id")
            yield beam.pvalue.TaggedOutput(ROWS, (track_id, tuple(answer.values())))


def _marked(rows: pa.Table, spilled: bool) -> pa.Table:
    return rows.append_column("spilled", pa.repeat(pa.scalar(spilled), rows.num_rows))


def first_tracks(rows: pa.Table) -> pa.Table:
    """The first track id (in byte order) of each key's tracks, as ``first``, for all of them but that one."""
    firsts = rows.group_by("key").aggregate([("track_id", "min"), ("track_id", "count")])
    firsts = firsts.filter(pc.greater(firsts["track_id_count"], 1))
    position = pc.index_in(whole(rows["key"]), value_set=whole(firsts["key"]))
    shared = position.is_valid()
    first = whole(firsts["track_id_min"]).take(position.filter(shared))
    answers = rows.filter(shared).select(["track_id", "spilled"]).append_column("first", first)
    return answers.filter(pc.not_equal(answers["track_id"], answers["first"]))


def release_counts(rows: pa.Table) -> pa.Table:
    """Tracks per category of each key, in the order of ``ReleaseContext``, for its functional tracks."""
    keys = whole(rows["key"]).dictionary_encode()
    fields = [field.name for field in dataclasses.fields(ReleaseContext)]
    category = pc.index_in(whole(rows["category"]), value_set=pa.array(fields)).to_numpy()
    codes = keys.indices.to_numpy().astype(np.int64)
    counts = np.bincount(codes * len(fields) + category, minlength=len(keys.dictionary) * len(fields))
    counts = counts.reshape(-1, len(fields)).astype(np.int64)
    functional = pc.equal(rows["category"], FUNCTIONAL)
    answers = rows.filter(functional).select(["track_id", "spilled"])
    of_row = counts[codes[mask_of(functional)]]
    for column, name in enumerate(fields):
        answers = answers.append_column(name, pa.array(of_row[:, column]))
    return answers
