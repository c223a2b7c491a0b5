"""A comparison of two runs: the join, the Parquet files, the figures and the page."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any, Final

from models.payout_shares import scaled
from transforms.comparison_limits import judge
from transforms.comparison_money import MONEY_TABLES, MovedMoney, move_money
from transforms.comparison_record import comparison_record
from transforms.comparison_report import comparison_html
from transforms.comparison_tables import COMPARISON_TABLES, prepare_views, write_comparison_tables
from transforms.gates import GateSettings
from transforms.output_folders import make_output_folder, partial_file, replaced_files
from transforms.payout_streams import PolicyTerms, StreamsPayout, bounded_database
from transforms.run_changes import ComparedRun, count_label_changes, load_runs
from transforms.run_summary import to_text

#: Every file of a comparison, with and without streams; the first is written last.
_FILES: Final = (
    "comparison.json", "comparison.html", *(f"{name}.parquet" for name in (*COMPARISON_TABLES, *MONEY_TABLES)),
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class ComparisonSettings:
    """What is compared beside the labels, and what is too much.

    Attributes
    ----------
    policies
        The terms of each policy in the run before and in the run after.
    stream_files
        From :func:`transforms.streams_parquet.find_stream_files`; none for no money.
    month
        ``YYYY-MM``; null for the latest with streams.
    pool_cents
        Money to divide; null for shares only.
    gates, max_music_to_functional, max_moved_share
        See :func:`transforms.comparison_limits.judge`.
    """

    gates: GateSettings
    policies: Sequence[tuple[PolicyTerms, PolicyTerms]] = ()
    stream_files: Sequence[str] = ()
    month: str | None = None
    pool_cents: int | None = None
    max_music_to_functional: int | None = None
    max_moved_share: float | None = None


def compare(
    before: ComparedRun, after: ComparedRun, settings: ComparisonSettings, output: pathlib.Path
) -> dict[str, Any]:
    """Compare two runs and write all files; gives what ``comparison.json`` holds.

    Parameters
    ----------
    output
        A folder; files of an earlier comparison are replaced.

    Raises
    ------
    UserError
        A file of a run is not as it was published, or streams make no sense.
    """
    with bounded_database("2GB") as connection:
        streams = StreamsPayout(connection, settings.stream_files, settings.month) if settings.stream_files else None
        load_runs(connection, before, after, settings.policies)
        prepare_views(connection, streams is not None)
        make_output_folder(output)
        with replaced_files(output, _FILES):
            write_comparison_tables(connection, output)
            money: list[MovedMoney] = []
            if streams is not None:
                money = move_money(connection, streams, settings.policies, settings.pool_cents, output)
            changes = count_label_changes(connection)
            since = f"from run {before.run.run_id} to {after.run.run_id}"
            limits = judge(
                changes, money, settings.gates, since, settings.max_music_to_functional, settings.max_moved_share
            )
            record = comparison_record(
                connection,
                (before.run, after.run),
                changes,
                money,
                None if streams is None else streams.month,
                None if settings.pool_cents is None else str(scaled(settings.pool_cents, 2)),
                limits,
            )
            page = comparison_html(connection, record)
            for name, text in (("comparison.html", page), ("comparison.json", to_text(record))):
                temporary = partial_file(output / name)
                temporary.write_text(text, encoding="utf-8")
                temporary.replace(output / name)
    return record
