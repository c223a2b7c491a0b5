"""What a person reads at the end of a comparison: what changed, why, what it moves, and where the rest is."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transforms.comparison_limits import nothing_in_common, standing
from transforms.printable import counted, printable


def print_comparison(record: dict[str, Any], output: str, console: Console | None = None) -> None:
    """Print the confusion of categories, the causes, the moved money and the limits.

    Parameters
    ----------
    record
        What ``comparison.json`` holds.
    output
        The folder that it is in.
    """
    console = console or Console()
    tracks = record["tracks"]
    confusion = Table(title="Tracks by category before (rows) and after", title_justify="left")
    confusion.add_column("before")
    for category in record["confusion"]:
        confusion.add_column(Text(printable(category)), justify="right", no_wrap=True)
    for was, row in record["confusion"].items():
        confusion.add_row(Text(printable(was)), *(f"{tracks:,}" for tracks in row.values()))
    console.print(confusion)
    if record["causes"]:
        causes = Table(title="Why labels and treatments changed", title_justify="left")
        for heading in ("cause", "tracks", "category", "music to functional"):
            causes.add_column(heading, justify="left" if heading == "cause" else "right", no_wrap=True)
        for row in record["causes"]:
            counts = (row["tracks"], row["category_changed"], row["music_to_functional"])
            causes.add_row(row["cause"], *(f"{count:,}" for count in counts))
        console.print(causes)
    share, nothing = tracks["changed_share"], nothing_in_common(record)
    lines = [
        *(
            f"{side}: run {record[side]['run_id']}, model {record[side]['model_version']}"
            for side in ("before", "after")
        ),
        nothing
        or f"{tracks['category_changed']:,} of {counted(tracks['labelled_in_both'], 'track')} changed category"
        + (f" ({share:.2%})" if share is not None else "")
        + f"; {tracks['music_to_functional']:,} from music to functional, {tracks['music_to_functional_auto']:,} of "
        "them with decision auto.",
        _presence(record["states"]),
    ]
    if record["money"] is not None:
        lines += [_money(policy, record["money"]) for policy in record["money"]["policies"]]
    lines += [
        f"{standing(limit, nothing is None)}  {limit['gate']}: {limit['message'].removeprefix('Not checked: ')}"
        for limit in record["limits"]
    ]
    lines.append(f"Files: {output}/comparison.html, comparison.json, changed_tracks.parquet …")
    for line in lines:
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def _presence(states: dict[str, dict[str, int]]) -> str:
    return (
        f"Labelled only before: {states['labelled']['absent']:,}. Only after: {states['absent']['labelled']:,}. "
        f"Labelled before, dead letters now: {states['labelled']['dead_letter']:,}. "
        f"Dead letters before, labelled now: {states['dead_letter']['labelled']:,}."
    )


def _money(policy: dict[str, Any], money: dict[str, Any]) -> str:
    if not policy["divided_in_both"]:
        return f"Under {policy['policy_id']} no stream earns in one of the runs."
    amount = policy["moved_between_licensors_amount"]
    return (
        f"Under {policy['policy_id']}, {float(policy['moved_share']):.2%} of {money['month']}'s pool goes to other "
        f"tracks, {float(policy['moved_between_licensors_share']):.2%} to other licensors"
        + (f" ({amount})." if amount is not None else ".")
    )
