"""What a person reads at the end of a local run: counts, examples with their reasons, and where the tables are."""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from models.decision import flag_meaning
from models.taxonomy import CATEGORIES
from transforms.printable import counted, printable
from transforms.run_report import REPORT
from transforms.run_tables import RunTables

#: Labels that are shown with their reasons.
_EXAMPLES: Final = 5


def reason(label: dict[str, Any]) -> str:
    """Why a track has its label and decision, in one sentence.

    Parameters
    ----------
    label
        A row of ``track_labels``.
    """
    shares = sorted(((label[f"{name}_fraction"], name) for name in CATEGORIES), reverse=True)
    heard = "heard " + ", ".join(f"{name} in {share:.0%}" for share, name in shares if share > 0)
    if sum(share for share, _ in shares) > 1:
        heard += " (they overlap)"
    if label["duplicate_of"]:
        heard += f", same audio as {label['duplicate_of']}"
    why = [flag_meaning(flag, label["category"]) for flag in label["flags"]]
    return ". ".join([heard, " ".join(why)]) if why else heard


@dataclasses.dataclass(frozen=True, slots=True)
class _Kinds:
    """Labels by category and decision, and the first track ids of each kind of example; null stands for any."""

    tracks: Counter[tuple[str, str]]
    first: dict[tuple[str | None, str | None], list[str]]


def _count_kinds(tables: RunTables) -> _Kinds:
    wanted: list[tuple[str | None, str | None]] = [*((name, "auto") for name in CATEGORIES), (None, "review")]
    kinds = _Kinds(Counter(), {want: [] for want in [*wanted, (None, None)]})
    for batch in tables.reader("track_labels", ["track_id", "category", "decision"]):
        found = pa.table(batch).group_by(["category", "decision"]).aggregate([([], "count_all")])
        kinds.tracks.update({(kind["category"], kind["decision"]): kind["count_all"] for kind in found.to_pylist()})
        for (category, decision), ids in kinds.first.items():
            rows = pa.table(batch) if len(ids) < 2 * _EXAMPLES else pa.table(batch).slice(0, 0)
            for column, value in (("category", category), ("decision", decision)):
                rows = rows if value is None else rows.filter(pc.equal(rows[column], value))
            ids += rows["track_id"].slice(0, 2 * _EXAMPLES - len(ids)).to_pylist()
    return kinds


def _examples(tables: RunTables, kinds: _Kinds) -> list[dict[str, Any]]:
    """Rows that show the kinds of answer there are: each category decided, then tracks for review, then any."""
    chosen: list[str] = []
    for want, ids in kinds.first.items():
        fresh = _EXAMPLES - len(chosen) if want == (None, None) or len(chosen) >= len(CATEGORIES) else 1
        chosen += [track_id for track_id in ids if track_id not in chosen][:fresh]
    rows = {row["track_id"]: row for row in tables.rows_of_tracks("track_labels", chosen)}
    return [rows[track_id] for track_id in chosen]


def print_report(
    output: str, run_date: str, run_id: str, notes: Sequence[str] = (), console: Console | None = None
) -> None:
    """Print the summary of a published run whose tables lie in a local folder.

    Parameters
    ----------
    notes
        Sentences to print below the counts.
    """
    console = console or Console(soft_wrap=False)
    tables = RunTables({table: _partition(output, table, run_date) for table in ("track_labels", "dead_letters")})
    causes: Counter[str] = Counter()
    for batch in tables.reader("dead_letters", ["error_type"]):
        causes.update(batch["error_type"].to_pylist())
    kinds = _count_kinds(tables)
    tracks = kinds.tracks

    counts = Table(title=f"{counted(tracks.total(), 'track')} labelled", title_justify="left")
    for heading in ("category", "auto", "review", "all"):
        counts.add_column(heading, justify="left" if heading == "category" else "right")
    for category in CATEGORIES:
        auto, review = tracks[category, "auto"], tracks[category, "review"]
        counts.add_row(category, f"{auto:,}", f"{review:,}", f"{auto + review:,}")
    console.print(counts)

    console.print(
        counted(causes.total(), "dead letter")
        + (": " + ", ".join(f"{cause} {number}" for cause, number in sorted(causes.items())) if causes else "")
    )

    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    console.print("\nExamples of labels, with their reasons:")
    for row in _examples(tables, kinds):
        label = row["category"] + (f"/{row['functional_type']}" if row["functional_type"] else "")
        console.print(
            f"  {printable(row['track_id'])}  {printable(row['title'] or '(no title)')}\n"
            f"      {label}, confidence {row['confidence']:.3f}, {row['decision']}: "
            f"{printable(reason(row))}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    place = pathlib.Path(output)
    files = _sql_text(f"{place}/track_labels/run_date={run_date}/*.parquet")
    query = (
        "SELECT category, functional_type, decision, count(*) AS tracks "  # noqa: S608 - shown, not run
        f"FROM read_parquet({files}) GROUP BY ALL ORDER BY ALL"
    )
    code = f"import duckdb; duckdb.sql('''{query}''').show()"
    lines = (
        "",
        f"Tables:   {place}/<table>/run_date={run_date}/",
        f"Manifest: {place / 'runs' / run_id / 'manifest.json'}",
        *([f"Report:   {page}"] if (page := place / "runs" / run_id / REPORT).is_file() else []),
        "A query to paste:",
        f"  {shlex.quote(_python())} -c {_shell_text(code)}",
    )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _python() -> str:
    """The running interpreter, from here when that is shorter."""
    executable, here = pathlib.Path(sys.executable), pathlib.Path.cwd()
    return str(executable.relative_to(here)) if executable.is_relative_to(here) else sys.executable


def _shell_text(text: str) -> str:
    """Quote for a shell, in plain double quotes where that is enough."""
    return shlex.quote(text) if any(character in text for character in '"$`\\!') else f'"{text}"'


def _sql_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _partition(output: str, table: str, run_date: str) -> list[str]:
    folder = pathlib.Path(output) / table / f"run_date={run_date}"
    return sorted(str(path) for path in folder.glob("*.parquet"))
