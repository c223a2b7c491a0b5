"""The limits that a comparison is held against: those of the publish gates, and on money where there are streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from transforms.change_gates import judge_changes
from transforms.comparison_money import MovedMoney
from transforms.gates import GateReading, GateSettings, exceeds, percent, verdict
from transforms.printable import counted
from transforms.run_changes import SIDES, LabelChanges


def judge(
    changes: LabelChanges, money: Sequence[MovedMoney], gates: GateSettings, since: str,
    max_music_to_functional: int | None, max_moved_share: float | None,
) -> list[GateReading]:  # fmt: skip
    """Hold a comparison's figures against their limits; those that are off are left out.

    Where no track has a label in both runs every limit refuses: nothing moved, but nothing was compared either, as when
    a folder is the wrong one.

    Parameters
    ----------
    gates
        Holds ``max_changed_share`` and ``max_music_to_functional_share``; its other limits are a run's own.
    since
        Words: since when.
    max_music_to_functional
        Most tracks that may go from music to functional; null for no limit.
    max_moved_share
        Largest part of the pool that may go to other tracks under any policy; null for no limit.
    """
    readings = [reading for reading in judge_changes(changes, since, gates) if reading.limit is not None]
    if max_music_to_functional is not None:
        moved = changes.music_to_functional
        refused = moved > max_music_to_functional
        message = (
            f"{counted(moved, 'track')} that {'was' if moved == 1 else 'were'} music became functional {since}, "
            f"{verdict(refused)} {max_music_to_functional}."
        )
        readings.append(
            GateReading(
                "max_music_to_functional", changes.music_to_functional, max_music_to_functional, refused, message
            )
        )
    if max_moved_share is not None:
        readings.append(_judge_money(money, max_moved_share))
    if changes.both == 0:
        why = f"Not checked: no track has a label in both runs, {since}."
        return [GateReading(reading.gate, None, reading.limit, True, why) for reading in readings]
    return readings


def nothing_in_common(record: Mapping[str, Any]) -> str | None:
    """Say that a comparison had nothing to compare; null when it had.

    Parameters
    ----------
    record
        What ``comparison.json`` holds.
    """
    if record["tracks"]["labelled_in_both"]:
        return None
    before, after = (f"run {record[side]['run_id']} ({counted(record[side]['labels'], 'label')})" for side in SIDES)
    return f"No track is in both {before} and {after} with a label, so nothing was compared; is a folder the wrong one?"


def standing(limit: Mapping[str, Any], compared: bool) -> str:
    """How a figure stands to its limit, in a word or two.

    Parameters
    ----------
    limit
        One of the record's ``limits``.
    compared
        Whether any track has a label in both runs.
    """
    if not compared or (limit["value"] is None and not limit["refused"]):
        return "not checked"
    return "CROSSED" if limit["refused"] else "kept"


def _judge_money(money: Sequence[MovedMoney], limit: float) -> GateReading:
    gate = "max_moved_share"
    shares = {moved.policy_id: moved.moved_share for moved in money}
    undivided = [policy_id for policy_id, share in shares.items() if share is None]
    if undivided:
        # All of the pool moves, or none of it is known to stay: nothing that a scheduler should pass over.
        return GateReading(gate, None, limit, True, f"Under {undivided[0]} no stream earns in one of the runs.")
    policy_id = max(shares, key=lambda name: shares[name] or Fraction(0))
    share = float(shares[policy_id] or 0)
    refused = exceeds(share, limit)
    message = (
        f"{percent(share)} of the pool goes to other tracks under {policy_id}, {verdict(refused)} {percent(limit)}."
    )
    return GateReading(gate, share, limit, refused, message)
