"""Build or refresh the local warehouse: the published tables and the views of ``sql/`` in one DuckDB file.

python -m pipelines.build_warehouse --tables out --database out/earmark.duckdb
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

from models.errors import UserError
from pipelines.command_line import EXIT_PUBLISHED, ArgumentParser, exit_status
from pipelines.interrupts import stop_on_signals
from pipelines.output_paths import check_no_partition
from transforms.ann_index import TRACKS_SUFFIX, check_ann_index
from transforms.published_runs import read_published_runs
from transforms.streams_parquet import find_stream_files
from transforms.track_search import FILE_NAME
from transforms.warehouse import Warehouse

_DESCRIPTION = """\
Build or refresh a DuckDB file with the rows of every published partition and the views of sql/, for a SQL prompt or a
notebook. The new file takes the old one's place in one step. docs/warehouse.md describes the views.

Exit status: 0 built; 2 bad arguments, or tables that are half published, and the old file is as it was."""


def make_parser() -> ArgumentParser:
    """The parser of this job."""
    parser = ArgumentParser("python -m pipelines.build_warehouse", _DESCRIPTION)
    parser.add_argument("--tables", required=True, metavar="DIR", help="the --output folder of categorize_tracks")
    parser.add_argument("--database", required=True, metavar="FILE", help="the DuckDB file to build or replace")
    parser.add_argument(
        "--streams", metavar="GLOB",
        help="Parquet with track_id, month (YYYY-MM), licensor, streams; orders the review queue by streams at stake",
    )  # fmt: skip
    parser.add_argument("--search_output", metavar="DIR", help=f"also write the view track_search to DIR/{FILE_NAME}")
    parser.add_argument(
        "--ann_index", metavar="FILE", help="also index the embeddings of track_search with voyager (extra search)"
    )
    return parser


def run(argv: Sequence[str] | None = None) -> int:
    """Parse, check, build; return the exit status.

    Raises
    ------
    UserError
        For a bad argument, or tables that cannot be loaded; the old file is as it was.
    """
    arguments = make_parser().parse_args(argv)
    search_output = pathlib.Path(arguments.search_output) if arguments.search_output else None
    if search_output is not None and search_output.exists() and not search_output.is_dir():
        raise UserError(f"--search_output {search_output}: is a file; give a folder.")
    ann_index = pathlib.Path(arguments.ann_index) if arguments.ann_index else None
    if ann_index is not None:
        if ann_index.absolute() == pathlib.Path(arguments.database).absolute():
            raise UserError(f"--ann_index {ann_index}: is the file of --database; give another one.")
        check_ann_index(ann_index)
    for name in ("database", "search_output", "ann_index"):
        check_no_partition(f"--{name}", getattr(arguments, name), "--tables", arguments.tables)
    runs = read_published_runs(arguments.tables)
    stream_files = find_stream_files(arguments.streams) if arguments.streams else []
    warehouse = Warehouse(arguments.database)
    with warehouse, stop_on_signals(str(warehouse.building_folder)):
        counts = warehouse.build(arguments.tables, runs, stream_files, search_output, ann_index)
    dates = f"{runs[0].run_date} to {runs[-1].run_date}" if len(runs) > 1 else str(runs[0].run_date)
    print(
        f"{arguments.database}: {counts.tracks} tracks from {len(runs)} run(s), {dates}; "
        f"{counts.streams} rows of streams."
    )
    if left_out := counts.tracks - counts.searchable:
        print(f"track_search leaves out {left_out} tracks that the latest model has not labelled.")
    if search_output is not None:
        print(f"{search_output / FILE_NAME}: {counts.searchable} tracks.")
    if ann_index is not None:
        print(f"{ann_index}: the neighbours of {counts.searchable} tracks; {ann_index}{TRACKS_SUFFIX} names them.")
    return EXIT_PUBLISHED


def main() -> None:
    """Console script ``earmark-build-warehouse``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
