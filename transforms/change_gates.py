"""Gates on single tracks: how many changed category or went since the partition before, by the comparison of runs."""

from __future__ import annotations

import datetime
import logging
import shlex
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from models.errors import UserError
from transforms.gates import GateReading, GateSettings, exceeds, looked_away, percent, verdict
from transforms.published_runs import read_previous_run
from transforms.run_changes import ComparedRun, LabelChanges, LostTracks, count_changes
from transforms.staged_runs import read_staged_run

_LOG = logging.getLogger(__name__)
_GATES: Final = ("max_changed_share", "max_music_to_functional_share")
_LOST: Final = "max_lost_share"


class ChangeReadings(NamedTuple):
    """What the gates on single tracks saw.

    Attributes
    ----------
    readings
        One for each gate.
    how_to_see
        A line with the command that shows the tracks behind a refusal; null when none of these gates refuses.
    """

    readings: list[GateReading]
    how_to_see: str | None


def read_change_gates(output: str, run_date: str, staging_dir: str, settings: GateSettings) -> ChangeReadings:
    """Read the gates on tracks that changed or went since the latest partition for an earlier date.

    Parameters
    ----------
    output
        The output folder, local or ``gs://…``.
    run_date
        ISO 8601; of the run in question.
    staging_dir
        Where its tables are staged.
    """
    if all(getattr(settings, gate) is None for gate in (*_GATES, _LOST)):
        return _not_compared("", settings)
    date = datetime.date.fromisoformat(run_date)
    try:
        previous = read_previous_run(output, date, least_labels=settings.min_rows_for_shares)
        staged = read_staged_run(staging_dir)
        if previous is None or staged is None:
            return _not_compared("no earlier partition to compare with", settings)
        before, after = (ComparedRun(previous, output, "--output"), ComparedRun(staged, staging_dir, "--output"))
        changes, lost = count_changes(before, after)
    except Exception as error:
        # A store's client raises what it likes.
        if "://" not in output and not isinstance(error, UserError | OSError | pa.ArrowException | duckdb.Error):
            raise
        # Hours of labelling are not to be lost for a partition of another day that somebody damaged.
        _LOG.warning("The earlier partition cannot be compared with: %s", error)
        why = f"the earlier partition cannot be read ({' '.join(str(error).split())})"
        return _not_compared(why, settings)
    readings = judge_changes(changes, f"since run_date {previous.run_date}", settings)
    readings.append(judge_lost(lost, f"on run_date {previous.run_date}", settings))
    command = ["python", "-m", "pipelines.compare_runs", "--before", output, "--before_run_date"]
    command += [str(previous.run_date), "--after", staging_dir, "--output", "comparison"]
    refused = any(reading.refused for reading in readings)
    return ChangeReadings(readings, f"To see the tracks: {shlex.join(command)}" if refused else None)


def _not_compared(why: str, settings: GateSettings) -> ChangeReadings:
    return ChangeReadings([*judge_changes(None, why, settings), judge_lost(None, why, settings)], None)


def judge_lost(lost: LostTracks | None, when: str, settings: GateSettings) -> GateReading:
    """Hold the tracks that went against their limit: however few rows are left, the earlier ones are enough to judge.

    Parameters
    ----------
    lost
        Null when there is nothing to compare with.
    when
        Words for a message: when they had a label, or why there is nothing.
    """
    limit = settings.max_lost_share
    if limit is None:
        return looked_away(_LOST, None, "turned off")
    if lost is None:
        return looked_away(_LOST, limit, when)
    least = max(1, settings.min_rows_for_shares)
    if lost.before < least:
        return looked_away(_LOST, limit, f"{lost.before} tracks with a label {when} are fewer than {least}")
    share = lost.lost / lost.before
    refused = exceeds(share, limit)
    message = (
        f"{lost.lost} of {lost.before} tracks with a label {when} are in this run neither with a label nor as a dead "
        f"letter: {percent(share)}, {verdict(refused)} {percent(limit)}"
    )
    mend = "; is the catalog whole? Where so many tracks were taken down, raise gates.max_lost_share for this run"
    return GateReading(_LOST, share, limit, refused, f"{message}{mend if refused else ''}.")


def judge_changes(changes: LabelChanges | None, since: str, settings: GateSettings) -> list[GateReading]:
    """Hold counted changes against their limits.

    Parameters
    ----------
    changes
        Null when there is nothing to compare with.
    since
        Words for a message: since when, or why there is nothing.
    """
    readings = []
    for gate in _GATES:
        limit = getattr(settings, gate)
        if limit is None:
            readings.append(looked_away(gate, None, "turned off"))
        elif changes is None:
            readings.append(looked_away(gate, limit, since))
        else:
            readings.append(_judge(gate, changes, since, limit, settings.min_rows_for_shares))
    return readings


def _judge(gate: str, changes: LabelChanges, since: str, limit: float, min_rows: int) -> GateReading:
    if gate == "max_changed_share":
        rows, share = changes.both, changes.changed_share
        kind = "tracks with a label in both runs"
        what = f"{changes.changed} of {rows} {kind} changed category {since}"
    else:
        rows, share = changes.music_before, changes.music_to_functional_share
        kind = "tracks with a label in both runs that were music"
        what = (
            f"{changes.music_to_functional} of {rows} {kind} became functional {since}, "
            f"{changes.music_to_functional_auto} of them with decision auto"
        )
    if share is None or rows < min_rows:
        return looked_away(gate, limit, f"{rows} {kind} are fewer than {max(1, min_rows)}", rows < min_rows)
    refused = exceeds(share, limit)
    return GateReading(gate, share, limit, refused, f"{what}: {percent(share)}, {verdict(refused)} {percent(limit)}.")
