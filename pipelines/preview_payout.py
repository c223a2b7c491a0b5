"""Preview a month's payout: divide a pool by streams under each royalty policy of a published run.

python -m pipelines.preview_payout --tables out --streams 'streams/*.parquet' --policy spotify --output payout
"""

from __future__ import annotations

import argparse
import decimal
import pathlib
import re
import sys
from collections.abc import Sequence

from models.errors import UserError
from pipelines.command_line import EXIT_PUBLISHED, ArgumentParser, exit_status, make_folder, run_date
from transforms.payout_console import money_text, print_payout
from transforms.payout_streams import MONTH_PATTERN, PolicyTerms, first_of_12, open_payout, streams_files
from transforms.payout_tables import (
    PAYOUT_DIFFERENCE,
    PAYOUT_SPLIT,
    difference_rows,
    policy_payout,
    split_rows,
    write_rows,
    write_unlabelled,
)
from transforms.published_tables import PublishedRun, published_run

#: So that every amount fits its column.
_MOST_CENTS = 10**15


def make_parser() -> ArgumentParser:
    """The parser of this job."""
    parser = ArgumentParser(
        "python -m pipelines.preview_payout",
        "Divide a month's pool by streams, under each royalty policy that a published run evaluated, and compare the\n"
        "policies. Writes payout_split, payout_difference and unlabelled_tracks as Parquet; see docs/royalties.md.",
    )
    parser.add_argument("--tables", required=True, metavar="DIR", help="--output of categorize_tracks")
    parser.add_argument(
        "--streams", required=True, metavar="GLOB", help="Parquet with track_id, month, licensor, streams"
    )
    parser.add_argument(
        "--policy", action="append", required=True, metavar="NAME", help="policy_id that the run evaluated; repeatable"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write; files there are replaced")
    parser.add_argument("--month", type=_month, metavar="YYYY-MM", help="month (default: the latest with streams)")
    parser.add_argument("--pool", type=_cents, metavar="AMOUNT", help="money to divide (default: shares only)")
    parser.add_argument("--run_date", type=run_date, metavar="YYYY-MM-DD", help="run (default: the latest published)")
    return parser


def run(argv: Sequence[str] | None = None) -> int:
    """Parse, check, count, divide, write; return the exit status.

    Raises
    ------
    UserError
        For a bad argument, tables or streams, before anything is written.
    """
    arguments = make_parser().parse_args(argv)
    tables = published_run(arguments.tables, arguments.run_date and arguments.run_date.isoformat())
    policies = _policies(tables, list(dict.fromkeys(arguments.policy)))
    files = streams_files(arguments.streams)
    output = pathlib.Path(arguments.output)
    with open_payout(files, tables.files("royalty_treatments"), policies, arguments.month) as streams:
        payouts = [policy_payout(terms, streams.cells(terms.policy_id), arguments.pool) for terms in policies]
        columns = {"month": streams.month, "run_id": tables.run_id}
        make_folder("--output", output)
        split = (split_rows(payout, columns) for payout in payouts)
        write_rows(output / "payout_split.parquet", PAYOUT_SPLIT, split)
        changes = (difference_rows(payouts[0], payout, columns) for payout in payouts[1:])
        write_rows(output / "payout_difference.parquet", PAYOUT_DIFFERENCE, changes)
        unlabelled = write_unlabelled(output / "unlabelled_tracks.parquet", streams, columns)
        notes = [f"Month {streams.month}, with the treatments of run {tables.run_id}."]
        if streams.first_month > first_of_12(streams.month) and any(terms.min_streams_12m for terms in policies):
            notes.append(
                f"Streams in 12 months are those from {streams.first_month} on; earlier ones are not in the files."
            )
    if unlabelled:
        notes.append(f"Streamed tracks without a label, paid as music: {unlabelled:,}, in unlabelled_tracks.parquet.")
    for payout in payouts:
        if arguments.pool is not None and not any(cell.weighted_units for cell in payout.cells):
            notes.append(
                f"Under {payout.terms.policy_id} no stream earns; {money_text(arguments.pool)} are not divided."
            )
    print_payout(payouts, [*notes, f"Files: {output}/payout_split.parquet, payout_difference.parquet"])
    return EXIT_PUBLISHED


def _policies(tables: PublishedRun, names: Sequence[str]) -> list[PolicyTerms]:
    """What the run's manifest says of each policy, so that streams are held to the version that treated the tracks."""
    there = {policy["policy_id"]: policy for policy in tables.manifest.get("policies", ())}
    for name in names:
        if name not in there:
            has = f"it has {', '.join(sorted(there))}" if there else "it has none"
            raise UserError(
                f"--policy {name}: was not evaluated by the run {tables.run_id} in {tables.folder}; {has}. Run "
                f"categorize_tracks with --policy {name}, or choose another --run_date."
            )
    return [PolicyTerms(name, there[name]["version"], there[name]["min_streams_12m"]) for name in names]


def _month(text: str) -> str:
    if not re.fullmatch(MONTH_PATTERN, text):
        raise argparse.ArgumentTypeError(f"{text!r} is no month; write it as YYYY-MM, such as 2026-11")
    return text


def _cents(text: str) -> int:
    """An amount of money in cents."""
    try:
        cents = decimal.Decimal(text) * 100 if re.fullmatch(r"\d{1,16}(\.\d{1,2})?", text, re.ASCII) else None
    except decimal.InvalidOperation:
        cents = None
    if cents is None or not 0 < cents <= _MOST_CENTS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no amount; give digits with at most two decimals, such as 1250000.00"
        )
    return int(cents)


def main() -> None:
    """Console script ``earmark-preview-payout``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
