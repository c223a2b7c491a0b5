"""Publish a run's tables to BigQuery: load jobs into staging, checksums compared, one swap of the partition.

python -m pipelines.publish_tables --tables out --run_date 2026-11-22 --project my-project --dataset earmark
"""

from __future__ import annotations

import argparse
import re
import sys
import urllib.parse
from collections.abc import Sequence

from models.errors import UserError
from pipelines.command_line import EXIT_PUBLISHED, EXIT_REFUSED, ArgumentParser, exit_status, run_date
from pipelines.remote_paths import check_bucket, check_scheme
from transforms.bigquery_client import connect
from transforms.bigquery_errors import Place, plain_errors, require_bigquery_library
from transforms.bigquery_publish import BigQueryPublication, DifferenceError
from transforms.bigquery_views import make_views
from transforms.catalog_bigquery import require_google_credentials
from transforms.published_runs import read_published_run
from transforms.table_schemas import TABLES

_DESCRIPTION = """\
Publish one run of categorize_tracks to BigQuery. Its files are loaded into staging tables, counts and checksums are
compared with the files, and one transaction puts them in the place of the date's partition of every table. Running it
again, also after it was killed, leaves the same. docs/bigquery.md has the permissions, the costs and what may be relied
on.

Exit status: 0 published, or was already; 1 another publication was in the way or BigQuery refused something, run it
again; 2 bad arguments, tables that do not fit or no access, and the partition is as it was; 3 counts or checksums
differ."""


def make_parser() -> ArgumentParser:
    """The parser of this job."""
    parser = ArgumentParser("python -m pipelines.publish_tables", _DESCRIPTION)
    parser.add_argument(
        "--tables", required=True, metavar="DIR", help="the --output folder of categorize_tracks, local or gs://"
    )
    parser.add_argument(
        "--run_date", required=True, type=run_date, metavar="YYYY-MM-DD", help="the date whose run is published"
    )
    parser.add_argument("--project", required=True, type=_project, metavar="P", help="the Google Cloud project")
    parser.add_argument(
        "--dataset", required=True, type=_dataset, metavar="D", help="the data set in it; must be there"
    )
    parser.add_argument(
        "--api_endpoint", type=_endpoint, metavar="URL",
        help="another address of BigQuery; http:// is taken for an emulator and gets no credentials",
    )  # fmt: skip
    parser.add_argument(
        "--views", action="store_true", help="also make the views of sql/ there, and an empty table streams for them"
    )
    return parser


def run(argv: Sequence[str] | None = None) -> int:
    """Parse, check, publish; return the exit status.

    Raises
    ------
    UserError
        For a bad argument, no access, a date that has no published run or tables that do not fit; no partition was
        changed.
    RunFailedError
        Another publication was in the way, or BigQuery refused something for a reason of its own.
    """
    arguments = make_parser().parse_args(argv)
    place = Place(arguments.project, arguments.dataset, arguments.api_endpoint)
    # What can be known without an account comes first: a wrong folder is found without one.
    remote = "://" in arguments.tables
    if remote and not arguments.tables.startswith("gs://"):
        raise UserError(f"--tables {arguments.tables}: BigQuery loads from gs:// or from this machine; copy it.")
    published = None if remote else read_published_run(arguments.tables, arguments.run_date)
    require_bigquery_library()
    if not place.is_emulator:
        require_google_credentials(str(place), "--dataset")
    if published is None:
        check_scheme("--tables", arguments.tables)
        check_bucket("--tables", arguments.tables)
        published = read_published_run(arguments.tables, arguments.run_date, remote=True)
    try:
        with plain_errors(place):
            dataset = connect(place)
            changed = BigQueryPublication(dataset, published, arguments.tables, _print_step).publish()
            if arguments.views:
                make_views(dataset)
                _print_step("views made")
    except DifferenceError as error:
        print(f"earmark: {error}", file=sys.stderr)
        return EXIT_REFUSED
    rows = ", ".join(f"{table} {published.rows(table):,}" for table in reversed(TABLES))
    done = "Published" if changed else "Already published, and unchanged:"
    print(f"{done} run {published.run_id} to {place}, partition {published.run_date}: {rows} rows.")
    return EXIT_PUBLISHED


def _print_step(step: str) -> None:
    print(f"  {step}", file=sys.stderr)


def _project(text: str) -> str:
    if not re.fullmatch(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no project id; give the id, such as my-project, not its name")
    return text


def _dataset(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]{1,1024}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no data set; give its name alone, of letters, digits and underscores"
        )
    return text


def _endpoint(text: str) -> str:
    parts = urllib.parse.urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; write it as https://HOST or http://HOST:PORT")
    return text.rstrip("/")


def main() -> None:
    """Console script ``earmark-publish-tables``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
