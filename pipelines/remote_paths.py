"""Checks of paths on object stores, before any work: the package, the credentials, the bucket."""

from __future__ import annotations

import importlib.util
import os

from models.errors import UserError
from transforms.catalog_bigquery import require_google_credentials


def check_bucket(flag: str, folder: str) -> None:
    """Refuse a folder on an object store whose bucket cannot be listed."""
    if not folder.startswith(("gs://", "s3://")):
        return
    from apache_beam.io.filesystems import FileSystems

    try:
        FileSystems.match([f"{folder.rstrip('/')}/.locks/*"])
    except Exception as error:  # a storage client's own errors have no common class
        cause = error
        while details := getattr(cause, "exception_details", None):  # Beam wraps them, by path
            cause = next(iter(details.values()))
        reason = " ".join(str(cause).split())[:300]
        raise UserError(
            f"{flag} {folder}: cannot be listed ({reason}); name a bucket that exists and that these credentials may "
            "read and write."
        ) from error


def check_scheme(flag: str, path: str) -> None:
    """Refuse a path on a file system that Beam here does not have, or that nobody has credentials for."""
    scheme, separator, _ = path.partition("://")
    if not separator or scheme == "bigquery":
        return
    extras = {"gs": ("gcp", "google.cloud.storage"), "s3": ("aws", "boto3"), "hdfs": ("", "hdfs")}
    if scheme not in extras:
        raise UserError(f"{flag} {path}: {scheme}:// is not supported; use a local path, gs://, s3:// or hdfs://.")
    extra, module = extras[scheme]
    try:
        found = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        found = False
    if not found:
        mend = f"pip install -e '.[{extra}]' in Earmark's folder" if extra else f"pip install {module}"
        raise UserError(f"{flag} {path}: reading {scheme}:// needs a package that is not installed; run {mend}.")
    if scheme == "gs" and not os.environ.get("STORAGE_EMULATOR_HOST"):
        require_google_credentials(path, flag)
