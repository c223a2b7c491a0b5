"""Preview a month's payout: divide a pool by streams under each royalty policy of a published run.

python -m pipelines.preview_payout --tables out --streams 'streams/*.parquet' --policy spotify --output payout
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

from pipelines.command_line import EXIT_PUBLISHED, ArgumentParser, exit_status, run_date
from pipelines.output_paths import check_no_partition
from pipelines.payout_options import cents, month, policy_terms
from transforms.output_folders import make_output_folder, replaced_files
from transforms.payout_console import money_text, print_payout
from transforms.payout_streams import TREATMENT_COLUMNS, first_of_12, open_payout
from transforms.payout_tables import (
    PAYOUT_DIFFERENCE,
    PAYOUT_SPLIT,
    PREVIEW_TABLES,
    difference_rows,
    policy_payout,
    split_rows,
    write_rows,
    write_unlabelled,
)
from transforms.published_runs import read_published_run
from transforms.streams_parquet import find_stream_files
from transforms.warehouse_tables import read_table


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
    parser.add_argument("--month", type=month, metavar="YYYY-MM", help="month (default: the latest with streams)")
    parser.add_argument("--pool", type=cents, metavar="AMOUNT", help="money to divide (default: shares only)")
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
    tables = read_published_run(arguments.tables, arguments.run_date)
    policies = policy_terms(tables, list(dict.fromkeys(arguments.policy)))
    files = find_stream_files(arguments.streams)
    treatments = read_table(tables, "royalty_treatments", TREATMENT_COLUMNS, arguments.tables)
    check_no_partition("--output", arguments.output, "--tables", arguments.tables)
    output = pathlib.Path(arguments.output)
    with open_payout(files, treatments, policies, arguments.month) as streams:
        payouts = [policy_payout(terms, streams.cells(terms.policy_id), arguments.pool) for terms in policies]
        columns = {"month": streams.month, "run_id": tables.run_id}
        make_output_folder(output)
        # The split is written last: where it is, the others are, and of the same preview.
        with replaced_files(output, [f"{name}.parquet" for name in PREVIEW_TABLES]):
            changes = (difference_rows(payouts[0], payout, columns) for payout in payouts[1:])
            write_rows(output / "payout_difference.parquet", PAYOUT_DIFFERENCE, changes)
            unlabelled = write_unlabelled(output / "unlabelled_tracks.parquet", streams, columns)
            split = (split_rows(payout, columns) for payout in payouts)
            write_rows(output / "payout_split.parquet", PAYOUT_SPLIT, split)
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


def main() -> None:
    """Console script ``earmark-preview-payout``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
