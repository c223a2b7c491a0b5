"""Labels and policies to treatments, on the real engine: every track, every policy, the release around each."""

from __future__ import annotations

import datetime
import random
import typing

import apache_beam as beam
import pyarrow as pa
import pytest

from models.policy_files import policies_in_force, shipped_policies
from models.royalty_policy import ReviewTreatment
from tests.transforms.kept_elements import counters_of, run_and_keep
from transforms.row_packs import encode_row
from transforms.royalty_treatments import COUNTS_OF_NONE, TRACK_COLUMNS, RoyaltyTreatments, Treat
from transforms.table_schemas import TABLES

DAY = datetime.date(2026, 1, 31)
POLICIES = policies_in_force(["spotify", "deezer"], DAY)
LINEAGE = {"model_version": "m1", "taxonomy_version": "1", "run_id": "r", "run_date": DAY}

NAMES = {"song": "music", "noise": "functional"}


class _Only(beam.PTransform):
    """The treatments under a tag, as ``run_and_keep`` wants them."""

    def __init__(self, policies) -> None:
        super().__init__()
        self._policies = policies

    def expand(self, labels):
        return {"rows": labels | RoyaltyTreatments(self._policies, LINEAGE)}


def label(track_id: str, category: str, release_id: str | None, *, duration_s: float = 45.0, decision: str = "auto"):
    kind = "noise" if category == "functional" else None
    return {
        "track_id": track_id, "category": category, "functional_type": kind, "decision": decision,
        "duration_s": duration_s, "release_id": release_id,
    }  # fmt: skip


def treated(labels, policies=POLICIES):
    kept, result = run_and_keep(_Only(policies), labels, "rows")
    return kept["rows"], result


def classes(rows, policy_id="spotify"):
    return {row["track_id"]: row["royalty_class"] for row in rows if row["policy_id"] == policy_id}


@pytest.fixture(scope="module")
def labels():
    album = [label(f"song-{i}", "music", "album") for i in range(5)]
    return [
        *album,
        label("interlude", "functional", "album"),
        label("second-interlude", "functional", "album"),
        label("reading", "speech", "album"),
        label("single", "functional", "single"),
        *(label(f"rain-{i}", "functional", "rain") for i in range(3)),
        label("rain-song", "music", "rain"),
        label("split-noise", "functional", "split"),
        label("split-song", "music", "split"),
        label("no-release", "functional", None),
        label("empty-release", "functional", ""),
        label("doubt", "functional", "album", decision="review"),
    ]


def test_every_track_has_a_row_under_every_policy_that_fits_the_table(labels):
    rows, result = treated(labels)
    keys = sorted((row["track_id"], row["policy_id"]) for row in rows)
    assert keys == sorted((row["track_id"], policy.policy_id) for row in labels for policy in POLICIES)
    for row in rows:
        encode_row("royalty_treatments", row)
        assert list(row) == TABLES["royalty_treatments"].names
    counted = counters_of(result, "RoyaltyTreatments")
    assert counted["ineligible_spotify"] == sum(not r["eligible"] for r in rows if r["policy_id"] == "spotify") > 0


def test_a_functional_track_follows_what_surrounds_it(labels):
    found = classes(treated(labels)[0])
    assert found["interlude"] == found["second-interlude"] == "music"
    assert found["reading"] == "speech"
    assert found["doubt"] == "pending_review"
    assert {found[name] for name in ("single", "rain-0", "rain-1", "rain-2", "no-release", "empty-release")} == {
        "functional"
    }
    # A track does not count itself: beside the one song, this one is an interlude.
    assert found["split-noise"] == "music"


def test_rows_depend_on_no_order(labels):
    before = sorted(map(repr, treated(labels)[0]))
    shuffled = random.Random(3).sample(labels, len(labels))
    assert sorted(map(repr, treated(shuffled)[0])) == before


def test_a_release_of_ten_thousand_tracks():
    # Each noise sees 4,999 others, and 5,000 songs.
    many = [label(f"{name}{i}", category, "box") for name, category in NAMES.items() for i in range(5_000)]
    rows, _ = treated(many, POLICIES[1:])
    assert len(rows) == len({row["track_id"] for row in rows}) == len(many)
    assert set(classes(rows).values()) == {"music"}


def test_without_policies_there_are_no_rows(labels):
    assert treated(labels, ())[0] == []


def test_many_tracks_at_once_are_treated_as_one_by_one():
    rng = random.Random(4)
    every = [policy for versions in shipped_policies().values() for policy in versions]
    kinds = [("music", None), ("speech", None), ("functional", "noise"), ("functional", "nature")]
    tracks, others = [], {}
    for number in range(400):
        category, kind = rng.choice(kinds)
        duration_s = rng.choice([29.0, 30.0, 60.0, 119.95, 120.0, rng.uniform(1, 300)])
        tracks.append((f"t{number:04d}", category, kind, rng.choice(["auto", "review"]), duration_s))
        if category == "functional" and rng.random() < 0.7:
            others[tracks[-1][0]] = tuple(rng.choice([(0, 0, 0), (1, 0, 0), (0, 3, 0), (2, 1, 5)]))
    table = pa.table([pa.array(column) for column in zip(*tracks, strict=True)], names=TRACK_COLUMNS)
    for review in typing.get_args(ReviewTreatment):
        policies = tuple(policy.model_copy(update={"review_treatment": review}) for policy in every)
        treat = Treat(policies, {})
        found = treat.many(table, others)
        assert found.to_pylist() == [
            row for track in tracks for row in treat.process((track, others.get(track[0], COUNTS_OF_NONE)))
        ]
        assert found.schema.names == [name for name in TABLES["royalty_treatments"].names if name not in LINEAGE]
        assert len(set(found["royalty_class"].to_pylist())) > 2
    assert treat.many(table.slice(0, 0), {}).num_rows == 0
