"""The tables of a published run on a local disk: which partition is the latest, and its files."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

from models.errors import UserError
from transforms.publish_local import LocalStorage
from transforms.publishing import MANIFEST, REPLACED_BY, SUCCESS


@dataclasses.dataclass(frozen=True, slots=True)
class PublishedRun:
    """A run whose partition is current and whole.

    Attributes
    ----------
    folder
        The folder of the tables.
    manifest
        The run's ``manifest.json``.
    """

    folder: pathlib.Path
    manifest: dict[str, Any]

    @property
    def run_date(self) -> str:
        """ISO 8601."""
        return str(self.manifest["run_date"])

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.manifest["run_id"])

    def files(self, table: str) -> list[str]:
        """Paths of a table's files, sorted."""
        return sorted(str(self.folder / file["path"]) for file in self.manifest["files"] if file["table"] == table)


def published_run(tables: str, run_date: str | None = None) -> PublishedRun:
    """Find the published run of a date, or the latest one.

    Parameters
    ----------
    tables
        The ``--output`` folder of the main job.
    run_date
        ISO 8601; null for the latest.

    Raises
    ------
    UserError
        There is no such folder, or no published run in it.
    """
    if "://" in tables:
        raise UserError(f"--tables {tables}: is read from a local disk only; copy the tables there first.")
    folder = pathlib.Path(tables)
    if not folder.is_dir():
        raise UserError(f"--tables {tables}: is no folder; give the --output of categorize_tracks.")
    found = LocalStorage(tables).list_successes("track_labels")
    dates = [name.removeprefix("run_date=") for name in found]
    for date in [run_date] if run_date is not None else reversed(dates):
        run = _run_of(folder, date) if date in dates else None
        if run is not None:
            return run
    there = f"; there are {', '.join(dates[-5:])}" if dates else ""
    what = f"no published run of {run_date}" if run_date is not None else "no published run"
    raise UserError(f"--tables {tables}: holds {what}{there}; give the --output of a run that was published.")


def _run_of(folder: pathlib.Path, date: str) -> PublishedRun | None:
    """The run whose files a date's partition holds; null while they are being replaced."""
    try:
        run_id = json.loads((folder / "track_labels" / f"run_date={date}" / SUCCESS).read_text("utf-8"))["run_id"]
        papers = folder / "runs" / str(run_id)
        if not (papers / SUCCESS).is_file() or (papers / REPLACED_BY).exists():
            return None
        return PublishedRun(folder, json.loads((papers / MANIFEST).read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
