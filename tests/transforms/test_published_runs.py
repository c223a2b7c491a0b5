"""Which run of a folder is read: the latest, one of a date, the one before, one in staging."""

from __future__ import annotations

import datetime

import pytest

from models.errors import UserError
from tests.pipelines.published_run import publish_run
from tests.transforms.compared_runs import label
from transforms.published_runs import read_previous_run, read_published_run, read_published_runs
from transforms.published_summary import published_summary
from transforms.staged_runs import read_staged_run

DAYS = [datetime.date(2026, 11, day) for day in (22, 23, 24)]


@pytest.fixture
def output(tmp_path):
    for run_id, date in zip("abc", DAYS, strict=True):
        publish_run(tmp_path / "out", date.isoformat(), "spotify", run_id=run_id, tracks=3)
    return tmp_path / "out"


def test_the_latest_or_that_of_a_date(output):
    assert read_published_run(str(output)).run_id == "c"
    assert read_published_run(str(output), DAYS[0]).run_id == "a"
    assert [run.run_id for run in read_published_runs(str(output))] == ["a", "b", "c"]


def test_one_run_is_the_same_from_both_readers(output):
    one = read_published_run(str(output), DAYS[1])
    assert one == read_published_runs(str(output))[1]
    assert [policy["policy_id"] for policy in one.manifest["policies"]] == ["spotify"]
    assert all(file.path.is_file() for file in one.files)
    assert (one.rows("track_labels"), one.rows("royalty_treatments")) == (3, 3)


def test_a_run_that_is_being_replaced_is_passed_over(output):
    (output / "runs" / "c" / "REPLACED_BY").write_text("d\n")
    assert read_published_run(str(output)).run_id == "b"
    with pytest.raises(UserError, match=r"--after .* no published run of 2026-11-24; there are 2026-11-22, "):
        read_published_run(str(output), DAYS[2], flag="--after")


def test_other_dates_may_be_in_any_state(output):
    (file,) = (output / "track_labels" / "run_date=2026-11-22").glob("*.parquet")
    file.unlink()
    assert read_published_run(str(output)).run_id == "c"
    with pytest.raises(UserError, match="is not there"):
        read_published_run(str(output), DAYS[0])
    with pytest.raises(UserError, match="is not there"):
        read_published_runs(str(output))


def test_the_run_before(output, tmp_path):
    found = [read_previous_run(str(output), date) for date in (*DAYS, datetime.date(2027, 1, 1))]
    assert [run and run.run_id for run in found] == [None, "a", "b", "c"]
    assert read_previous_run(str(tmp_path / "nothing"), DAYS[0]) is None


def test_a_run_before_that_is_too_small_is_passed_over_where_there_is_a_larger_one(tmp_path):
    for day, tracks in zip(DAYS, (9, 8, 2), strict=True):
        publish_run(tmp_path, str(day), run_id=f"of-{tracks}", labels=[label(f"t{n}") for n in range(tracks)])
    later = datetime.date(2027, 1, 1)
    found = {least: read_previous_run(str(tmp_path), later, least_labels=least) for least in (0, 2, 3, 9, 10)}
    assert {least: run and run.run_id for least, run in found.items()} == {
        0: "of-2", 2: "of-2", 3: "of-8", 9: "of-9", 10: "of-2",
    }  # fmt: skip
    summaries = {least: published_summary(str(tmp_path), str(later), least_labels=least) for least in found}
    assert {least: summary and summary.run_id for least, summary in summaries.items()} == {
        least: run and run.run_id for least, run in found.items()
    }


def test_a_folder_that_is_no_staging_folder(output, tmp_path):
    assert read_staged_run(str(output)) is None
    assert read_staged_run(str(tmp_path / "nothing")) is None
