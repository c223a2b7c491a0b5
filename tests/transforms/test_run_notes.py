"""What a run says of its catalog as a whole."""

import dataclasses

import pytest

from tests.transforms.report_tables import dead_letter, write
from transforms.catalog_settings import CatalogSettings
from transforms.catalog_validation import validate_row
from transforms.records import RowTally
from transforms.run_notes import catalog_notes, dead_letter_notes
from transforms.run_summary import RunSummary
from transforms.run_tables import RunTables


def note(labels: int, flagged: int, config: dict) -> str | None:
    flags = {"duration_in_other_unit": flagged, "uncertain": labels}
    summary = RunSummary("r", "2026-01-31", tables={"track_labels": RowTally(labels, 0)}, flags=flags)
    notes = catalog_notes(summary, config, RunTables({}))
    assert len(notes) <= 1
    return notes[0] if notes else None


@pytest.mark.parametrize(
    ("config", "mend"),
    [
        ({}, "read as milliseconds: if it is in seconds, set catalog.duration_unit: s in the config."),
        ({"catalog": {"duration_unit": "ms"}}, "set catalog.duration_unit: s in the config."),
        ({"catalog": {"duration_unit": "s"}}, "if it is in milliseconds, leave that out."),
        ({"catalog": {"duration_unit": "min"}}, "ms and s are the other units."),
    ],
)
def test_counts_and_the_mend_by_the_unit_that_was_read(config, mend):
    found = note(2000, 1999, config)
    assert "1,999 of 2,000 labelled tracks last 1,000 times as long" in found
    assert found.endswith(mend)


def test_single_slips_are_no_unit():
    assert note(10_000, 9, {}) is None
    assert note(10_000, 10, {}) is not None
    assert note(1, 1, {}) is not None
    assert note(1, 0, {}) is None
    assert note(0, 0, {}) is None


def refused(folder, **error_types):
    letters = [
        dead_letter(number, error_type=cause, message=f"{cause} \x1b[1m {number}")
        for cause, rows in error_types.items()
        for number in range(rows)
    ]
    summary = RunSummary("r", "2026-01-31", error_types=error_types)
    summary = dataclasses.replace(summary, tables={"dead_letters": RowTally(len(letters), 0)})
    return dead_letter_notes(summary, write(folder, dead_letters=letters), "DIR")


def test_a_refusal_gives_an_example_of_its_most_frequent_causes(tmp_path):
    notes = refused(tmp_path, audio_too_short=1, invalid_row=4, empty_audio=2, missing_audio=3)
    assert notes == [
        "invalid_row 4, such as: invalid_row \N{REPLACEMENT CHARACTER}[1m 0",
        "missing_audio 3, such as: missing_audio \N{REPLACEMENT CHARACTER}[1m 0",
        "empty_audio 2, such as: empty_audio \N{REPLACEMENT CHARACTER}[1m 0",
    ]
    assert refused(tmp_path) == []


def test_a_refusal_says_which_setting_most_dead_letters_hang_on(tmp_path):
    assert refused(tmp_path, missing_audio=3, invalid_row=1)[-1].startswith("An audio_uri is looked up under DIR")
    assert "allow_outside_root: true" in refused(tmp_path, path_not_allowed=3, missing_audio=2)[-1]
    assert len(refused(tmp_path, path_not_allowed=2, missing_audio=2)) == 2


def noted_lengths(folder, lengths, **catalog):
    settings = CatalogSettings.model_validate(catalog)
    name = settings.named("duration_ms")
    rows = [{"track_id": "T", "audio_uri": "a", name: length} for length in lengths]
    messages = [validate_row(row, f"c.csv:{number}", settings).message for number, row in enumerate(rows)]
    messages = ["c.csv:1: the row has 2 fields, where the header has 3.", *messages]
    letters = [dead_letter(n, error_type="invalid_row", message=message) for n, message in enumerate(messages)]
    summary = RunSummary("r", "2026-01-31", error_types={"invalid_row": len(letters)})
    config = {"catalog": settings.model_dump(mode="json")}
    return catalog_notes(summary, config, write(folder, dead_letters=letters))


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("ms", "a whole number of milliseconds from 0 to 2678400000"),
        ("s", "a number of seconds from 0 to 2678400"),
        ("min", "a number of minutes from 0 to 44640"),
    ],
)
def test_lengths_that_make_dead_letters_are_counted_with_the_mend(tmp_path, unit, expected):
    assert noted_lengths(tmp_path, ["2:02", "122,00", "N/A", "-", "unknown\x1b"], duration_unit=unit) == [
        f"5 rows are dead letters (invalid_row) for a length that cannot be read, such as: c.csv:0: duration_ms is "
        f"'2:02', not {expected}. duration_ms is optional: mend its values, empty where none is known, or leave the "
        "column out of the catalog."
    ]
    (note,) = noted_lengths(tmp_path, ["N/A"], columns={"duration_ms": "Length"}, duration_unit=unit)
    assert note.startswith("1 row is a dead letter (invalid_row) for a length that cannot be read, such as: c.csv:0: ")
    assert note.endswith("empty where none is known, or leave catalog.columns.duration_ms out of the config.")


def test_invalid_rows_of_other_causes_say_nothing_of_lengths(tmp_path):
    assert noted_lengths(tmp_path, []) == []


def test_a_refusal_stays_one_without_its_tables(tmp_path):
    tables = write(tmp_path, dead_letters=[dead_letter(0)])
    for path in tmp_path.glob("dead_letters*"):
        path.unlink()
    summary = RunSummary("r", "d", error_types={"missing_audio": 1}, tables={"dead_letters": RowTally(1, 0)})
    assert dead_letter_notes(summary, tables, "DIR") == [
        "An audio_uri is looked up under DIR (--audio_root): is that right?"
    ]
    assert catalog_notes(dataclasses.replace(summary, error_types={"invalid_row": 1}), {}, tables) == []
