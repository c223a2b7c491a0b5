"""The counts of a run and what they say."""

from __future__ import annotations

import dataclasses
import json

import pytest

from models.taxonomy import TAXONOMY_VERSION
from tests.transforms.generated_tables import GeneratedRun, generate_run, write_with_beam
from transforms.reconcile import read_run_summary
from transforms.records import RowTally
from transforms.run_summary import LabelCount, RunSummary, StagedFile, to_text
from transforms.table_schemas import TABLES

RUN = generate_run("run-a", 12)


def summary_of(run: GeneratedRun, folder) -> RunSummary:
    write_with_beam(run, str(folder), shards=1)
    return read_run_summary(str(folder))


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> RunSummary:
    return summary_of(RUN, tmp_path_factory.mktemp("sound"))


def test_a_sound_run_adds_up(sound):
    assert sound.reconciliation_errors() == []
    assert (sound.run_id, sound.run_date) == ("run-a", "2026-01-31")
    assert (sound.read.rows, sound.labelled.rows, sound.dead.rows, sound.collapsed_rows) == (15, 13, 2, 1)
    assert {table: sound.table_rows(table) for table in TABLES} == {
        "dead_letters": 2, "audio_versions": 12, "track_embeddings": 12, "track_segments": 24,
        "royalty_treatments": 12, "track_labels": 12,
    }  # fmt: skip
    assert sound.error_types == {"missing_audio": 2}
    assert list(sound.policies) == ["p 2"]
    assert list(sound.lineages) == [json.dumps(["m1", TAXONOMY_VERSION, "run-a", "2026-01-31"])]


def test_labels_are_counted_by_every_column(sound):
    labels = RUN.tables["track_labels"]
    for column in ("category", "decision", "functional_type", "label_source"):
        values = {row[column] for row in labels}
        assert sound.labels_by(column) == {value: sum(row[column] == value for row in labels) for value in values}
    pairs = sound.labels_by("category", "decision")
    assert pairs["functional", "auto"] == sum(
        row["category"] == "functional" and row["decision"] == "auto" for row in labels
    )
    assert sound.review_rows == sum(row["decision"] == "review" for row in labels)


def test_the_document_goes_both_ways(sound):
    text = to_text(sound.to_json())
    assert RunSummary.from_json(json.loads(text)) == sound
    # JavaScript and DuckDB would round a digest that is a number.
    assert all(isinstance(tally["digest"], str) for tally in json.loads(text)["tables"].values())


def test_a_pipeline_that_loses_and_mixes_rows_is_found_out(tmp_path):
    tables = dict(RUN.tables)
    tables["track_embeddings"] = tables["track_embeddings"][:-1]
    tables["dead_letters"] = [tables["dead_letters"][0] | {"run_id": "run-b"}, tables["dead_letters"][1]]
    tables["track_labels"] = [tables["track_labels"][0] | {"category": "noise"}, *tables["track_labels"][1:]]
    errors = summary_of(dataclasses.replace(RUN, tables=tables, read=RUN.read[:-2]), tmp_path).reconciliation_errors()
    for words in (
        ["13 catalog rows were read", "15 came out"],
        ["12 tracks have a label", "11 rows are in track_embeddings"],
        ["2 lineages are mixed"],
        ["1 rows are of", "run-b", "run-a"],
        ["unknown category 'noise'"],
    ):
        assert any(all(word in error for word in words) for error in errors), (words, errors)


def changed(summary: RunSummary, **changes) -> str:
    return " ".join(dataclasses.replace(summary, **changes).reconciliation_errors())


def test_as_many_rows_but_not_the_same_ones(sound):
    other = RowTally(sound.read.rows, sound.read.digest ^ 1)
    assert "15 catalog rows were read and as many came out, but not the same ones" in changed(sound, read=other)


def test_one_tally_too_many_for_the_rows_written(sound):
    assert "13 labelled tracks were tallied, but 12 rows" in changed(sound, labelled_elements=13)
    assert "1 dead letters were tallied, but 2 rows" in changed(sound, dead_elements=1)


def test_files_that_hold_other_rows_than_were_counted(sound):
    file = next(file for file in sound.files if file.table == "track_segments")
    others = tuple(other for other in sound.files if other is not file)
    assert "track_segments: 24 rows were counted, but its files hold 23" in changed(
        sound, files=(*others, dataclasses.replace(file, rows=23))
    )
    assert "track_segments has no file" in changed(sound, files=others)
    assert "unknown table 'tracks'" in changed(sound, files=(*sound.files, StagedFile("tracks", "tracks/a", 0, 1, "")))


def test_embeddings_or_treatments_of_other_tracks_than_the_labels(sound):
    tables = {**sound.tables, "track_embeddings": RowTally(12, 5)}
    assert "track_embeddings are not for the same tracks" in changed(sound, tables=tables)
    assert "policy p 2 are not for the same tracks" in changed(sound, policies={"p 2": RowTally(12, 5)})
    assert "12 tracks have a label, but 11 rows are in royalty_treatments under policy p 2" in changed(
        sound, policies={"p 2": RowTally(11, 5)}
    )


def test_a_policy_whose_treatments_are_all_lost(tmp_path):
    lost = dataclasses.replace(RUN, tables=RUN.tables | {"royalty_treatments": []})
    write_with_beam(lost, str(tmp_path), shards=1, policies=["p 2"])
    errors = read_run_summary(str(tmp_path)).reconciliation_errors()
    assert errors == ["12 tracks have a label, but 0 rows are in royalty_treatments under policy p 2."]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (
            LabelCount("music", "noise", "auto", "audio", 3),
            "3 labels have category 'music' with functional_type 'noise'",
        ),
        (LabelCount("functional", None, "auto", "audio", 1), "category 'functional' with functional_type None"),
        (LabelCount("music", None, "maybe", "audio", 1), "unknown decision 'maybe'"),
        (LabelCount("music", None, "auto", "guess", 1), "unknown label_source 'guess'"),
        (LabelCount("functional", "rain", "auto", "audio", 1), "unknown functional_type 'rain'"),
    ],
)
def test_labels_that_make_no_sense(sound, cell, words):
    assert words in changed(sound, labels=(*sound.labels, cell))


def test_an_error_type_that_is_not_documented(sound):
    assert "2 dead letters have an unknown error_type 'oops'" in changed(sound, error_types={"oops": 2})


def test_flags_are_counted(sound):
    labels = RUN.tables["track_labels"]
    flagged = sum(bool(row["flags"]) for row in labels)
    assert flagged
    assert sound.flags == {"mixed_content": flagged, "truncated": flagged}
    older = {name: value for name, value in sound.to_json().items() if name != "flags"}
    assert RunSummary.from_json(older) == dataclasses.replace(sound, flags={})
