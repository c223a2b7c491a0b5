"""Gates on single tracks: how many changed category since the partition before. They feed on the comparison of runs."""

from __future__ import annotations

import datetime
import logging
import shlex
from typing import Final

import duckdb
import pyarrow as pa

from models.errors import UserError
from transforms.gates import GateReading, GateSettings, exceeds, looked_away, percent, verdict
from transforms.published_runs import read_previous_run
from transforms.run_changes import ComparedRun, LabelChanges, count_changes
from transforms.staged_runs import read_staged_run

_LOG = logging.getLogger(__name__)
_GATES: Final = ("max_changed_share", "max_music_to_functional_share")


def read_change_gates(output: str, run_date: str, staging_dir: str, settings: GateSettings) -> list[GateReading]:
    """Read the gates on tracks that changed since the latest partition for an earlier date.

    Parameters
    ----------
    output
        The output folder, local or ``gs://…``.
    run_date
        ISO 8601; of the run in question.
    staging_dir
        Where its tables are staged.
    """
    if all(getattr(settings, gate) is None for gate in _GATES):
        return judge_changes(None, "", settings)
    try:
        previous = read_previous_run(output, datetime.date.fromisoformat(run_date))
        staged = read_staged_run(staging_dir)
        if previous is None or staged is None:
            return judge_changes(None, "no earlier partition to compare with", settings)
        changes = count_changes(ComparedRun(previous, output, "--output"), ComparedRun(staged, staging_dir, "--output"))
    except (UserError, OSError, pa.ArrowException, duckdb.Error) as error:
        # Hours of labelling are not to be lost for a partition of another day that somebody damaged.
        _LOG.warning("The earlier partition cannot be compared with: %s", error)
        return judge_changes(None, f"the earlier partition cannot be read ({' '.join(str(error).split())})", settings)
    return judge_changes(changes, f"since run_date {previous.run_date}", settings)


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
        return looked_away(gate, limit, f"{rows} {kind} are fewer than {max(1, min_rows)}")
    refused = exceeds(share, limit)
    return GateReading(gate, share, limit, refused, f"{what}: {percent(share)}, {verdict(refused)} {percent(limit)}.")


def how_to_see(readings: list[GateReading], output: str, run_date: str, staging_dir: str) -> str | None:
    """The command that shows the tracks behind a refusal; null when no gate on tracks refused."""
    if not any(reading.refused and reading.gate in _GATES for reading in readings):
        return None
    previous = read_previous_run(output, datetime.date.fromisoformat(run_date))
    date = ["--before_run_date", str(previous.run_date)] if previous is not None else []
    command = ["python", "-m", "pipelines.compare_runs", "--before", output, *date, "--after", staging_dir]
    return f"To see the tracks: {shlex.join([*command, '--output', 'comparison'])}"
