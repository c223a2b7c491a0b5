"""Catalog rows that share a track id: identical ones become one, conflicting ones all become dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics

from transforms.catalog_validation import CONTRACT_COLUMNS, catalog_row_json, shown
from transforms.records import NO_ROWS, CatalogRow, DeadLetter, ErrorType, Stage

_NAMESPACE: Final = "CollapseDuplicates"
_DEAD_LETTERS: Final = "dead_letters"
_VALUES_NAMED: Final = 2


class DistinctTracks(NamedTuple):
    """What the collapsing gives, as PCollections.

    Attributes
    ----------
    rows
        ``CatalogRow``, one per track id, with the tallies of the rows that it stands for.
    dead_letters
        ``DeadLetter`` of type ``duplicate_track_id``, one per row.
    """

    rows: beam.PCollection[CatalogRow]
    dead_letters: beam.PCollection[DeadLetter]


class CollapseDuplicates(beam.PTransform):
    """Leave at most one row per track id, whatever the order of the rows.

    Rows equal in every contract column collapse to one, their tallies summed. Rows that share a track id and differ in
    a column say two things of one track; no order makes one of them right, so each becomes a dead letter.
    """

    def expand(self, rows: beam.PCollection[CatalogRow]) -> DistinctTracks:
        """Group the rows by track id and judge each group."""
        collapsed = (
            rows
            | "ByTrackId" >> beam.Map(lambda row: (row.track_id, row)).with_output_types(tuple[str, Any])
            | "Group" >> beam.GroupByKey()
            | "Collapse" >> beam.ParDo(JudgeTrackId()).with_outputs(_DEAD_LETTERS, main="rows")
        )
        return DistinctTracks(collapsed["rows"], collapsed[_DEAD_LETTERS])


class JudgeTrackId(beam.DoFn):
    """Judge the rows of one track id, given with the id; memory does not grow with their number."""

    def __init__(self) -> None:
        self._collapsed = Metrics.counter(_NAMESPACE, "rows_collapsed")
        self._conflicting = Metrics.counter(_NAMESPACE, "rows_duplicate_track_id")

    def process(self, group: tuple[str, Iterable[CatalogRow]]) -> Iterator[Any]:
        """Give one row, or a dead letter for each."""
        track_id, rows = group
        tally = NO_ROWS
        number = 0
        # The few smallest distinct values of each column: they are the same whatever the order.
        distinct: dict[str, dict[str, Any]] = {column: {} for column in CONTRACT_COLUMNS}
        row: CatalogRow | None = None
        for row in rows:
            number += 1
            tally += row.tally
            for column, values in distinct.items():
                value = getattr(row, column)
                values[repr(value)] = value
                if len(values) > _VALUES_NAMED + 1:
                    del values[max(values)]
        if row is None:
            return
        differing = {column: values for column, values in distinct.items() if len(values) > 1}
        if not differing:
            if number > 1:
                self._collapsed.inc(number - 1)
            fields = {column: getattr(row, column) for column in CONTRACT_COLUMNS}
            yield CatalogRow(**fields, tally=tally)
            return
        message = (
            f"track_id {shown(track_id)} stands in {number} catalog rows that differ in "
            + "; ".join(f"{column}: {_named(values)}" for column, values in differing.items())
            + "."
        )
        for row in rows:
            self._conflicting.inc()
            yield beam.pvalue.TaggedOutput(
                _DEAD_LETTERS,
                DeadLetter(
                    track_id=track_id,
                    catalog_row=catalog_row_json(row.contract_fields()),
                    stage=Stage.CATALOG,
                    error_type=ErrorType.DUPLICATE_TRACK_ID,
                    message=message,
                    tally=row.tally,
                ),
            )


def _named(values: dict[str, Any]) -> str:
    texts = ["nothing" if values[key] in (None, ()) else shown(values[key]) for key in sorted(values)[:_VALUES_NAMED]]
    return " and ".join(texts) + (", among others" if len(values) > _VALUES_NAMED else "")
