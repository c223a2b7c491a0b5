"""The flag ``--bigquery_labels``: label rows straight from the job into BigQuery, into a table of the run's own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Final

from models.errors import UserError
from pipelines.remote_paths import check_scheme
from transforms.bigquery_errors import refusal, require_bigquery_library
from transforms.catalog_bigquery import require_google_credentials

FLAG = "--bigquery_labels"

#: An answer that is an error, and a load job that failed, in the words of Beam, which hands them on as text.
_ANSWER: Final = re.compile(r"HttpError accessing <\S*/bigquery/\S*>.*?, content <(\{.*?\})>", re.DOTALL)
_FAILED_JOB: Final = re.compile(
    r"BigQuery job \S+ failed\. Error Result: <ErrorProto\b.*?\bmessage: (['\"])(.*?)\1\s+reason: '(\w+)'", re.DOTALL
)


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


def refused_labels(text: str) -> str | None:
    """What BigQuery said when it did not take the rows, in one sentence; null for a text that tells of no such thing.

    Parameters
    ----------
    text
        Of what was raised in the job; it may hold more.
    """
    if found := _ANSWER.search(text):
        try:
            error = json.loads(found[1])["error"]
            said = refusal(error["code"], {detail["reason"] for detail in error["errors"]}, error["message"])
        except (ValueError, KeyError, TypeError):  # what answers is no BigQuery
            said = found[1]
    elif found := _FAILED_JOB.search(text):
        said = refusal(None, [found[3]], found[2])
    else:
        return None
    said = " ".join(said.split())[:300].rstrip(".")
    return f"{FLAG}: BigQuery refuses the label rows ({said}); docs/bigquery.md says what it asks for."
