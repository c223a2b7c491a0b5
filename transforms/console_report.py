"""What a person reads at the end of a local run: counts, examples with their reasons, and where the tables are."""

from __future__ import annotations

import pathlib
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
from rich.console import Console
from rich.table import Table

from models.decision import FLAGS
from models.taxonomy import CATEGORIES
from transforms.printable import counted, printable
from transforms.run_report import REPORT

#: How a table is read without holding much of it: a partition may have millions of rows.
_IN_SMALL_PARTS: Final = {"batch_size": 16_384, "batch_readahead": 1, "fragment_readahead": 1, "use_threads": False}


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
    why = [FLAGS.get(flag, flag) for flag in label["flags"]]
    return ". ".join([heard, " ".join(why)]) if why else heard


def examples(labels: ds.Dataset, count: int = 5) -> list[dict[str, Any]]:
    """Rows that show the kinds of answer there are: each category decided, then tracks for review, then any."""
    category, decision = ds.field("category"), ds.field("decision")
    wanted = [(category == name) & (decision == "auto") for name in CATEGORIES]
    chosen: dict[str, dict[str, Any]] = {}
    for want in [*wanted, decision == "review", None]:
        fresh = count - len(chosen) if want is None or len(chosen) >= len(CATEGORIES) else 1
        rows = labels.head(count + fresh, filter=want, **_IN_SMALL_PARTS).to_pylist()
        for row in [row for row in rows if row["track_id"] not in chosen][:fresh]:
            chosen[row["track_id"]] = row
    return list(chosen.values())[:count]


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
    labels = _partition(output, "track_labels", run_date)
    causes = Counter(_partition(output, "dead_letters", run_date).to_table(["error_type"])["error_type"].to_pylist())
    tracks: Counter[tuple[str, str]] = Counter()
    for batch in labels.to_batches(columns=["category", "decision"], **_IN_SMALL_PARTS):
        kinds = pa.table(batch).group_by(["category", "decision"]).aggregate([([], "count_all")])
        tracks.update({(kind["category"], kind["decision"]): kind["count_all"] for kind in kinds.to_pylist()})

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
    for row in examples(labels):
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


def _partition(output: str, table: str, run_date: str) -> ds.Dataset:
    folder = pathlib.Path(output) / table / f"run_date={run_date}"
    return ds.dataset(sorted(str(path) for path in folder.glob("*.parquet")), format="parquet")
