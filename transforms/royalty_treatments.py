"""``track_labels`` rows × policies → ``royalty_treatments`` rows, each functional track with its release around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics

from models.royalty_policy import RoyaltyPolicy
from models.royalty_rule import NO_RELEASE, ReleaseContext, RoyaltyFacts, treat
from models.taxonomy import FUNCTIONAL

_BRANCHES = ("of_category", "on_release", "alone")


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
            | "Treat" >> beam.ParDo(_Treat(self._policies, self._lineage))
        )


def _by_release(label: Mapping[str, Any]) -> Iterator[beam.pvalue.TaggedOutput]:
    facts = RoyaltyFacts(label["category"], label["functional_type"], label["decision"], label["duration_s"])
    track = (label["track_id"], facts)
    release_id = label["release_id"]
    if release_id:
        yield beam.pvalue.TaggedOutput("of_category", (release_id, facts.category))
    if release_id and facts.category == FUNCTIONAL:
        yield beam.pvalue.TaggedOutput("on_release", (release_id, track))
    else:
        # Without an id nothing is known of the release; music and speech do not depend on it.
        yield beam.pvalue.TaggedOutput("alone", (track, NO_RELEASE))


def _with_others(
    release_id: str, joined: Mapping[str, Iterable[Any]]
) -> Iterator[tuple[tuple[str, RoyaltyFacts], ReleaseContext]]:
    others: ReleaseContext | None = None
    for track in joined["tracks"]:
        if others is None:
            (release,) = joined["release"]
            others = release.without(FUNCTIONAL)
        yield track, others


class _CountCategories(beam.CombineFn):
    def create_accumulator(self) -> ReleaseContext:
        return ReleaseContext()

    def add_input(self, accumulator: ReleaseContext, category: str) -> ReleaseContext:
        return accumulator + ReleaseContext(**{category: 1})

    def merge_accumulators(self, accumulators: Iterable[ReleaseContext]) -> ReleaseContext:
        return sum(accumulators, start=ReleaseContext())

    def extract_output(self, accumulator: ReleaseContext) -> ReleaseContext:
        return accumulator


class _Treat(beam.DoFn):
    def __init__(self, policies: tuple[RoyaltyPolicy, ...], lineage: dict[str, Any]) -> None:
        super().__init__()
        self._policies = policies
        self._lineage = lineage
        self._ineligible = {
            policy.policy_id: Metrics.counter("RoyaltyTreatments", f"ineligible_{policy.policy_id}")
            for policy in policies
        }

    def process(self, element: tuple[tuple[str, RoyaltyFacts], ReleaseContext]) -> Iterator[dict[str, Any]]:
        (track_id, facts), others = element
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
