"""The command line of the comparison: which runs, which policies and streams, which limits."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import pathlib
from collections.abc import Sequence

from models.errors import UserError
from pipelines.command_line import ArgumentParser, run_date
from pipelines.job_config import load_config
from pipelines.output_paths import check_outside_tables
from pipelines.payout_options import cents, month, policy_terms
from pipelines.remote_paths import check_bucket, check_scheme
from transforms.comparison import ComparisonSettings
from transforms.gates import GateSettings
from transforms.output_folders import make_output_folder
from transforms.payout_streams import PolicyTerms
from transforms.published_runs import PublishedRun, read_previous_run, read_published_run
from transforms.run_changes import ComparedRun
from transforms.staged_runs import read_staged_run
from transforms.streams_parquet import find_stream_files

_DESCRIPTION = """\
Compare two runs by track_id: changed labels with the evidence of both sides and the cause, tracks that came, went or
became dead letters, drift, and with --streams the money that moves. Writes Parquet, comparison.json and
comparison.html; see docs/comparing.md. A folder is the --output of categorize_tracks, local or gs:// or s3://, or the
staging folder of a run that a gate refused.

Exit status: 0 compared; 2 bad arguments or tables, nothing was written; 3 compared, and a limit is crossed, or
none could be checked because no track has a label in both runs."""


@dataclasses.dataclass(frozen=True, slots=True)
class CompareOptions:
    """A checked command line.

    Attributes
    ----------
    backwards
        A sentence when the run of ``--before`` is the later one of two in one folder; empty when it is not.
    """

    before: ComparedRun
    after: ComparedRun
    settings: ComparisonSettings
    output: pathlib.Path
    backwards: str


def make_parser() -> ArgumentParser:
    """The parser of this job."""
    parser = ArgumentParser("python -m pipelines.compare_runs", _DESCRIPTION)
    parser.add_argument("--before", required=True, metavar="DIR", help="tables of the run before")
    parser.add_argument("--after", required=True, metavar="DIR", help="tables of the run after; may be the same folder")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write; files there are replaced")
    parser.add_argument(
        "--before_run_date", type=run_date, metavar="YYYY-MM-DD",
        help="default: the latest published; in the folder of --after, the latest earlier than that run",
    )  # fmt: skip
    parser.add_argument("--after_run_date", type=run_date, metavar="YYYY-MM-DD", help="default: the latest published")
    parser.add_argument(
        "--policy", action="append", default=[], metavar="NAME",
        help="policy_id that both runs evaluated; repeatable (default: all of those)",
    )  # fmt: skip
    parser.add_argument("--streams", metavar="GLOB", help="Parquet with track_id, month, licensor, streams")
    parser.add_argument("--month", type=month, metavar="YYYY-MM", help="month of streams (default: the latest)")
    parser.add_argument("--pool", type=cents, metavar="AMOUNT", help="money to divide (default: shares only)")
    limits = parser.add_argument_group("limits that end with status 3 when they are crossed")
    limits.add_argument("--config", metavar="FILE", help="the main job's config, for the limits of its gates")
    limits.add_argument("--max_changed_share", type=_share, metavar="SHARE", help="of tracks with another category")
    limits.add_argument(
        "--max_music_to_functional_share", type=_share, metavar="SHARE", help="of music that became functional"
    )
    limits.add_argument(
        "--max_music_to_functional", type=_count, metavar="N", help="tracks that went from music to functional"
    )
    limits.add_argument(
        "--max_moved_share", type=_share, metavar="SHARE", help="of the pool that goes to other tracks, any policy"
    )
    return parser


def parse(argv: Sequence[str] | None) -> CompareOptions:
    """Parse and check a command line, and find the two runs.

    Raises
    ------
    UserError
        Names the flag, its value and the mend.
    """
    arguments = make_parser().parse_args(argv)
    if arguments.streams is None:
        for flag in ("month", "pool", "max_moved_share"):
            if getattr(arguments, flag) is not None:
                raise UserError(f"--{flag} {getattr(arguments, flag)}: needs --streams; give streams, or leave it out.")
    gates = _gates(arguments)
    before, after = _runs(arguments)
    policies = _policies(before.run, after.run, list(dict.fromkeys(arguments.policy)))
    if arguments.streams is not None and not policies:
        raise UserError(
            f"--streams {arguments.streams}: no policy was evaluated by both runs; run categorize_tracks with "
            "--policy, or leave the streams out."
        )
    settings = ComparisonSettings(
        policies=policies,
        stream_files=find_stream_files(arguments.streams) if arguments.streams is not None else (),
        month=arguments.month,
        pool_cents=arguments.pool,
        gates=gates,
        max_music_to_functional=arguments.max_music_to_functional,
        max_moved_share=arguments.max_moved_share,
    )
    for flag in ("before", "after"):
        check_outside_tables("--output", arguments.output, f"--{flag}", getattr(arguments, flag))
    output = pathlib.Path(arguments.output)
    if output.exists() and not output.is_dir():
        make_output_folder(output)  # says what is wrong, before the work
    return CompareOptions(before, after, settings, output, _backwards(before, after))


def _runs(arguments: argparse.Namespace) -> tuple[ComparedRun, ComparedRun]:
    after = _find(arguments.after, arguments.after_run_date, "--after")
    date = arguments.before_run_date
    if date is None and _same_folder(arguments.before, arguments.after):
        previous = read_previous_run(arguments.before, after.run_date)
        if previous is None:
            raise UserError(
                f"--before {arguments.before}: holds no published run earlier than {after.run_date}, that of --after; "
                "give another folder, or another date with --after_run_date."
            )
        date = previous.run_date
    before = _find(arguments.before, date, "--before")
    if _same_folder(arguments.before, arguments.after) and before.run_id == after.run_id:
        raise UserError(f"--before_run_date {date}: is the run of --after too; give another date, or another folder.")
    return ComparedRun(before, arguments.before, "--before"), ComparedRun(after, arguments.after, "--after")


def _backwards(before: ComparedRun, after: ComparedRun) -> str:
    dates = before.run.run_date, after.run.run_date
    if dates[0] <= dates[1] or not _same_folder(before.tables, after.tables):
        return ""
    return f"--before is the run of {dates[0]}, later than that of --after, {dates[1]}; changes are told backwards."


def _find(folder: str, date: datetime.date | None, flag: str) -> PublishedRun:
    check_scheme(flag, folder)
    check_bucket(flag, folder)
    staged = read_staged_run(folder, flag) if date is None else None
    return staged or read_published_run(folder, date, flag=flag, remote=True)


def _same_folder(before: str, after: str) -> bool:
    if "://" in before or "://" in after:
        return before.rstrip("/") == after.rstrip("/")
    return pathlib.Path(before).resolve() == pathlib.Path(after).resolve()


def _policies(before: PublishedRun, after: PublishedRun, names: Sequence[str]) -> list[tuple[PolicyTerms, PolicyTerms]]:
    """The terms of the policies in both runs; by default those that both evaluated."""
    if not names:
        evaluated = [{policy["policy_id"] for policy in side.manifest.get("policies", ())} for side in (before, after)]
        names = sorted(evaluated[0] & evaluated[1])
    return list(zip(policy_terms(before, names), policy_terms(after, names), strict=True))


def _gates(arguments: argparse.Namespace) -> GateSettings:
    """The two limits of the publish gates: those of a config, replaced by what the command line says."""
    given = {
        name: value
        for name in ("max_changed_share", "max_music_to_functional_share")
        if (value := getattr(arguments, name)) is not None
    }
    if arguments.config is None:
        # Somebody who gives a limit here means it, however few tracks there are.
        return GateSettings.model_validate(
            {"max_changed_share": None, "max_music_to_functional_share": None, "min_rows_for_shares": 0} | given
        )
    return load_config(arguments.config).gates.model_copy(update=given)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; give a number from 0 to 1, such as 0.02")
    return share


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of tracks; give a whole number, such as 0")
    return int(text)
