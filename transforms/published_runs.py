"""Which runs of an output folder are current, with their files, checked against their manifests."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from models.errors import UserError
from transforms.catalog_files import open_stored
from transforms.publish_manifest import MANIFEST_VERSION, check_date
from transforms.published_summary import LOOKED_BACK
from transforms.run_storage import MANIFEST, REPLACED_BY, SUCCESS, Storage, run_id_of, storage_for
from transforms.table_schemas import TABLES

#: Name of a table's file: its number, how many there are, and the beginning of its digest.
FILE_NAME: Final = re.compile(r"part-(\d{5})-of-(\d{5})-[0-9a-f]{8}\.parquet")

_BLOCK_BYTES: Final = 2**20


@dataclasses.dataclass(frozen=True, slots=True)
class PublishedFile:
    """One Parquet file as its run's manifest describes it; ``uri`` is where it is now, a local path or ``gs://…``."""

    table: str
    uri: str
    rows: int
    bytes: int
    sha256: str

    @property
    def path(self) -> Path:
        """Where it is on a local disk."""
        return Path(self.uri)

    @property
    def shard(self) -> tuple[int, int]:
        """Its number and the number of all: a track's rows are in the file of its hash modulo the latter.

        0 of 1 where the name does not say.
        """
        matched = FILE_NAME.fullmatch(self.uri.rpartition("/")[2])
        return (int(matched[1]), int(matched[2])) if matched else (0, 1)


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
    given = f"--tables {tables}"
    storage = _storage(tables, given, remote=False)
    root = Path(tables)
    runs: dict[datetime.date, PublishedRun] = {}
    for path in sorted((root / "runs").glob(f"*/{MANIFEST}")):
        if not _is_current(storage, path.parent.name):
            continue
        run = _read_run(storage, path.parent.name, given)
        if other := runs.get(run.run_date):
            raise UserError(
                f"{given}: two runs, {other.run_id} and {run.run_id}, claim run_date {run.run_date}; "
                "run categorize_tracks for that date again."
            )
        runs[run.run_date] = run
    _refuse_other_partitions(root, given, runs)
    if not runs:
        raise _no_run(given)
    return [runs[date] for date in sorted(runs)]


def read_published_run(
    tables: str, run_date: datetime.date | None = None, *, flag: str = "--tables", remote: bool = False
) -> PublishedRun:
    """Read the current run of one date, whatever happens to other dates meanwhile.

    Parameters
    ----------
    tables
        The output folder of a run.
    run_date
        Null for the latest date that has a current run.
    flag
        What gave ``tables``, for messages.
    remote
        Whether it may be on an object store.

    Raises
    ------
    UserError
        The folder is missing or none of Earmark's; it has no current run of the date, or one whose files are not as
        they were published.
    """
    given = f"{flag} {tables}"
    storage = _storage(tables, given, remote)
    folders = storage.list_successes("track_labels")
    wanted = folders if run_date is None else [folder for folder in folders if folder == f"run_date={run_date}"]
    run_id = _first_current(storage, reversed(wanted))
    if run_id is None:
        raise _no_run(given, run_date, [folder.removeprefix("run_date=") for folder in folders])
    return _read_run(storage, run_id, given)


def read_previous_run(tables: str, before: datetime.date, *, least_labels: int = 0) -> PublishedRun | None:
    """Read the current run of the latest date earlier than ``before``; null when there is none.

    Parameters
    ----------
    least_labels
        A run with fewer labels is passed over where one of the :data:`LOOKED_BACK` latest has
        as many.

    Raises
    ------
    UserError
        Its files are not as they were published.
    """
    storage = storage_for(tables)
    folders = storage.list_successes("track_labels")
    # Dates in ISO 8601 sort as text.
    earlier = reversed([folder for folder in folders if folder < f"run_date={before}"])
    latest = None
    for _ in range(LOOKED_BACK):
        run_id = _first_current(storage, earlier)
        if run_id is None:
            break
        run = _read_run(storage, run_id, tables)
        if run.rows("track_labels") >= least_labels:
            return run
        latest = latest or run
    return latest


def _storage(tables: str, given: str, remote: bool) -> Storage:
    """The storage of an output folder that is there."""
    if "://" in tables:
        if not remote:
            raise UserError(f"{given}: must be on a local disk; copy the folder here and give the copy.")
        return storage_for(tables)
    root = Path(tables)
    if not root.is_dir():
        what = "is no folder" if root.exists() else "is not there"
        raise UserError(f"{given}: {what}; give the --output folder of categorize_tracks.")
    return storage_for(tables)


def _first_current(storage: Storage, folders: Iterable[str]) -> str | None:
    """The first run that is current among those of partitions (``run_date=…``)."""
    for folder in folders:
        run_id = run_id_of(storage, f"track_labels/{folder}")
        if run_id is not None and _is_current(storage, run_id):
            return run_id
    return None


def _no_run(given: str, run_date: datetime.date | None = None, dates: Sequence[str] = ()) -> UserError:
    what = "no published run" if run_date is None else f"no published run of {run_date}"
    there = f"; there are {', '.join(dates[-5:])}" if dates else ""
    return UserError(
        f"{given}: holds {what}{there}; give the --output folder of a categorize_tracks that has ended, with status 0."
    )


def _is_current(storage: Storage, run_id: str) -> bool:
    """Whether the run has published all its tables, and no other has begun to replace them."""
    papers = f"runs/{run_id}"
    return storage.read(f"{papers}/{SUCCESS}") is not None and storage.read(f"{papers}/{REPLACED_BY}") is None


def _read_run(storage: Storage, run_id: str, given: str) -> PublishedRun:
    place = f"runs/{run_id}/{MANIFEST}"
    try:
        manifest = json.loads(storage.read(place) or b"")
        version = manifest["manifest_version"]
        if version != MANIFEST_VERSION:
            raise UserError(
                f"{given}: {place} has the version {version}, and this Earmark reads "
                f"{MANIFEST_VERSION}; install the Earmark that wrote it."
            )
        check_date(manifest["run_date"])
        date = datetime.date.fromisoformat(manifest["run_date"])
        files = tuple(
            read_file(storage, entry, f"{entry['table']}/run_date={date}")
            for entry in manifest["files"]
            if entry["table"] in TABLES
        )
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
            f"{given}: {place} is no manifest of Earmark's "
            f"({type(error).__name__}: {error}); give the --output folder of categorize_tracks."
        ) from error
    check_sizes(storage, run, given)
    return run


def read_file(storage: Storage, entry: Mapping[str, Any], expected_folder: str) -> PublishedFile:
    """A file as a manifest or summary describes it; raises ``ValueError`` when it is not in its folder."""
    folder, _, name = entry["path"].rpartition("/")
    # A manifest is a file that anybody may have written: it must not lead out of its own partition.
    if folder != expected_folder or not name.endswith(".parquet"):
        raise ValueError(f"the file {entry['path']!r} is outside its partition")
    uri = storage.full_path(f"{folder}/{name}")
    return PublishedFile(entry["table"], uri, int(entry["rows"]), int(entry["bytes"]), str(entry["sha256"]))


def check_sizes(storage: Storage, run: PublishedRun, given: str) -> None:
    """Raise :class:`UserError` unless each file of a run is there in its size."""
    root = storage.full_path("-")[:-1]
    places = [file.uri.removeprefix(root) for file in run.files]
    folders = {place.rpartition("/")[0] for place in places}
    sizes = {f"{folder}/{name}": size for folder in folders for name, size in storage.list_files(folder).items()}
    for file, place in zip(run.files, places, strict=True):
        found = sizes.get(place)
        if found != file.bytes:
            state = "is not there" if found is None else f"has {found} bytes in the place of {file.bytes}"
            raise _half_written(given, run, f"{place} {state}")


def _refuse_other_partitions(root: Path, given: str, runs: dict[datetime.date, PublishedRun]) -> None:
    """Refuse partitions that no current run claims, and Parquet files that their run did not write."""
    of_date = {f"run_date={date}": run for date, run in runs.items()}
    for table in TABLES:
        for folder in sorted((root / table).glob("run_date=*")):
            run = of_date.get(folder.name)
            present = sorted(folder.glob("*.parquet"))
            if run is None and present:
                raise UserError(
                    f"{given}: {table}/{folder.name} belongs to no published run: one is at work or was "
                    "killed; try again later, or run categorize_tracks for that date again."
                )
            listed = {file.path for file in run.files} if run else set()
            for path in present:
                if run is not None and path not in listed:
                    raise _half_written(given, run, f"{path.relative_to(root)} is not of this run")


def _half_written(given: str, run: PublishedRun, what: str) -> UserError:
    return UserError(
        f"{given}: the partition of run {run.run_id} is not as it was published: {what}; try again when "
        "no run is at work, or run categorize_tracks for that date again."
    )


def open_checked(file: PublishedFile, tables: str, run: PublishedRun, *, flag: str = "--tables") -> IO[bytes]:
    """Open a file whose content is what the manifest says; what is read from the handle cannot change under it.

    Raises
    ------
    UserError
        It has gone or is another one.
    """
    given, name = f"{flag} {tables}", file.uri.rpartition("/")[2]
    try:
        handle = open_stored(file.uri)
    except OSError as error:
        raise _half_written(given, run, f"{name} of {file.table}: {error.strerror or error}") from error
    digest = hashlib.sha256()
    for block in _blocks(handle):
        digest.update(block)
    if digest.hexdigest() != file.sha256:
        handle.close()
        raise _half_written(given, run, f"the content of {file.table}/…/{name} has changed")
    handle.seek(0)
    return handle


def _blocks(handle: IO[bytes]) -> Iterator[bytes]:
    while block := handle.read(_BLOCK_BYTES):
        yield block
