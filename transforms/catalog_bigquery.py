"""Catalogs in BigQuery: what ``bigquery:…`` names, and whether this machine can read it."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any, Final

from models.errors import UserError
from transforms.catalog_validation import catalog_row_json

_TABLE_PREFIX: Final = "bigquery://"
_QUERY_PREFIX: Final = "bigquery:"
_TABLE: Final = re.compile(
    r"(?P<project>(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]*[a-z0-9])\."
    r"(?P<dataset>[A-Za-z0-9_]+)\.(?P<table>[\w$-]+)"
)
_QUERY: Final = re.compile(r"[\s(]*(select|with)\b", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class BigQuerySource:
    """A table (``project:dataset.table``) or a query in GoogleSQL; one of the two is null."""

    table: str | None = None
    query: str | None = None


def parse_bigquery(catalog: str) -> BigQuerySource | None:
    """Tell what a ``--catalog`` value names in BigQuery; null when it is a path.

    Raises
    ------
    UserError
        When it starts with ``bigquery:`` and names neither a table nor a query that only reads.
    """
    if not catalog.lower().startswith(_QUERY_PREFIX):
        return None
    if catalog.lower().startswith(_TABLE_PREFIX):
        name = catalog[len(_TABLE_PREFIX) :]
        matched = _TABLE.fullmatch(name)
        if not matched:
            raise UserError(
                f"--catalog {catalog!r} names no BigQuery table; write bigquery://PROJECT.DATASET.TABLE, or"
                " bigquery:SELECT … for a query."
            )
        return BigQuerySource(table=f"{matched['project']}:{matched['dataset']}.{matched['table']}")
    query = catalog[len(_QUERY_PREFIX) :].strip()
    if not _QUERY.match(query):
        raise UserError(
            f"--catalog {catalog[:80]!r} is no query that reads: what stands behind bigquery: must start with SELECT or"
            " WITH; write bigquery://PROJECT.DATASET.TABLE for a table."
        )
    return BigQuerySource(query=query)


def row_place(fields: Mapping[str, Any]) -> str:
    """Place of a BigQuery row, which has no number: a digest of its content, whatever the order of its columns."""
    canonical = json.dumps(json.loads(catalog_row_json(fields)), sort_keys=True, separators=(",", ":"))
    return f"bigquery:{hashlib.blake2b(canonical.encode(), digest_size=12).hexdigest()}"


def require_google_extra(catalog: str) -> None:
    """Refuse a Google Cloud catalog where the libraries for it are not installed.

    Raises
    ------
    UserError
        When they are not.
    """
    for module in ("google.cloud.storage", "google.cloud.bigquery", "google.cloud.bigquery_storage", "apitools"):
        try:
            found = importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:  # a parent package is missing
            found = False
        if not found:
            raise UserError(
                f"--catalog {catalog[:80]!r} needs the Google Cloud libraries ({module} is missing);"
                " install them with: pip install -e '.[gcp]' in Earmark's folder"
            )


def require_google_credentials(place: str, flag: str = "--catalog") -> None:
    """Refuse a place on Google Cloud, the value of ``flag``, where no application default credentials are set up.

    Only looks whether the files are there: no network, no login, no wait for a metadata server that does not answer. On
    a Google Cloud machine, whose metadata server gives credentials, ``GCE_METADATA_HOST`` says so.

    Raises
    ------
    UserError
        When there are none.
    """
    key_file = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if key_file:
        if pathlib.Path(key_file).is_file():
            return
        raise UserError(
            "The environment variable GOOGLE_APPLICATION_CREDENTIALS names a file that does not exist, and"
            f" {flag} {place[:80]!r} needs it; set it to a credentials file, or unset it."
        )
    if os.environ.get("GCE_METADATA_HOST"):
        return
    folder = os.environ.get("CLOUDSDK_CONFIG") or pathlib.Path("~/.config/gcloud").expanduser()
    if pathlib.Path(folder, "application_default_credentials.json").is_file():
        return
    raise UserError(
        f"{flag} {place[:80]!r} needs Google Cloud credentials and none are set up; run 'gcloud auth"
        " application-default login', or set GOOGLE_APPLICATION_CREDENTIALS to a credentials file, or, on a Google"
        " Cloud machine, GCE_METADATA_HOST=metadata.google.internal."
    )
