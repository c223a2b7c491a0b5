"""``track_labels`` rows × policies → ``royalty_treatments`` rows, each functional track with its release around it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics

from models.royalty_policy import RoyaltyPolicy
from models.royalty_rule import NO_RELEASE, ReleaseContext, RoyaltyFacts, Treatment, treat
from models.taxonomy import FUNCTIONAL
from transforms.table_schemas import TABLES

#: What travels between the stages: plain tuples, which Beam encodes fast.
_Track: TypeAlias = tuple[Any, ...]
_Counts: TypeAlias = tuple[int, ...]

_BRANCHES: Final = ("of_category", "on_release", "alone")
#: The track's id, then the fields of :class:`RoyaltyFacts`.
TRACK_COLUMNS: Final = ("track_id", *(field.name for field in dataclasses.fields(RoyaltyFacts)))
_FIELD_OF_CATEGORY: Final = {field.name: index for index, field in enumerate(dataclasses.fields(ReleaseContext))}
COUNTS_OF_NONE: Final = dataclasses.astuple(NO_RELEASE)


class RoyaltyTreatments(beam.PTransform):
    """Give a row of ``royalty_treatments`` for every row of ``track_labels`` and every policy; none without policies.

    What surrounds a track are all labelled tracks with its ``release_id`` in this run, but itself. They are counted
    with a combiner and joined to the functional tracks only, so that a release may have any number of tracks.

    Parameters
    ----------
    policies
        In force on the run date, each ``policy_id`` once.
    lineage
        The lineage columns of the run.
    """

    def __init__(self, policies: Sequence[RoyaltyPolicy], lineage: Mapping[str, Any]) -> None:
        super().__init__()
        self._policies = tuple(policies)
        self._lineage = dict(lineage)

    def expand(self, labels: beam.PCollection[dict[str, Any]]) -> beam.PCollection[dict[str, Any]]:
        """Compose the stages."""
        if not self._policies:
            return labels.pipeline | "NoPolicies" >> beam.Create([], reshuffle=False)
        parts = labels | "ByRelease" >> beam.FlatMap(_by_release).with_outputs(*_BRANCHES)
        releases = parts["of_category"] | "CountReleases" >> beam.CombinePerKey(_CountCategories())
        surrounded = (
            {"tracks": parts["on_release"], "release": releases}
            | "JoinRelease" >> beam.CoGroupByKey()
            | "OthersOfRelease" >> beam.FlatMapTuple(_with_others)
        )
        return (
            (parts["alone"], surrounded)
            | "AllTracks" >> beam.Flatten()
            | "Treat" >> beam.ParDo(Treat(self._policies, self._lineage))
        )


def _by_release(label: Mapping[str, Any]) -> Iterator[beam.pvalue.TaggedOutput]:
    track = tuple(label[column] for column in TRACK_COLUMNS)
    release_id, category = label["release_id"], label["category"]
    if release_id:
        yield beam.pvalue.TaggedOutput("of_category", (release_id, category))
    if release_id and category == FUNCTIONAL:
        yield beam.pvalue.TaggedOutput("on_release", (release_id, track))
    else:
        # Without an id nothing is known of the release; music and speech do not depend on it.
        yield beam.pvalue.TaggedOutput("alone", (track, COUNTS_OF_NONE))


def _with_others(release_id: str, joined: Mapping[str, Iterable[Any]]) -> Iterator[tuple[_Track, _Counts]]:
    others: _Counts | None = None
    for track in joined["tracks"]:
        if others is None:
            (counts,) = joined["release"]
            others = others_of(counts)
        yield track, others


def others_of(counts: Sequence[int]) -> _Counts:
    """What surrounds a functional track: the tracks per category of its release, less the track itself."""
    return dataclasses.astuple(ReleaseContext(*counts).without(FUNCTIONAL))


class _CountCategories(beam.CombineFn):
    """Tracks per category, in the order of the fields of :class:`ReleaseContext`."""

    def create_accumulator(self) -> list[int]:
        return [0] * len(COUNTS_OF_NONE)

    def add_input(self, accumulator: list[int], category: str) -> list[int]:
        accumulator[_FIELD_OF_CATEGORY[category]] += 1
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[list[int]]) -> list[int]:
        return [sum(counts) for counts in zip(self.create_accumulator(), *accumulators, strict=True)]

    def extract_output(self, accumulator: list[int]) -> _Counts:
        return tuple(accumulator)


class Treat(beam.DoFn):
    """Rows of ``royalty_treatments`` for a track (:data:`TRACK_COLUMNS`) and the counts of its release's others."""

    def __init__(self, policies: tuple[RoyaltyPolicy, ...], lineage: dict[str, Any]) -> None:
        super().__init__()
        self._policies = policies
        self._lineage = lineage
        self._ineligible = {
            policy.policy_id: Metrics.counter("RoyaltyTreatments", f"ineligible_{policy.policy_id}")
            for policy in policies
        }

    def process(self, element: tuple[_Track, _Counts]) -> Iterator[dict[str, Any]]:
        """Treat one track under every policy."""
        (track_id, *columns), counts = element
        facts, others = RoyaltyFacts(*columns), ReleaseContext(*counts)
        for policy in self._policies:
            treatment = treat(facts, others, policy)
            if not treatment.eligible:
                self._ineligible[policy.policy_id].inc()
            yield {
                "track_id": track_id,
                "policy_id": policy.policy_id,
                "policy_version": policy.version,
                **treatment.columns(),
                **self._lineage,
            }

    def many(self, tracks: pa.Table, others: Mapping[str, _Counts]) -> pa.Table:
        """Treat many tracks at once: the rows that :meth:`process` gives one by one, in their order, without lineage.

        Parameters
        ----------
        tracks
            :data:`TRACK_COLUMNS`.
        others
            Counts of the releases' others, by track id; a track that is not there has none.
        """
        found: list[list[Treatment]] = []
        known: dict[tuple[Any, ...], int] = {}
        codes = np.empty(tracks.num_rows, np.int64)
        columns = tracks.to_pydict()
        for index, (track_id, *facts) in enumerate(zip(*columns.values(), strict=True)):
            counts = others.get(track_id, COUNTS_OF_NONE)
            # Length and release matter for functional tracks only; all others are of a handful of kinds.
            kind = (*facts, counts) if facts[0] == FUNCTIONAL else (*facts[:3],)
            code = known.setdefault(kind, len(found))
            if code == len(found):
                of_kind = RoyaltyFacts(*facts), ReleaseContext(*counts)
                found.append([treat(*of_kind, policy) for policy in self._policies])
            codes[index] = code
        for place, policy in enumerate(self._policies):
            refused = np.array([not treatments[place].eligible for treatments in found], bool)
            self._ineligible[policy.policy_id].inc(int(refused[codes].sum()))
        number = len(self._policies)
        rows = (codes[:, None] * number + np.arange(number)).ravel()
        schema = TABLES["royalty_treatments"]
        made = {
            "track_id": tracks["track_id"].take(pa.array(np.arange(tracks.num_rows).repeat(number))),
            **{
                name: pa.array([getattr(policy, attribute) for policy in self._policies] * tracks.num_rows)
                for name, attribute in (("policy_id", "policy_id"), ("policy_version", "version"))
            },
        }
        for name in Treatment.__slots__:
            values = [getattr(treatment, name) for treatments in found for treatment in treatments]
            made[name] = pa.array(values, schema.field(name).type).take(pa.array(rows))
        own = pa.schema([field for field in schema if field.name in made])
        return pa.Table.from_arrays([made[name] for name in own.names], schema=own)
