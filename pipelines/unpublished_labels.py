"""The flag ``--bigquery_labels``: label rows straight from the job into BigQuery, into a table of the run's own."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Sequence

from models.errors import UserError
from pipelines.remote_paths import check_scheme
from transforms.bigquery_errors import require_bigquery_library
from transforms.catalog_bigquery import require_google_credentials

FLAG = "--bigquery_labels"


@dataclasses.dataclass(frozen=True, slots=True)
class LabelsTarget:
    """Where label rows go while the job runs.

    Attributes
    ----------
    dataset
        ``PROJECT:DATASET``.
    temp_location
        Beam's ``--temp_location`` on ``gs://``, for the files of the load jobs.
    """

    dataset: str
    temp_location: str


def add_labels_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag to the main job's parser."""
    parser.add_argument(
        FLAG, metavar="PROJECT:DATASET",
        help="also load label rows into BigQuery while the job runs, before the gates, into a table of the run's own; "
        "for consumers use publish_tables (docs/bigquery.md)",
    )  # fmt: skip


def labels_target(value: str | None, beam_flags: Sequence[str]) -> LabelsTarget | None:
    """Check the flag's value, null when it was not given.

    Raises
    ------
    UserError
        It names no data set, ``--temp_location`` is not on ``gs://``, or library or credentials are missing.
    """
    if value is None:
        return None
    if not re.fullmatch(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]:\w{1,1024}", value, re.ASCII):
        raise UserError(f"{FLAG} {value!r}: names no data set; write it as PROJECT:DATASET.")
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--temp_location")
    temp_location = parser.parse_known_args(list(beam_flags))[0].temp_location
    if not (temp_location or "").startswith("gs://"):
        raise UserError(
            f"{FLAG} {value}: BigQuery loads the rows from files on gs://; give a folder for them with "
            "--temp_location gs://BUCKET/tmp."
        )
    require_bigquery_library()
    require_google_credentials(value, FLAG)
    check_scheme("--temp_location", temp_location)
    return LabelsTarget(value, temp_location)
