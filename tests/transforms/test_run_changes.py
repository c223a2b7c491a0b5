"""Which tracks changed and why, and that the join loses none."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import UserError
from tests.transforms.compared_runs import CONFIG, compared, dead_letter, label, treatment
from tests.transforms.generated_tables import generate_run, write_directly
from transforms.comparison_tables import prepare_views, write_comparison_tables
from transforms.payout_streams import PolicyTerms, bounded_database
from transforms.run_changes import (
    CAUSES,
    ComparedRun,
    LabelChanges,
    LostTracks,
    _in_parts,
    count_changes,
    count_label_changes,
    load_runs,
)
from transforms.run_summary import SUMMARY_NAME, to_text
from transforms.staged_runs import read_staged_run

TERMS = [(PolicyTerms("p", "1", None), PolicyTerms("p", "1", None))]


def changed(tmp_path, before, after, policies=()):
    """Causes by track, from the run before's and the run after's tables."""
    with bounded_database() as connection:
        load_runs(connection, compared(tmp_path / "before", **before), compared(tmp_path / "after", **after), policies)
        return dict(connection.execute("SELECT track_id, cause FROM changed").fetchall())


FUNCTIONAL = {"category": "functional", "functional_type": "noise"}


@pytest.mark.parametrize(
    ("columns", "cause"),
    [
        (FUNCTIONAL | {"audio_sha256": "1" * 64, "model_version": "m2", "taxonomy_version": "2"}, "audio_changed"),
        (FUNCTIONAL | {"model_version": "m2", "taxonomy_version": "2"}, "taxonomy_changed"),
        (FUNCTIONAL | {"model_version": "m2", "title": "Rain"}, "model_changed"),
        (FUNCTIONAL | {"title": "Rain"}, "metadata_changed"),
        ({"decision": "review", "release_id": "r"}, "metadata_changed"),
        (FUNCTIONAL, "other_input_changed"),
        ({"decision": "review"}, "other_input_changed"),
        ({"model_version": "m2", "title": "Rain", "confidence": 0.1, "flags": ["mixed_content"]}, None),
    ],
)
def test_the_first_cause_that_holds(tmp_path, columns, cause):
    found = changed(tmp_path, {"labels": [label("t")]}, {"labels": [label("t") | columns]})
    assert found == ({"t": cause} if cause else {})


@pytest.mark.parametrize(("config", "cause"), [({"coverage": "full"}, "config_changed"), ({}, "metadata_changed")])
def test_settings_are_a_cause_where_both_runs_tell_them(tmp_path, config, cause):
    before = {"labels": [label("t")], "config": CONFIG}
    after = {"labels": [label("t", "functional", title="Rain")], "config": CONFIG | config}
    assert changed(tmp_path, before, after) == {"t": cause}


@pytest.mark.parametrize(
    ("columns", "version", "cause"),
    [({}, "2", "policy_changed"), ({}, "1", "release_changed"), ({"audio_sha256": "1" * 64}, "2", "audio_changed")],
)
def test_a_treatment_may_change_under_the_same_label(tmp_path, columns, version, cause):
    before = {"labels": [label("t"), label("u")], "treatments": [treatment("t", "music"), treatment("u", "music")]}
    after = {
        "labels": [label("t", **columns), label("u")],
        "treatments": [
            treatment("t", "functional", 0.2, policy_version=version), treatment("u", "music", policy_version=version),
        ],
    }  # fmt: skip
    assert changed(tmp_path, before, after, TERMS) == {"t": cause}
    assert changed(tmp_path, before, after) == {}


def test_every_cause_has_its_words():
    assert all(cause.endswith("_changed") and words for cause, words in CAUSES.items())


def test_counts(tmp_path):
    before = [label("a"), label("b"), label("c", "speech"), label("d", "functional"), label("gone")]
    after = [
        label("a", "functional"), label("b", "functional", decision="review"), label("c", "music"),
        label("d", "functional", functional_type="tone"), label("new"),
    ]  # fmt: skip
    with bounded_database() as connection:
        load_runs(connection, compared(tmp_path / "b", before), compared(tmp_path / "a", after), [])
        counts = count_label_changes(connection)
    assert counts == LabelChanges(4, 3, 2, 2, 1)
    assert (counts.changed_share, counts.music_to_functional_share) == (0.75, 1.0)


def staged(folder, run, shards: int) -> ComparedRun:
    summary = write_directly(run, str(folder), shards)
    (folder / SUMMARY_NAME).write_text(to_text(summary.to_json()))
    return ComparedRun(read_staged_run(str(folder)), str(folder), "--x")


def test_counts_of_parts_are_those_of_the_whole(tmp_path):
    before, after = (generate_run(name, 60) for name in ("before", "after"))
    labels = after.tables["track_labels"]
    # Some go, some become dead letters, and one of these had no track id.
    dead = [
        row | {"track_id": label["track_id"]} for row, label in zip(after.tables["dead_letters"], labels, strict=False)
    ]
    after = dataclasses.replace(
        after,
        tables=after.tables | {"track_labels": labels[17:], "dead_letters": [*dead, *after.tables["dead_letters"]]},
    )
    runs = {
        (side, shards): staged(tmp_path / f"{side}-{shards}", run, shards)
        for side, run, numbers in (("before", before, (1, 2, 3)), ("after", after, (1, 4)))
        for shards in numbers
    }
    whole = count_changes(runs["before", 1], runs["after", 1])
    assert whole[1] == LostTracks(60, 7)
    assert 10 < whole[0].changed < whole[0].both == 43
    for shards, parts in ((2, 2), (3, 1)):
        sides = runs["before", shards], runs["after", 4]
        assert count_changes(*sides) == whole
        assert len(list(_in_parts(*sides))) == parts


def test_a_track_with_two_labels_is_refused(tmp_path):
    with bounded_database() as connection, pytest.raises(UserError, match=r"--twice .* two labels for the track 't'"):
        load_runs(
            connection, compared(tmp_path / "twice", [label("t"), label("t")]), compared(tmp_path / "a"), [],
        )  # fmt: skip


CATEGORIES = st.sampled_from(["music", "functional", "speech"])
STATES = st.dictionaries(
    st.text("abc'%\u202e<", min_size=1, max_size=3),
    st.one_of(st.tuples(CATEGORIES, st.sampled_from(["auto", "review"])), st.sampled_from(["crash", "missing"])),
    max_size=8,
)


@given(STATES, STATES)
@settings(max_examples=15)
def test_no_track_is_lost(tmp_path, before, after):
    """All tracks of both runs are the same, changed, or of another state, each of them once."""

    def run(name, states):
        labels = [label(t, s[0], decision=s[1]) for t, s in states.items() if isinstance(s, tuple)]
        dead = [dead_letter(t, s) for t, s in states.items() if isinstance(s, str)]
        return compared(tmp_path / name, labels, [*dead, *dead, dead_letter(None)])

    with bounded_database() as connection:
        load_runs(connection, run("before", before), run("after", after), [])
        prepare_views(connection, with_streams=False)
        write_comparison_tables(connection, tmp_path)
        changes = count_label_changes(connection)
        found = dict(connection.execute("SELECT track_id, cause FROM changed_tracks").fetchall())
        moves = {row[0]: row[2:4] for row in connection.execute("FROM presence_changes").fetchall()}
    kinds = [
        {t: "labelled" if isinstance(s, tuple) else "dead_letter" for t, s in states.items()}
        for states in (before, after)
    ]
    assert moves == {
        t: tuple(kind.get(t, "absent") for kind in kinds)
        for t in before.keys() | after.keys()
        if kinds[0].get(t) != kinds[1].get(t)
    }
    both = {t for t in before.keys() & after.keys() if kinds[0][t] == kinds[1][t] == "labelled"}
    assert found.keys() == {t for t in both if before[t] != after[t]}
    assert changes.both == len(both)
    assert changes.changed == sum(before[t][0] != after[t][0] for t in both)
    same = {t for t in both if before[t] == after[t]}
    dead_in_both = {t for t in before.keys() & after.keys() if kinds[0][t] == kinds[1][t] == "dead_letter"}
    assert same | dead_in_both | found.keys() | moves.keys() == before.keys() | after.keys()
