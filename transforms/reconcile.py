"""Counts every row at both ends of the run and writes the figures as one document into the staging folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from transforms.carried_rows import CarriedRows, Cells, add_to_cell, cells_of, merge_cells
from transforms.records import NO_ROWS, RowTally, TallySum
from transforms.run_summary import SUMMARY_NAME, LabelCount, RunSummary, StagedFile, to_text
from transforms.table_schemas import TABLES
from transforms.whole_files import write_whole_file

_TALLIES: Final = ("read", "labelled", "dead")
_FILES: Final = "files"


class Reconcile(beam.PTransform):
    """Count everything and write ``<staging_dir>/run_summary.json``; gives the one :class:`RunSummary`.

    Takes a dict of PCollections: ``read``, ``labelled`` and ``dead`` with a :class:`RowTally` for each catalog row
    read, each label and each dead letter, or a :class:`TallySum` for many; under each table's name its rows, as they
    go to ``WriteTable``; and
    ``files`` with every :class:`StagedFile`. Each of them may be empty.

    Parameters
    ----------
    run_id, run_date
        The run and its date (ISO 8601).
    staging_dir
        Any folder that Beam's file systems can write.
    policies
        ``policy_id policy_version`` of every policy that each labelled track must have a treatment under.
    """

    def __init__(self, run_id: str, run_date: str, staging_dir: str, policies: Sequence[str] = ()) -> None:
        super().__init__()
        self._run_id = run_id
        self._run_date = run_date
        self._staging_dir = staging_dir
        self._policies = policies

    def expand(self, inputs: Mapping[str, beam.PCollection]) -> beam.PCollection:
        """Compose the stages."""
        expected = {*_TALLIES, _FILES, *TABLES}
        if inputs.keys() != expected:
            raise ValueError(f"Reconcile needs {sorted(expected)}, got {sorted(inputs)}")
        parts = [
            inputs[end] | f"Sum[{end}]" >> beam.CombineGlobally(_SumTallies()) | f"Name[{end}]" >> _named(end)
            for end in _TALLIES
        ]
        parts += [
            inputs[table]
            | f"Count[{table}]" >> beam.CombineGlobally(_CountRows(table))
            | f"Name[{table}]" >> _named(table)
            for table in TABLES
        ]
        parts.append(inputs[_FILES] | "ListFiles" >> beam.combiners.ToList() | "Name[files]" >> _named(_FILES))
        return (
            parts
            | "Together" >> beam.Flatten()
            | "One" >> beam.combiners.ToList()
            | "Summarize" >> beam.Map(_summarize, self._run_id, self._run_date, self._policies)
            | "WriteSummary" >> beam.Map(_write_summary, self._staging_dir).with_output_types(RunSummary)
        )


def read_run_summary(staging_dir: str) -> RunSummary:
    """Read the summary that :class:`Reconcile` wrote to ``staging_dir``, on any of Beam's file systems.

    Raises
    ------
    OSError
        It is not there: the pipeline did not come to its end.
    """
    path = FileSystems.join(staging_dir, SUMMARY_NAME)
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
        return RunSummary.from_json(json.loads(stream.read()))


def _named(name: str) -> beam.PTransform:
    return beam.Map(lambda value: (name, value))


def _write_summary(summary: RunSummary, staging_dir: str) -> RunSummary:
    write_whole_file(staging_dir, SUMMARY_NAME, to_text(summary.to_json()).encode("utf-8"))
    return summary


class _SumTallies(beam.CombineFn):
    """Sum of the tallies and how many they were, as (rows, digest, elements)."""

    def create_accumulator(self) -> tuple[RowTally, int]:
        return NO_ROWS, 0

    def add_input(self, accumulator: tuple[RowTally, int], element: RowTally | TallySum) -> tuple[RowTally, int]:
        added = element if isinstance(element, TallySum) else TallySum(element, 1)
        return accumulator[0] + added.tally, accumulator[1] + added.elements

    def merge_accumulators(self, accumulators: Iterable[tuple[RowTally, int]]) -> tuple[RowTally, int]:
        total, elements = NO_ROWS, 0
        for tally, count in accumulators:
            total, elements = total + tally, elements + count
        return total, elements

    def extract_output(self, accumulator: tuple[RowTally, int]) -> tuple[RowTally, int]:
        return accumulator


class _CountRows(beam.CombineFn):
    """Rows of one table per cell, each with the digest of the rows' track ids."""

    def __init__(self, table: str) -> None:
        self._table = table

    def create_accumulator(self) -> Cells:
        return {}

    def add_input(self, accumulator: Cells, row: Mapping[str, Any] | CarriedRows) -> Cells:
        if isinstance(row, CarriedRows):
            return self.merge_accumulators([accumulator, row.cells])
        tally = RowTally.of_place(row["track_id"] or "")
        for cell in cells_of(self._table, row):
            add_to_cell(accumulator, cell, tally)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Cells]) -> Cells:
        merged: Cells = {}
        for accumulator in accumulators:
            merge_cells(merged, accumulator)
        return merged

    def extract_output(self, accumulator: Cells) -> Cells:
        return accumulator


def _summarize(parts: list[tuple[str, Any]], run_id: str, run_date: str, policies: Sequence[str]) -> RunSummary:
    found = dict(parts)
    cells: dict[str, Cells] = {table: found[table] for table in TABLES}
    lineages: dict[str, int] = {}
    for table_cells in cells.values():
        for cell, (rows, _) in table_cells.items():
            if cell[0] == "lineage":
                key = json.dumps(cell[1:], ensure_ascii=False)
                lineages[key] = lineages.get(key, 0) + rows
    files: list[StagedFile] = found[_FILES]
    return RunSummary(
        run_id=run_id,
        run_date=run_date,
        read=found["read"][0],
        labelled=found["labelled"][0],
        dead=found["dead"][0],
        labelled_elements=found["labelled"][1],
        dead_elements=found["dead"][1],
        tables={table: RowTally(*table_cells.get(("rows",), (0, 0))) for table, table_cells in cells.items()},
        labels=tuple(
            LabelCount(str(cell[1]), cell[2], str(cell[3]), str(cell[4]), rows)
            for cell, (rows, _) in _cells_named(cells["track_labels"], "label")
        ),
        flags={str(cell[1]): rows for cell, (rows, _) in _cells_named(cells["track_labels"], "flag")},
        error_types={str(cell[1]): rows for cell, (rows, _) in _cells_named(cells["dead_letters"], "error_type")},
        # A policy without a single row stands here too, so that its loss is noticed.
        policies=dict.fromkeys(policies, NO_ROWS)
        | {str(cell[1]): RowTally(*tally) for cell, tally in _cells_named(cells["royalty_treatments"], "policy")},
        lineages=dict(sorted(lineages.items())),
        files=tuple(sorted(files)),
    )


def _cells_named(cells: Cells, name: str) -> list[tuple[tuple[str | None, ...], list[int]]]:
    chosen = [(cell, tally) for cell, tally in cells.items() if cell[0] == name]
    return sorted(chosen, key=lambda item: [(value is not None, value or "") for value in item[0]])
