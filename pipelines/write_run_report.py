"""Make the page of a published run again: with streams, with audio from elsewhere, or after a run that had none.

python -m pipelines.write_run_report --tables out --audio_root sample [--streams 'streams/*.parquet']
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import sys
from collections.abc import Sequence

import jinja2
import pyarrow as pa

from models.errors import UserError
from pipelines.command_line import EXIT_PUBLISHED, ArgumentParser, exit_status, run_date
from pipelines.job_config import load_config
from pipelines.output_paths import check_outside_tables
from pipelines.remote_paths import check_scheme
from transforms.audio_sources import AudioRoot
from transforms.published_runs import PublishedRun, read_published_run
from transforms.published_summary import published_summary
from transforms.report_figures import FiguresError
from transforms.report_making import ReportSources, make_page
from transforms.run_report import REPORT, has_excerpts, is_run_page
from transforms.run_storage import Storage, storage_for
from transforms.run_timings import TIMINGS, RunTimings
from transforms.streams_parquet import find_stream_files
from transforms.table_schemas import TABLES


@dataclasses.dataclass(frozen=True)
class ReportOptions:
    """A checked command line of this job.

    Attributes
    ----------
    output
        Null for the run's own page.
    """

    tables: str
    run: PublishedRun
    sources: ReportSources
    output: pathlib.Path | None


def make_parser() -> ArgumentParser:
    """The parser of this job."""
    parser = ArgumentParser(
        "python -m pipelines.write_run_report",
        "Make the page of a published run again. What it shows and where audio may be read follow --config, not the\n"
        "manifest: give the run's own config.",
    )
    parser.add_argument("--tables", required=True, metavar="DIR", help="--output of categorize_tracks, local or gs://")
    parser.add_argument("--run_date", type=run_date, metavar="YYYY-MM-DD", help="run (default: the latest published)")
    parser.add_argument(
        "--audio_root", metavar="DIR", help="what audio_uri is relative to (default: no excerpts to listen to)"
    )
    parser.add_argument(
        "--streams", metavar="GLOB", help="Parquet with track_id, month, licensor, streams: orders the review queue"
    )
    parser.add_argument("--config", metavar="FILE", help="the config of the run (default: every default)")
    parser.add_argument(
        "--output", metavar="FILE", help=f"a new file or an earlier page (default: runs/<run_id>/{REPORT} in --tables)"
    )
    return parser


def parse(argv: Sequence[str] | None) -> ReportOptions:
    """Parse and check a command line.

    Raises
    ------
    UserError
        Names the flag or key, its value and the mend.
    """
    arguments = make_parser().parse_args(argv)
    config = load_config(arguments.config)
    check_scheme("--tables", arguments.tables)
    run = read_published_run(arguments.tables, arguments.run_date, remote=True)
    root = arguments.audio_root
    if root is not None:
        check_scheme("--audio_root", root)
    if root is not None and "://" not in root and not pathlib.Path(root).is_dir():
        raise UserError(f"--audio_root {root}: is no folder; give the folder that audio_uri is relative to.")
    output = pathlib.Path(arguments.output) if arguments.output is not None else None
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise UserError(f"--output {arguments.output}: must be a file in a folder that is there.")
    own_page = pathlib.Path(arguments.tables, "runs", run.run_id, REPORT)
    if output is not None and output.resolve() != own_page.resolve():
        check_outside_tables("--output", arguments.output, "--tables", arguments.tables)
        _check_may_be_replaced(output)
    sources = ReportSources(
        files={table: [file.uri for file in run.files_of(table)] for table in TABLES},
        previous=published_summary(
            arguments.tables, run.run_date.isoformat(), least_labels=config.gates.min_rows_for_shares
        ),
        audio_root=None
        if root is None
        else AudioRoot(root, config.audio.allow_outside_root, config.decode.max_file_bytes),
        decode=config.decode,
        settings=config.report,
        stream_files=find_stream_files(arguments.streams) if arguments.streams is not None else (),
    )
    return ReportOptions(arguments.tables, run, sources, output)


def _check_may_be_replaced(output: pathlib.Path) -> None:
    """Refuse a file that is there, unless it is empty or an earlier page."""
    if not output.is_file() or output.stat().st_size == 0:
        return
    try:
        with output.open("rb") as stream:
            replaceable = is_run_page(stream)
    except OSError as error:
        raise UserError(f"--output {output}: cannot be read ({error.strerror or error}).") from error
    if not replaceable:
        raise UserError(f"--output {output}: is there and is no page of a run; give another name, or take it away.")


def _loses_excerpts(options: ReportOptions, storage: Storage, own_page: str) -> bool:
    """Whether the page to be replaced has excerpts, and this one has no audio to make any from."""
    if options.sources.audio_root is not None:
        return False
    # A page that cannot be read may still be replaced.
    with contextlib.suppress(OSError):
        if options.output is None:
            return has_excerpts(storage.read(own_page) or b"")
        return options.output.is_file() and has_excerpts(options.output.read_bytes())
    return False


def run(argv: Sequence[str] | None = None) -> int:
    """Parse, check, count, write the page.

    Raises
    ------
    UserError
        For a bad argument, table or file of streams; a page that was there before still is.
    """
    options = parse(argv)
    storage, folder = storage_for(options.tables), f"runs/{options.run.run_id}"
    timings = RunTimings.from_text(storage.read(f"{folder}/{TIMINGS}") or b"")
    try:
        page = make_page(options.sources, options.run.manifest, timings).encode("utf-8")
    except (FiguresError, OSError, pa.ArrowException) as error:
        raise UserError(
            f"--tables {options.tables}: a table of run {options.run.run_id} cannot be read ({error}); try again when "
            "no run is at work, or run categorize_tracks for that date again."
        ) from error
    except (KeyError, TypeError, ValueError, jinja2.UndefinedError) as error:
        raise UserError(
            f"--tables {options.tables}: the manifest of run {options.run.run_id} lacks what the page shows "
            f"({type(error).__name__}: {error}); run categorize_tracks for that date again."
        ) from error
    place = options.output or storage.full_path(f"{folder}/{REPORT}")
    loses_excerpts = _loses_excerpts(options, storage, f"{folder}/{REPORT}")
    try:
        if options.output is None:
            storage.write(f"{folder}/{REPORT}", page)
        else:
            options.output.write_bytes(page)
    except OSError as error:
        raise UserError(f"--output {place}: cannot be written ({error.strerror or error}).") from error
    if loses_excerpts:
        print(
            f"The page that was {place} had excerpts to listen to, and this one has none: without --audio_root the "
            "audio is not at hand.",
            file=sys.stderr,
        )
    print(f"The page of run {options.run.run_id} is {place}: {len(page):,} bytes.")
    return EXIT_PUBLISHED


def main() -> None:
    """Console script ``earmark-write-run-report``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
