"""Which runs are refused, at which figures, and what the message says."""

from __future__ import annotations

import dataclasses

import pydantic
import pytest

from transforms.change_gates import judge_changes
from transforms.gates import GateSettings, percent, read_gates, refusal_message, refusals, shares_unchecked
from transforms.records import RowTally
from transforms.run_changes import LabelChanges
from transforms.run_summary import LabelCount, RunSummary, StagedFile
from transforms.table_schemas import TABLES

GATES = ["reconciliation", "min_labels", "max_dead_letter_share", "max_review_share", "max_label_drift"]


def summary(music: int, functional: int, review: int = 0, dead: int = 0, run_date: str = "2026-01-31") -> RunSummary:
    """A summary that adds up, with ``review`` of the music waiting for review."""
    labels = music + functional
    rows = {"track_labels": labels, "track_embeddings": labels, "audio_versions": labels, "dead_letters": dead}
    return RunSummary(
        run_id="r",
        run_date=run_date,
        read=RowTally(labels + dead, 0),
        labelled=RowTally(labels, 0),
        dead=RowTally(dead, 0),
        labelled_elements=labels,
        dead_elements=dead,
        tables={table: RowTally(rows.get(table, 0), 0) for table in TABLES},
        labels=(
            LabelCount("music", None, "auto", "audio", music - review),
            LabelCount("music", None, "review", "audio", review),
            LabelCount("functional", "noise", "auto", "audio", functional),
        ),
        error_types={"missing_audio": dead - dead // 3, "invalid_row": dead // 3},
        files=tuple(StagedFile(table, f"{table}/f", rows.get(table, 0), 1, "") for table in TABLES),
    )


def refused(run: RunSummary, previous: RunSummary | None = None, **settings) -> dict[str, str]:
    readings = read_gates(run, previous, GateSettings(**settings))
    return {reading.gate: reading.message for reading in refusals(readings)}


def test_a_good_run_passes_and_every_gate_says_what_it_saw():
    readings = read_gates(summary(700, 260, review=96, dead=40), summary(650, 310), GateSettings())
    assert [reading.gate for reading in readings] == GATES
    assert refusals(readings) == []
    assert [(reading.value, reading.limit) for reading in readings[:4]] == [(0, 0), (960, 1), (0.04, 0.05), (0.1, 0.5)]
    assert readings[4].value == pytest.approx(700 / 960 - 650 / 960)
    assert readings[2].message == "40 of 1000 catalog rows are dead letters: 4.0 %, within the allowed 5.0 %."


def test_one_row_of_each_kind_is_told_in_the_singular():
    told = {
        rows.read.rows: read_gates(rows, None, GateSettings())[0].message
        for rows in (summary(1, 0), summary(1, 0, dead=1))
    }
    assert told == {
        1: "The only catalog row is accounted for: 1 labelled, 0 dead letters, 0 identical to another row.",
        2: "All 2 catalog rows are accounted for: 1 labelled, 1 dead letter, 0 identical to another row.",
    }


def test_too_many_dead_letters():
    assert refused(summary(800, 140, dead=60)) == {
        "max_dead_letter_share": "60 of 1000 catalog rows are dead letters: 6.0 %, more than the allowed 5.0 %; "
        "most frequent: missing_audio 40, invalid_row 20."
    }


@pytest.mark.parametrize(("dead", "gates"), [(5, set()), (6, {"max_dead_letter_share"})])
def test_a_share_at_its_limit_passes(dead, gates):
    assert refused(summary(100 - dead, 0, dead=dead), max_label_drift=None).keys() == gates


def test_too_long_a_review_queue():
    assert refused(summary(90, 10, review=51)) == {
        "max_review_share": "51 of 100 labels wait for review: 51.0 %, more than the allowed 50.0 %."
    }


@pytest.mark.parametrize(("functional", "gates"), [(300, set()), (301, {"max_label_drift"}), (99, {"max_label_drift"})])
def test_drift_counts_in_both_directions(functional, gates):
    before = summary(800, 200, run_date="2026-01-30")
    assert refused(summary(1000 - functional, functional), before).keys() == gates


def test_the_message_of_drift_has_all_figures():
    before = summary(880, 120, run_date="2026-01-30")
    assert refused(summary(350, 150), before) == {
        "max_label_drift": "music is 70.0 % of the labels (350 of 500) and was 88.0 % (880 of 1000) on run_date "
        "2026-01-30: a change of 18.0 points, more than the allowed 10.0."
    }


def test_a_category_that_vanished_is_drift():
    assert "max_label_drift" in refused(summary(100, 0), summary(80, 20))


def test_shares_that_were_not_checked_for_want_of_rows_are_told_in_one_line():
    settings = GateSettings(max_review_share=None)
    small, large = summary(49, 0), summary(900, 100)
    few = LabelChanges(49, 3, 0, 0, 0)
    assert shares_unchecked(read_gates(large, large, settings), settings) is None
    assert shares_unchecked(read_gates(large, None, settings), settings) is None  # not for want of rows
    readings = [*read_gates(small, large, settings), *judge_changes(few, "since then", settings)]
    assert shares_unchecked(readings, settings) == (
        "Not checked, for want of 50 rows (gates.min_rows_for_shares): max_dead_letter_share, max_label_drift, "
        "max_changed_share, max_music_to_functional_share."
    )
    assert all(reading.to_json().keys() == {"gate", "value", "limit", "refused", "message"} for reading in readings)
    unlimited = settings.model_copy(update={"min_rows_for_shares": 0})
    assert shares_unchecked(read_gates(summary(0, 0), large, unlimited), unlimited) is None


def test_gates_on_shares_look_away_from_small_runs():
    small = summary(20, 0, review=20, dead=29)
    assert refused(small, summary(500, 500)) == {}
    readings = {reading.gate: reading for reading in read_gates(small, summary(500, 500), GateSettings())}
    assert readings["max_dead_letter_share"].message == "Not checked: 49 catalog rows are fewer than 50."
    assert readings["max_dead_letter_share"].value is None
    assert refused(small, min_rows_for_shares=0).keys() == {"max_dead_letter_share", "max_review_share"}


def test_drift_looks_away_from_a_small_earlier_partition():
    assert refused(summary(500, 500), summary(10, 0)) == {}


@pytest.mark.parametrize("dead", [0, 7])
def test_a_partition_without_a_label_is_refused_however_small(dead):
    messages = refused(summary(0, 0, dead=dead))
    assert messages.keys() == {"min_labels"}
    assert f"0 of {dead} catalog rows were labelled; at least 1 is needed" in messages["min_labels"]


def test_nothing_divides_by_zero_when_every_gate_looks_at_nothing():
    assert refused(summary(0, 0), summary(0, 0), min_labels=None, min_rows_for_shares=0) == {}


@pytest.mark.parametrize("gate", ["max_dead_letter_share", "max_review_share", "max_label_drift", "min_labels"])
def test_null_turns_a_gate_off(gate):
    run, before = summary(100, 0, review=100, dead=500), summary(0, 100)
    if gate == "min_labels":
        run = summary(0, 0, dead=10)
    assert gate in refused(run, before)
    assert gate not in refused(run, before, **{gate: None})


def test_reconciliation_cannot_be_turned_off():
    run = dataclasses.replace(summary(100, 0), read=RowTally(101, 0))
    off = dict.fromkeys(("max_dead_letter_share", "max_review_share", "max_label_drift", "min_labels"))
    assert refused(run, **off) == {
        "reconciliation": "101 catalog rows were read, but 100 came out: 100 labelled, 0 dead letters and 0 identical "
        "rows that share one of those."
    }


def test_the_refusal_names_gates_figures_and_the_staging_folder():
    readings = refusals(read_gates(summary(40, 0, review=40, dead=60), None, GateSettings()))
    text = refusal_message(readings, "out/.staging/run_date=2026-01-31/r.1")
    assert text.splitlines()[0] == "Not published: 1 gate refused."
    assert "max_dead_letter_share: 60 of 100 catalog rows are dead letters: 60.0 %" in text
    assert "give the same command with --staged out/.staging/run_date=2026-01-31/r.1" in text


def test_a_small_share_is_not_shown_as_none():
    assert [percent(share) for share in (0.0, 0.0001, 0.00049, 0.001, 0.1234)] == [
        "0.0 %", "0.01 %", "0.05 %", "0.1 %", "12.3 %"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "setting",
    [
        {"max_dead_letter_share": 5},
        {"max_review_share": -0.1},
        {"max_label_drift": float("nan")},
        {"max_label_drift": "a lot"},
        {"min_labels": -1},
        {"min_rows_for_shares": None},
        {"max_review": 0.1},
    ],
)
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises(pydantic.ValidationError, match=next(iter(setting))):
        GateSettings(**setting)
