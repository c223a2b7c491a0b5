"""What a person reads at the end of an evaluation: the key figures, and where the rest is."""

from __future__ import annotations

from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.evaluation_slices import LONG, SHORT
from transforms.evaluation_words import COUNTS, TITLES, with_interval
from transforms.printable import printable

_SHOWN: Final = (
    "balanced_accuracy", "accuracy", "auroc_functional", "music_called_functional", "music_called_functional_auto",
    "functional_recall_at_1pct_music", "review_share", "accuracy_auto", "expected_calibration_error",
)  # fmt: skip


def print_figures(record: dict[str, Any], output: str, console: Console | None = None) -> None:
    """Print the key figures of both lengths with their intervals.

    Parameters
    ----------
    record
        What ``evaluation.json`` holds.
    output
        The folder that it is in.
    """
    console = console or Console(soft_wrap=True)
    title = printable(f"{record['model']['model_version']} ({record['coverage']} coverage)")
    table = Table(title=Text(title), title_justify="left")
    slices = {name.partition(":")[2]: record["figures"][name] for name in (LONG, SHORT) if name in record["figures"]}
    table.add_column("figure [95 % interval]".replace("[", r"\["))
    for name in slices:
        table.add_column(name, justify="right")
    table.add_row("tracks", *(str(figures["tracks"]) for figures in slices.values()))
    for figure in _SHOWN:
        cells = (Text(with_interval(figures[figure], figure in COUNTS)) for figures in slices.values())
        table.add_row(TITLES[figure], *cells)
    console.print(table)
    near = record["neighbours"]
    lines = [
        f"Functional type, macro-F1: {with_interval(record['functional_type']['macro_f1'])}",
        f"Of {near['neighbours']} neighbours from other packages, same category: "
        f"{with_interval(near['category']['same'])}, same functional type: "
        f"{with_interval(near['functional_type']['same'])}",
    ]
    if "comparison" in record:
        comparison = record["comparison"]
        found = comparison["significant"]
        lines += [
            f"Against {comparison['baseline']['model_version']}: {len(found)} of {comparison['comparisons']} "
            f"differences significant at 95 % ({comparison['expected_by_chance']:g} expected by chance)"
            + (":" if found else "."),
            *(f"  {sentence}" for sentence in found[:8]),
            *([f"  and {len(found) - 8} more in evaluation.json"] if len(found) > 8 else []),
        ]
    lines.append(f"{len(record['dead_letters'])} dead letters. Everything: {output}/evaluation.html, evaluation.json")
    for line in lines:
        console.print(printable(line), markup=False, highlight=False)
