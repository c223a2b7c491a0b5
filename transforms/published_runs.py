"""Which runs of an output folder on a local disk are current, with their files, checked against their manifests."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from models.errors import UserError
from transforms.publish_local import LocalStorage
from transforms.publish_manifest import MANIFEST_VERSION, check_date
from transforms.publishing import MANIFEST, REPLACED_BY, SUCCESS, run_id_of
from transforms.table_schemas import TABLES

_BLOCK_BYTES: Final = 2**20


@dataclasses.dataclass(frozen=True, slots=True)
class PublishedFile:
    """One Parquet file as its run's manifest describes it; ``path`` is where it is now."""

    table: str
    path: Path
    rows: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True)
class PublishedRun:
    """A run whose tables are current.

    Attributes
    ----------
    files
        In the order of the manifest.
    manifest
        All of its ``manifest.json``.
    """

    run_id: str
    run_date: datetime.date
    model_version: str
    taxonomy_version: str
    config_sha256: str
    files: tuple[PublishedFile, ...]
    manifest: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def rows(self, table: str) -> int:
        """Number of rows that the run published to ``table``."""
        return sum(file.rows for file in self.files_of(table))

    def files_of(self, table: str) -> list[PublishedFile]:
        """The files of one table."""
        return [file for file in self.files if file.table == table]


def read_published_runs(tables: str) -> list[PublishedRun]:
    """Read the current runs of ``tables`` (``--tables``), one per run date, in the order of their dates.

    Parameters
    ----------
    tables
        The output folder of a run, on a local disk.

    Raises
    ------
    UserError
        The folder is missing, remote or none of Earmark's; a partition is half published, or holds what its run did
        not write.
    """
    root = _local_folder(tables)
    papers = sorted((root / "runs").glob(f"*/{MANIFEST}"))
    if not papers:
        raise _no_run(tables)
    runs: dict[datetime.date, PublishedRun] = {}
    for path in papers:
        if not _is_current(path.parent):
            continue
        run = _read_run(root, path, tables)
        if other := runs.get(run.run_date):
            raise UserError(
                f"--tables {tables}: two runs, {other.run_id} and {run.run_id}, claim run_date {run.run_date}; "
                "run categorize_tracks for that date again."
            )
        runs[run.run_date] = run
    _refuse_other_partitions(root, tables, runs)
    if not runs:
        raise _no_run(tables)
    return [runs[date] for date in sorted(runs)]


def read_published_run(tables: str, run_date: datetime.date | None = None) -> PublishedRun:
    """Read the current run of one date, whatever happens to other dates meanwhile.

    Parameters
    ----------
    tables
        The output folder of a run, on a local disk (``--tables``).
    run_date
        Null for the latest date that has a current run.

    Raises
    ------
    UserError
        The folder is missing, remote or none of Earmark's; it has no current run of the date, or one whose files are
        not as they were published.
    """
    root = _local_folder(tables)
    storage = LocalStorage(tables)
    folders = storage.list_successes("track_labels")
    wanted = folders if run_date is None else [folder for folder in folders if folder == f"run_date={run_date}"]
    for folder in reversed(wanted):
        run_id = run_id_of(storage, f"track_labels/{folder}")
        if run_id is not None and _is_current(root / "runs" / run_id):
            return _read_run(root, root / "runs" / run_id / MANIFEST, tables)
    raise _no_run(tables, run_date, [folder.removeprefix("run_date=") for folder in folders])


def _local_folder(tables: str) -> Path:
    root = Path(tables)
    if "://" in tables:
        raise UserError(f"--tables {tables}: must be on a local disk; copy the folder here and give the copy.")
    if not root.is_dir():
        what = "is no folder" if root.exists() else "is not there"
        raise UserError(f"--tables {tables}: {what}; give the --output folder of categorize_tracks.")
    return root


def _no_run(tables: str, run_date: datetime.date | None = None, dates: Sequence[str] = ()) -> UserError:
    what = "no published run" if run_date is None else f"no published run of {run_date}"
    there = f"; there are {', '.join(dates[-5:])}" if dates else ""
    return UserError(
        f"--tables {tables}: holds {what}{there}; give the --output folder of a categorize_tracks that has ended, with "
        "status 0."
    )


def _is_current(papers: Path) -> bool:
    """Whether the run with these papers has published all its tables, and no other has begun to replace them."""
    return (papers / SUCCESS).is_file() and not (papers / REPLACED_BY).exists()


def _read_run(root: Path, path: Path, tables: str) -> PublishedRun:
    try:
        manifest = json.loads(path.read_bytes())
        version = manifest["manifest_version"]
        if version != MANIFEST_VERSION:
            raise UserError(
                f"--tables {tables}: {path.relative_to(root)} has the version {version}, and this Earmark reads "
                f"{MANIFEST_VERSION}; install the Earmark that wrote it."
            )
        check_date(manifest["run_date"])
        date = datetime.date.fromisoformat(manifest["run_date"])
        files = tuple(_read_file(root, entry, date) for entry in manifest["files"] if entry["table"] in TABLES)
        run = PublishedRun(
            run_id=str(manifest["run_id"]),
            run_date=date,
            model_version=str(manifest["model"]["model_version"]),
            taxonomy_version=str(manifest["taxonomy_version"]),
            config_sha256=str(manifest["config_sha256"]),
            files=files,
            manifest=manifest,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"--tables {tables}: {path.relative_to(root)} is no manifest of Earmark's "
            f"({type(error).__name__}: {error}); give the --output folder of categorize_tracks."
        ) from error
    for file in run.files:
        found = file.path.stat().st_size if file.path.is_file() else None
        if found != file.bytes:
            state = "is not there" if found is None else f"has {found} bytes in the place of {file.bytes}"
            raise _half_written(tables, run, f"{file.path.relative_to(root)} {state}")
    return run


def _read_file(root: Path, entry: dict[str, Any], date: datetime.date) -> PublishedFile:
    table, path = entry["table"], entry["path"]
    folder, _, name = path.rpartition("/")
    # A manifest is a file that anybody may have written: it must not lead out of its own partition.
    if folder != f"{table}/run_date={date}" or not name.endswith(".parquet"):
        raise ValueError(f"the file {path!r} is outside its partition")
    return PublishedFile(table, root / folder / name, int(entry["rows"]), int(entry["bytes"]), str(entry["sha256"]))


def _refuse_other_partitions(root: Path, tables: str, runs: dict[datetime.date, PublishedRun]) -> None:
    """Refuse partitions that no current run claims, and Parquet files that their run did not write."""
    of_date = {f"run_date={date}": run for date, run in runs.items()}
    for table in TABLES:
        for folder in sorted((root / table).glob("run_date=*")):
            run = of_date.get(folder.name)
            present = sorted(folder.glob("*.parquet"))
            if run is None and present:
                raise UserError(
                    f"--tables {tables}: {table}/{folder.name} belongs to no published run: one is at work or was "
                    "killed; try again later, or run categorize_tracks for that date again."
                )
            listed = {file.path for file in run.files} if run else set()
            for path in present:
                if run is not None and path not in listed:
                    raise _half_written(tables, run, f"{path.relative_to(root)} is not of this run")


def _half_written(tables: str, run: PublishedRun, what: str) -> UserError:
    return UserError(
        f"--tables {tables}: the partition of run {run.run_id} is not as it was published: {what}; try again when "
        "no run is at work, or run categorize_tracks for that date again."
    )


def open_checked(file: PublishedFile, tables: str, run: PublishedRun) -> IO[bytes]:
    """Open a file whose content is what the manifest says; what is read from the handle cannot change under it.

    Raises
    ------
    UserError
        It has gone or is another one.
    """
    try:
        handle = file.path.open("rb")
    except OSError as error:
        raise _half_written(tables, run, f"{file.path.name} of {file.table}: {error.strerror}") from error
    digest = hashlib.sha256()
    for block in _blocks(handle):
        digest.update(block)
    if digest.hexdigest() != file.sha256:
        handle.close()
        raise _half_written(tables, run, f"the content of {file.table}/…/{file.path.name} has changed")
    handle.seek(0)
    return handle


def _blocks(handle: IO[bytes]) -> Iterator[bytes]:
    while block := handle.read(_BLOCK_BYTES):
        yield block
