"""Quality gates: whether what a run wrote may be published. Pure; the figures come from the run's summary."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pydantic

from models.taxonomy import CATEGORIES
from transforms.run_summary import RunSummary


class GateSettings(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Limits that a run must keep to be published (``gates:`` in a config); null turns a gate off.

    Reconciliation is a gate too; it has no setting and cannot be turned off.
    """

    #: Largest share of the catalog's rows that may be dead letters.
    max_dead_letter_share: float | None = pydantic.Field(default=0.05, ge=0, le=1)
    #: Largest share of the labels that may wait for a person.
    max_review_share: float | None = pydantic.Field(default=0.5, ge=0, le=1)
    #: Largest change of a category's share of the labels, up or down, against the latest partition for an earlier date.
    #: 0.1 lets ``music`` go from 0.70 to 0.80, not to 0.81.
    max_label_drift: float | None = pydantic.Field(default=0.1, ge=0, le=1)
    #: Largest share of the tracks with a label here and in the latest partition for an earlier date that may have
    #: another category there.
    max_changed_share: float | None = pydantic.Field(default=0.1, ge=0, le=1)
    #: Largest share of the tracks that were music in that partition and are functional now.
    max_music_to_functional_share: float | None = pydantic.Field(default=0.01, ge=0, le=1)
    #: Largest share of the tracks with a label in that partition that are in this run neither with a label nor as a
    #: dead letter, as after an export of the catalog that broke off. However few rows this run has, that partition's
    #: are enough to judge.
    max_lost_share: float | None = pydantic.Field(default=0.1, ge=0, le=1)
    #: Fewest labels. The default refuses the empty partition that a wrong audio folder or an empty catalog gives.
    min_labels: int | None = pydantic.Field(default=1, ge=0)
    #: The gates on shares look away when there are fewer rows than this (catalog rows or labels; for drift on either
    #: side; for changes, labels that both partitions have; for lost tracks, labels of the earlier one): among 20 rows
    #: one dead letter is 5 % and says nothing about the run.
    min_rows_for_shares: int = pydantic.Field(default=50, ge=0)


@dataclasses.dataclass(frozen=True, slots=True)
class GateReading:
    """What one gate saw.

    Attributes
    ----------
    gate
        Its name: ``reconciliation``, or the setting that holds its limit.
    value, limit
        The measured figure and the most (for ``min_labels``: the least) that is allowed; for ``reconciliation`` the
        number of sums that differ. Null when the gate is off or has nothing to compare.
    refused
        Whether it refuses the run.
    message
        A sentence with the figures, or why the gate looked away.
    too_few_rows
        Whether it looked away because there are fewer rows than ``min_rows_for_shares``; not in documents.
    """

    gate: str
    value: float | None
    limit: float | None
    refused: bool
    message: str
    too_few_rows: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give the reading as a JSON-ready document."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "too_few_rows"}


@dataclasses.dataclass(frozen=True, slots=True)
class GateRefusal:
    """A gate that refuses to publish, and why, with the figures."""

    gate: str
    message: str


def read_gates(summary: RunSummary, previous: RunSummary | None, settings: GateSettings) -> list[GateReading]:
    """Read every gate, refusing or not, in a fixed order.

    Parameters
    ----------
    summary
        Of the run in question.
    previous
        Of the latest partition published for an earlier date; null when there is none.
    settings
        The limits.
    """
    return [
        _reconciliation(summary),
        _min_labels(summary, settings.min_labels),
        _dead_letter_share(summary, settings.max_dead_letter_share, settings.min_rows_for_shares),
        _review_share(summary, settings.max_review_share, settings.min_rows_for_shares),
        _label_drift(summary, previous, settings.max_label_drift, settings.min_rows_for_shares),
    ]


def refusals(readings: Iterable[GateReading]) -> list[GateRefusal]:
    """List the gates that refuse the run; with none it may be published."""
    return [GateRefusal(reading.gate, reading.message) for reading in readings if reading.refused]


def shares_unchecked(readings: Iterable[GateReading], settings: GateSettings) -> str | None:
    """Name the gates that looked away for want of rows, in one line; null when none did."""
    unchecked = [reading.gate for reading in readings if reading.too_few_rows]
    if not unchecked:
        return None
    least = settings.min_rows_for_shares
    return f"Not checked, for want of {least} rows (gates.min_rows_for_shares): {', '.join(unchecked)}."


def refusal_message(refused: Sequence[GateRefusal], staging_dir: str) -> str:
    """Say which gates refused, with the figures, and where the tables stay."""
    lines = [f"Not published: {len(refused)} gate{'s' if len(refused) > 1 else ''} refused."]
    lines += [f"  {refusal.gate}: {refusal.message}" for refusal in refused]
    lines.append(
        f"What was written stays in {staging_dir} until the next run for the same date. To publish it after all, raise "
        f"the limit in the config and give the same command with --staged {staging_dir}: nothing is labelled anew."
    )
    return "\n".join(lines)


def _reconciliation(summary: RunSummary) -> GateReading:
    errors = summary.reconciliation_errors()
    rows = summary.read.rows
    message = " ".join(errors) or (
        f"{'The only catalog row is' if rows == 1 else f'All {rows} catalog rows are'} accounted for: "
        f"{summary.label_rows} labelled{_carried(summary)}, {summary.dead_rows} dead "
        f"letter{'' if summary.dead_rows == 1 else 's'}, {summary.collapsed_rows} identical to another row."
    )
    return GateReading("reconciliation", len(errors), 0, bool(errors), message)


def _carried(summary: RunSummary) -> str:
    carried = summary.labels_by("label_source").get("carried", 0)
    return f" ({carried} of them carried from an earlier run)" if carried else ""


def _min_labels(summary: RunSummary, least: int | None) -> GateReading:
    gate = "min_labels"
    if least is None:
        return looked_away(gate, None, "turned off")
    refused = summary.label_rows < least
    message = (
        f"{summary.label_rows} of {summary.read.rows} catalog rows were labelled; "
        f"at least {least} {'is' if least == 1 else 'are'} needed{_causes(summary) if refused else ''}."
    )
    return GateReading(gate, summary.label_rows, least, refused, message)


def _dead_letter_share(summary: RunSummary, limit: float | None, min_rows: int) -> GateReading:
    gate = "max_dead_letter_share"
    if limit is None:
        return looked_away(gate, None, "turned off")
    if summary.read.rows < max(1, min_rows):
        why = f"{summary.read.rows} catalog rows are fewer than {min_rows}"
        return looked_away(gate, limit, why, summary.read.rows < min_rows)
    share = summary.dead.rows / summary.read.rows
    refused = exceeds(share, limit)
    message = (
        f"{summary.dead.rows} of {summary.read.rows} catalog rows are dead letters: {percent(share)}, "
        f"{verdict(refused)} {percent(limit)}{_causes(summary) if refused else ''}."
    )
    return GateReading(gate, share, limit, refused, message)


def _review_share(summary: RunSummary, limit: float | None, min_rows: int) -> GateReading:
    gate = "max_review_share"
    if limit is None:
        return looked_away(gate, None, "turned off")
    if summary.label_rows < max(1, min_rows):
        why = f"{summary.label_rows} labels are fewer than {min_rows}"
        return looked_away(gate, limit, why, summary.label_rows < min_rows)
    share = summary.review_rows / summary.label_rows
    refused = exceeds(share, limit)
    message = (
        f"{summary.review_rows} of {summary.label_rows} labels wait for review: {percent(share)}, "
        f"{verdict(refused)} {percent(limit)}."
    )
    return GateReading(gate, share, limit, refused, message)


def _label_drift(summary: RunSummary, previous: RunSummary | None, limit: float | None, min_rows: int) -> GateReading:
    gate = "max_label_drift"
    if limit is None:
        return looked_away(gate, None, "turned off")
    if previous is None:
        return looked_away(gate, limit, "no earlier partition to compare with")
    fewest = min(summary.label_rows, previous.label_rows)
    if fewest < max(1, min_rows):
        why = f"{fewest} labels, now or in the earlier partition, are fewer than {min_rows}"
        return looked_away(gate, limit, why, fewest < min_rows)
    before, now = previous.labels_by("category"), summary.labels_by("category")
    changes = {category: _share(now, category) - _share(before, category) for category in CATEGORIES}
    category = max(CATEGORIES, key=lambda name: abs(changes[name]))
    drift = abs(changes[category])
    refused = exceeds(drift, limit)
    message = (
        f"{category} is {percent(_share(now, category))} of the labels ({now.get(category, 0)} of "
        f"{summary.label_rows}) and was {percent(_share(before, category))} ({before.get(category, 0)} of "
        f"{previous.label_rows}) on run_date {previous.run_date}: a change of {100 * drift:.1f} points, "
        f"{verdict(refused)} {100 * limit:.1f}."
    )
    return GateReading(gate, drift, limit, refused, message)


def _share(counts: Mapping[str, int], category: str) -> float:
    return counts.get(category, 0) / sum(counts.values())


def exceeds(share: float, limit: float) -> bool:
    """Whether a share is above its limit."""
    # A share that equals the limit on paper, such as 0.3 - 0.2 against 0.1, must not be refused for its last digit.
    return share > limit and not math.isclose(share, limit, rel_tol=0.0, abs_tol=1e-9)


def verdict(refused: bool) -> str:
    """How a figure stands to the limit that is named next."""
    return "more than the allowed" if refused else "within the allowed"


def percent(share: float) -> str:
    """A share as text; one that is small and not zero does not look like zero."""
    return f"{100 * share:.1f} %" if not 0 < share < 0.001 else f"{100 * share:.1g} %"


def _causes(summary: RunSummary) -> str:
    most = sorted(summary.error_types.items(), key=lambda item: (-item[1], item[0]))[:3]
    return f"; most frequent: {', '.join(f'{cause} {rows}' for cause, rows in most)}" if most else ""


def looked_away(gate: str, limit: float | None, why: str, too_few_rows: bool = False) -> GateReading:
    """The reading of a gate that compares nothing."""
    return GateReading(gate, None, limit, False, f"Not checked: {why}.", too_few_rows)
