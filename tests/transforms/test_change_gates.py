"""The gates on single tracks: a staged run against the partition before it."""

from __future__ import annotations

import pathlib
import shlex

import pytest

from tests.pipelines.published_run import publish_run, stage_run
from tests.transforms.compared_runs import dead_letter, label
from transforms.change_gates import judge_changes, judge_lost, read_change_gates
from transforms.gates import GateSettings
from transforms.publish_local import LocalStorage
from transforms.publishing import Publication
from transforms.run_changes import LabelChanges, LostTracks
from transforms.run_summary import SUMMARY_NAME, to_text

DATE = "2026-11-24"
CHANGED, FUNCTIONAL = "max_changed_share", "max_music_to_functional_share"
LOST = "max_lost_share"


def labels(functional: int, tracks: int = 100, decision: str = "review"):
    """Tracks of which the first are functional, all others music."""
    return [
        label(f"t{number:03d}", "functional" if number < functional else "music", decision=decision)
        for number in range(tracks)
    ]


@pytest.fixture
def output(tmp_path):
    publish_run(tmp_path / "out", "2026-11-22", run_id="older", labels=labels(50))
    publish_run(tmp_path / "out", "2026-11-23", run_id="before", labels=labels(20))
    publish_run(tmp_path / "out", "2026-11-25", run_id="later", labels=labels(90))
    return tmp_path / "out"


def stage(output: pathlib.Path, rows, dead_letters=()) -> str:
    """Stage a run of ``DATE`` and refuse it, as the main job does."""
    storage = LocalStorage(str(output))
    with Publication(str(output), DATE, "now", storage=storage) as publication:
        staging_dir = publication.prepare()
        _, summary, manifest = stage_run(staging_dir, DATE, run_id="now", labels=rows, dead_letters=dead_letters)
        (pathlib.Path(staging_dir) / SUMMARY_NAME).write_text(to_text(summary.to_json()))
        publication.leave(manifest, {})
    return staging_dir


def readings(output, rows, dead_letters=(), **settings):
    staging_dir = stage(output, rows, dead_letters)
    read = read_change_gates(str(output), DATE, staging_dir, GateSettings(**settings))
    return {reading.gate: reading for reading in read.readings}, read.how_to_see


def test_tracks_are_counted_against_the_latest_earlier_partition(output):
    found, command = readings(output, labels(28)[5:], max_changed_share=0.05, max_music_to_functional_share=0.2)
    assert found[CHANGED].refused
    assert found[CHANGED].message == (
        "8 of 95 tracks with a label in both runs changed category since run_date 2026-11-23: 8.4 %, more than the "
        "allowed 5.0 %."
    )
    assert not found[FUNCTIONAL].refused
    assert found[FUNCTIONAL].message == (
        "8 of 80 tracks with a label in both runs that were music became functional since run_date 2026-11-23, 0 of "
        "them with decision auto: 10.0 %, within the allowed 20.0 %."
    )
    assert "--before_run_date 2026-11-23" in command


def test_the_costly_change_has_a_limit_of_its_own(output):
    found, _ = readings(output, labels(22, decision="auto"))
    assert not found[CHANGED].refused
    assert (found[FUNCTIONAL].value, found[FUNCTIONAL].limit, found[FUNCTIONAL].refused) == (0.025, 0.01, True)
    assert "2 of them with decision auto" in found[FUNCTIONAL].message


def test_a_catalog_that_broke_off_is_refused_however_few_rows_it_has(output):
    found, command = readings(output, labels(2, tracks=2))
    assert {gate for gate, reading in found.items() if reading.refused} == {LOST}
    assert found[LOST].message == (
        "98 of 100 tracks with a label on run_date 2026-11-23 are in this run neither with a label nor as a dead "
        "letter: 98.0 %, more than the allowed 10.0 %; is the catalog whole? Where so many tracks were taken down, "
        "raise gates.max_lost_share for this run."
    )
    assert "--before_run_date 2026-11-23" in command


def test_a_dead_letter_is_not_lost_and_a_share_at_the_limit_passes(output):
    dead = [dead_letter(f"t{number:03d}") for number in range(80, 90)]
    found, _ = readings(output, labels(20, tracks=80), [*dead, dead_letter("t000"), dead_letter(None)])
    assert (found[LOST].value, found[LOST].refused) == (0.1, False)
    found, _ = readings(output, labels(20, tracks=80), dead[1:])
    assert (found[LOST].value, found[LOST].refused) == (0.11, True)
    found, _ = readings(output, labels(20, tracks=80), dead[1:], max_lost_share=0.11)
    assert not found[LOST].refused


def test_a_small_partition_in_between_is_passed_over(output):
    publish_run(output, "2026-11-23", run_id="broken-off", labels=labels(0, tracks=2))
    found, command = readings(output, labels(80))
    assert found[CHANGED].refused
    assert (
        "30 of 100 tracks with a label in both runs changed category since run_date 2026-11-22"
        in found[CHANGED].message
    )
    assert "--before_run_date 2026-11-22" in command
    found, _ = readings(output, labels(2, tracks=2))
    assert "on run_date 2026-11-22" in found[LOST].message
    found, _ = readings(output, labels(80), min_rows_for_shares=1)
    assert "since run_date 2026-11-23" in found[CHANGED].message


def test_a_few_earlier_tracks_may_go():
    for before, refused in ((49, False), (50, True)):
        assert judge_lost(LostTracks(before, 40), "once", GateSettings()).refused is refused


def test_the_command_of_the_message_shows_the_tracks(output, tmp_path, monkeypatch, capsys):
    from pipelines.compare_runs import run

    _, command = readings(output, labels(40))
    monkeypatch.chdir(tmp_path)
    argv = shlex.split(command.removeprefix("To see the tracks: "))
    assert argv[:3] == ["python", "-m", "pipelines.compare_runs"]
    assert run([*argv[3:], "--max_music_to_functional", "19"]) == 3
    assert "20 of 100 tracks changed category (20.00%); 20 from music to functional" in capsys.readouterr().out
    assert (tmp_path / "comparison" / "comparison.html").is_file()


def test_a_first_run_and_gates_that_are_off_compare_nothing(output, tmp_path):
    found, command = readings(tmp_path / "empty", labels(28))
    assert {reading.message for reading in found.values()} == {"Not checked: no earlier partition to compare with."}
    assert command is None
    found, _ = readings(
        output, labels(90), max_changed_share=None, max_music_to_functional_share=None, max_lost_share=None
    )
    assert {reading.message for reading in found.values()} == {"Not checked: turned off."}


def test_a_damaged_earlier_partition_costs_no_run(output):
    (file,) = output.glob("track_labels/run_date=2026-11-23/*.parquet")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    found, _ = readings(output, labels(90))
    assert not any(reading.refused for reading in found.values())
    assert "cannot be read" in found[CHANGED].message
    assert found[CHANGED].value is None


@pytest.mark.parametrize(
    ("changes", "least", "looked_away"),
    [
        (LabelChanges(49, 49, 49, 49, 0), 50, {CHANGED, FUNCTIONAL}),
        (LabelChanges(50, 50, 49, 49, 0), 50, {FUNCTIONAL}),
        (LabelChanges(50, 50, 0, 0, 0), 0, {FUNCTIONAL}),
        (LabelChanges(0, 0, 0, 0, 0), 0, {CHANGED, FUNCTIONAL}),
    ],
)
def test_few_tracks_say_nothing(changes, least, looked_away):
    read = judge_changes(changes, "since", GateSettings(min_rows_for_shares=least))
    assert {reading.gate for reading in read if reading.value is None} == looked_away
    assert {reading.gate for reading in read if reading.refused} == {CHANGED, FUNCTIONAL} - looked_away


def test_a_share_at_its_limit_passes():
    settings = GateSettings(max_changed_share=0.1, max_music_to_functional_share=0.2)
    assert not any(reading.refused for reading in judge_changes(LabelChanges(100, 10, 50, 10, 0), "since", settings))
