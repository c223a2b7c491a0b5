"""What a run counted, as one JSON document: the proof that no catalog row was lost, and the figures that gates look at.

Free of Beam: the pipeline writes the document (:mod:`transforms.reconcile`), the driver and later runs read it.
"""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

from models.taxonomy import CATEGORIES, DECISIONS, FUNCTIONAL, FUNCTIONAL_TYPES
from transforms.records import NO_ROWS, ErrorType, RowTally
from transforms.table_schemas import TABLES

SUMMARY_NAME: Final = "run_summary.json"
LABEL_SOURCES: Final = ("audio", "carried")
LINEAGE_COLUMNS: Final = ("model_version", "taxonomy_version", "run_id", "run_date")


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class StagedFile:
    """One Parquet file that a run wrote and has not published yet.

    Attributes
    ----------
    table
        Name of its table, a key of ``TABLES``.
    path
        Relative to the staging folder, with ``/``: ``<table>/<file name>``.
    rows, bytes
        Rows in the file; its size in bytes.
    sha256
        Of the file's bytes, 64 hexadecimal digits.
    """

    table: str
    path: str
    rows: int
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.rsplit("/", 1)[-1]


@dataclasses.dataclass(frozen=True, slots=True)
class LabelCount:
    """How many rows of ``track_labels`` share these four values."""

    category: str
    functional_type: str | None
    decision: str
    label_source: str
    rows: int


@dataclasses.dataclass(frozen=True, slots=True)
class RunSummary:
    """Everything that one run counted.

    Attributes
    ----------
    run_id, run_date
        The run and the date (ISO 8601) that it was for.
    read, labelled, dead
        Catalog rows at the three ends: as read, behind the labels, behind the dead letters.
    labelled_elements, dead_elements
        How many tallies were summed at the two ends out: one per label and one per dead letter.
    tables
        Rows per table, counted on the way into the files. The digest sums the rows' track ids.
    labels
        Rows of ``track_labels`` by category, functional type, decision and source.
    flags
        Rows of ``track_labels`` by flag; a row with several counts under each.
    error_types
        Rows of ``dead_letters`` by ``error_type``.
    policies
        Rows of ``royalty_treatments`` by ``policy_id policy_version``. The digest sums their track ids.
    lineages
        Rows of all tables by the JSON list of their lineage columns; a sound run has one.
    files
        The files in staging, sorted.
    """

    run_id: str
    run_date: str
    read: RowTally = NO_ROWS
    labelled: RowTally = NO_ROWS
    dead: RowTally = NO_ROWS
    labelled_elements: int = 0
    dead_elements: int = 0
    tables: Mapping[str, RowTally] = dataclasses.field(default_factory=dict)
    labels: tuple[LabelCount, ...] = ()
    flags: Mapping[str, int] = dataclasses.field(default_factory=dict)
    error_types: Mapping[str, int] = dataclasses.field(default_factory=dict)
    policies: Mapping[str, RowTally] = dataclasses.field(default_factory=dict)
    lineages: Mapping[str, int] = dataclasses.field(default_factory=dict)
    files: tuple[StagedFile, ...] = ()

    @property
    def label_rows(self) -> int:
        """Rows of ``track_labels``."""
        return self.table_rows("track_labels")

    @property
    def dead_rows(self) -> int:
        """Rows of ``dead_letters``."""
        return self.table_rows("dead_letters")

    @property
    def collapsed_rows(self) -> int:
        """Catalog rows that were identical to another and share its label or dead letter."""
        return self.labelled.rows - self.labelled_elements + self.dead.rows - self.dead_elements

    @property
    def review_rows(self) -> int:
        """Rows of ``track_labels`` that a person is to listen to."""
        return self.labels_by("decision").get("review", 0)

    def table_rows(self, table: str) -> int:
        """Rows of ``table`` as counted in the pipeline."""
        return self.tables.get(table, NO_ROWS).rows

    def labels_by(self, *columns: str) -> dict[Any, int]:
        """Rows of ``track_labels`` per value of one column of :class:`LabelCount`, or per tuple of several, sorted.

        ``labels_by("category")`` gives ``{"functional": 12, "music": 40}``.
        """
        totals: collections.Counter[tuple[str | None, ...]] = collections.Counter()
        for cell in self.labels:
            totals[tuple(getattr(cell, column) for column in columns)] += cell.rows
        ordered = sorted(totals.items(), key=lambda item: [(value is not None, value or "") for value in item[0]])
        return {key[0] if len(columns) == 1 else key: rows for key, rows in ordered}

    def reconciliation_errors(self) -> list[str]:
        """Say what does not add up, one sentence each with the figures; empty when all rows are accounted for."""
        return [*self._row_errors(), *self._table_errors(), *self._value_errors(), *self._lineage_errors()]

    def _row_errors(self) -> list[str]:
        errors = []
        out = self.labelled + self.dead
        if self.read.rows != out.rows:
            errors.append(
                f"{self.read.rows} catalog rows were read, but {out.rows} came out: {self.labelled_elements} labelled, "
                f"{self.dead_elements} dead letters and {self.collapsed_rows} identical rows that share one of those."
            )
        elif self.read.digest != out.digest:
            errors.append(
                f"{self.read.rows} catalog rows were read and as many came out, but not the same ones: some are "
                f"missing and some came out twice (digest {self.read.digest:016x} read, {out.digest:016x} out)."
            )
        for what, elements, rows in (
            ("labelled tracks", self.labelled_elements, self.label_rows),
            ("dead letters", self.dead_elements, self.dead_rows),
        ):
            if elements != rows:
                errors.append(f"{elements} {what} were tallied, but {rows} rows were written for them.")
        return errors

    def _table_errors(self) -> list[str]:
        errors = []
        in_files: collections.Counter[str] = collections.Counter()
        files: collections.Counter[str] = collections.Counter()
        for file in self.files:
            in_files[file.table] += file.rows
            files[file.table] += 1
        for table in sorted(TABLES.keys() | in_files.keys()):
            if table not in TABLES:
                errors.append(f"There are files of an unknown table {table!r}.")
            elif not files[table]:
                errors.append(f"Table {table} has no file; even a table without rows has one.")
            elif in_files[table] != self.table_rows(table):
                errors.append(
                    f"Table {table}: {self.table_rows(table)} rows were counted, but its files hold {in_files[table]}."
                )
        labels = self.tables.get("track_labels", NO_ROWS)
        ends = {table: self.tables.get(table, NO_ROWS) for table in ("track_embeddings", "audio_versions")}
        ends.update((f"royalty_treatments under policy {policy}", tally) for policy, tally in self.policies.items())
        for what, tally in sorted(ends.items()):
            if tally.rows != labels.rows:
                errors.append(f"{labels.rows} tracks have a label, but {tally.rows} rows are in {what}.")
            elif tally.digest != labels.digest:
                errors.append(f"The {tally.rows} rows in {what} are not for the same tracks as the labels.")
        return errors

    def _value_errors(self) -> list[str]:
        errors = []
        for cell in self.labels:
            unknown = [
                f"{column} {getattr(cell, column)!r}"
                for column, known in (
                    ("category", CATEGORIES),
                    ("decision", DECISIONS),
                    ("label_source", LABEL_SOURCES),
                    ("functional_type", (*FUNCTIONAL_TYPES, None)),
                )
                if getattr(cell, column) not in known
            ]
            if unknown:
                errors.append(f"{cell.rows} labels have an unknown {' and '.join(unknown)}.")
            elif (cell.category == FUNCTIONAL) != (cell.functional_type is not None):
                errors.append(
                    f"{cell.rows} labels have category {cell.category!r} with functional_type "
                    f"{cell.functional_type!r}; a type goes with 'functional' and only with it."
                )
        known_types = set(ErrorType)
        for error_type, rows in sorted(self.error_types.items()):
            if error_type not in known_types:
                errors.append(f"{rows} dead letters have an unknown error_type {error_type!r}.")
        return errors

    def _lineage_errors(self) -> list[str]:
        errors = []
        if len(self.lineages) > 1:
            errors.append(
                f"Rows of {len(self.lineages)} lineages are mixed ({', '.join(LINEAGE_COLUMNS)}): "
                + "; ".join(f"{rows} rows of {lineage}" for lineage, rows in sorted(self.lineages.items()))
                + "."
            )
        for lineage, rows in sorted(self.lineages.items()):
            if json.loads(lineage)[2:] != [self.run_id, self.run_date]:
                errors.append(
                    f"{rows} rows are of {lineage}, but this is run {self.run_id} for run_date {self.run_date}."
                )
        return errors

    def to_json(self) -> dict[str, Any]:
        """Give a JSON-ready document; the same counts give the same document."""
        labels = sorted(
            (dataclasses.asdict(cell) for cell in self.labels),
            key=lambda cell: (cell["category"], cell["functional_type"] or "", cell["decision"], cell["label_source"]),
        )
        return {
            "run_id": self.run_id,
            "run_date": self.run_date,
            "catalog_rows": {name: _tally_json(getattr(self, name)) for name in ("read", "labelled", "dead")}
            | {"collapsed": {"rows": self.collapsed_rows}},
            "labelled_elements": self.labelled_elements,
            "dead_elements": self.dead_elements,
            "tables": _tallies_json(self.tables),
            "labels": labels,
            "flags": dict(sorted(self.flags.items())),
            "error_types": dict(sorted(self.error_types.items())),
            "policies": _tallies_json(self.policies),
            "lineages": dict(sorted(self.lineages.items())),
            "files": [dataclasses.asdict(file) for file in sorted(self.files)],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RunSummary:
        """Invert :meth:`to_json`; ``files`` may be missing, as in a manifest, and ``flags``, as in an older one."""
        catalog_rows = document["catalog_rows"]
        return cls(
            run_id=document["run_id"],
            run_date=document["run_date"],
            read=_tally(catalog_rows["read"]),
            labelled=_tally(catalog_rows["labelled"]),
            dead=_tally(catalog_rows["dead"]),
            labelled_elements=document["labelled_elements"],
            dead_elements=document["dead_elements"],
            tables={name: _tally(tally) for name, tally in document["tables"].items()},
            labels=tuple(LabelCount(**cell) for cell in document["labels"]),
            flags=dict(document.get("flags", {})),
            error_types=dict(document["error_types"]),
            policies={name: _tally(tally) for name, tally in document["policies"].items()},
            lineages=dict(document["lineages"]),
            files=tuple(StagedFile(**file) for file in document.get("files", ())),
        )


def _tally_json(tally: RowTally) -> dict[str, Any]:
    # 64-bit numbers as text: JSON readers that take numbers for doubles would round them.
    return {"rows": tally.rows, "digest": f"{tally.digest:016x}"}


def _tallies_json(tallies: Mapping[str, RowTally]) -> dict[str, Any]:
    return {name: _tally_json(tally) for name, tally in sorted(tallies.items())}


def _tally(document: Mapping[str, Any]) -> RowTally:
    return RowTally(document["rows"], int(document["digest"], 16))


def to_text(document: Mapping[str, Any]) -> str:
    """``document`` as indented JSON text, always the same for equal documents."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
