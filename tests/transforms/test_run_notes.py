"""What a run says of its catalog as a whole."""

import pytest

from transforms.records import RowTally
from transforms.run_notes import unit_note
from transforms.run_summary import RunSummary


def note(labels: int, flagged: int, config: dict) -> str | None:
    flags = {"duration_in_other_unit": flagged, "uncertain": labels}
    return unit_note(RunSummary("r", "2026-01-31", tables={"track_labels": RowTally(labels, 0)}, flags=flags), config)


@pytest.mark.parametrize(
    ("config", "mend"),
    [
        ({}, "read as milliseconds: if it is in seconds, set catalog.duration_unit: s in the config."),
        ({"catalog": {"duration_unit": "ms"}}, "set catalog.duration_unit: s in the config."),
        ({"catalog": {"duration_unit": "s"}}, "if it is in milliseconds, leave that out."),
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
    assert unit_note(RunSummary("r", "2026-01-31"), {}) is None
