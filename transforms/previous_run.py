"""The run that labels are carried forward from: which one it is, whether its labels still hold, and its rows."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import itertools
import json
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.errors import UserError
from transforms.catalog_files import open_stored
from transforms.publish_manifest import MANIFEST_VERSION, changed_settings, check_date, schema_json
from transforms.published_runs import FILE_NAME
from transforms.published_summary import LOOKED_BACK
from transforms.run_storage import MANIFEST, REPLACED_BY, SUCCESS, Storage, run_id_of, storage_for
from transforms.sorted_rows import SortedRows
from transforms.table_schemas import TABLES

#: Tables whose rows are carried.
CARRIED_TABLES: Final = ("track_labels", "audio_versions", "track_segments", "track_embeddings")

_BLOCK_BYTES: Final = 1 << 20
_BATCH_ROWS: Final = 10_000


class PreviousRunError(RuntimeError):
    """A file of the previous run is no longer what its manifest says; the run stops before it carries a wrong label."""


@dataclasses.dataclass(frozen=True, slots=True)
class PreviousFile:
    """One file of the previous run, as its manifest describes it."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True)
class PreviousRun:
    """A published run to carry labels from.

    Attributes
    ----------
    labelling
        What its labels depend on beside audio and catalog, as :func:`transforms.publish_manifest.build_manifest` took
        it; null when an Earmark wrote it that did not note this down.
    manifest_sha256
        Of the manifest but for ``audio_root``: a folder of audio may move, and ids that follow from this stay.
    audio_root
        Where its audio was; null when an Earmark wrote it that did not note this down.
    files
        By table; the position of a file is its number. Each table has as many as the others.
    passed_over
        Labels of the newer runs that were too small, by date.
    other_columns
        Tables whose columns are not those of this Earmark, since another one wrote them.
    """

    run_id: str
    run_date: str
    labelling: Mapping[str, Any] | None
    manifest_sha256: str
    files: Mapping[str, tuple[PreviousFile, ...]]
    audio_root: str | None = None
    passed_over: Mapping[str, int] = dataclasses.field(default_factory=dict)
    other_columns: tuple[str, ...] = ()

    @property
    def labels(self) -> int:
        """Rows of ``track_labels``."""
        return sum(file.rows for file in self.files["track_labels"])

    @property
    def buckets(self) -> int:
        """Files of each table: a track's rows are in the one whose number is its hash modulo this."""
        return len(self.files["track_labels"])

    def sorted_rows(self, table: str, bucket: int, columns: Sequence[str]) -> SortedRows:
        """Read columns of one file by spans of track ids, as its rows are sorted by them."""
        return SortedRows(
            self.batches(table, bucket, columns), pa.schema([TABLES[table].field(name) for name in columns])
        )

    def batches(self, table: str, bucket: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read columns of one file, ``track_id`` among them, a few thousand rows at a time, sorted by it.

        Raises
        ------
        PreviousRunError
            Before the first batch: the file has gone or is not the one that was published. Later: it is not sorted.
        """
        file = self.files[table][bucket]
        digest = hashlib.sha256()
        try:
            stream = open_stored(file.path)
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
            stream.seek(0)
        except Exception as error:  # a store's client raises what it likes
            raise PreviousRunError(f"previous run {self.run_id}, file {file.path}: cannot be read: {error}") from error
        with stream:
            if digest.hexdigest() != file.sha256:
                raise PreviousRunError(f"previous run {self.run_id}, file {file.path}: is not what it published")
            # In small steps also within a row group, which may hold 64 MiB.
            parquet = pq.ParquetFile(stream, buffer_size=_BLOCK_BYTES, pre_buffer=False)
            last = pa.array([""])
            for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns), use_threads=False):
                ids = pa.concat_arrays([last, batch["track_id"]])
                # Rows are joined by their order; one out of place would be lost without a word.
                if not pc.all(pc.less_equal(ids[:-1], ids[1:]), min_count=0).as_py():
                    raise PreviousRunError(
                        f"previous run {self.run_id}, file {file.path}: is not sorted by track_id, as Earmark writes it"
                    )
                last = ids[-1:]
                yield batch


def find_previous_run(folder: str, before: datetime.date, least_share: float = 0.0) -> PreviousRun | None:
    """Find the newest published run for a date before ``before`` that is no small one; null when there is none.

    A run for the date itself is none: it is what the new run will replace, and the new run's rows must not depend on
    how often it was started.

    Parameters
    ----------
    folder
        The output folder of earlier runs (``--previous``), local or on an object store.
    least_share
        0 to 1: a run with fewer labels than this share of the largest of the
        :data:`~transforms.published_summary.LOOKED_BACK` newest is passed over, for most rows of a whole catalog would
        not be in it.

    Raises
    ------
    UserError
        That run, or the newest one, is half there, damaged, or of a form that this Earmark does not read.
    """
    if "://" not in folder and pathlib.Path(folder).exists() and not pathlib.Path(folder).is_dir():
        raise UserError(f"--previous {folder}: is a file; give the --output folder of earlier runs.")
    storage = storage_for(folder)
    dates = list(itertools.islice(_dates_before(storage, before), LOOKED_BACK if least_share else 1))
    if not dates:
        return None
    newest = _read_run(storage, folder, dates[0])
    if len(dates) == 1:
        return newest
    labels = {dates[0]: newest.labels} | {date: _labels_of(storage, date) for date in dates[1:]}
    least = least_share * max(labels.values())
    chosen = next(date for date in dates if labels[date] >= least)
    if chosen == dates[0]:
        return newest
    passed_over = {date: labels[date] for date in dates[: dates.index(chosen)]}
    return dataclasses.replace(_read_run(storage, folder, chosen), passed_over=passed_over)


def _dates_before(storage: Storage, before: datetime.date) -> Iterator[str]:
    """Dates of the partitions, newest first."""
    for name in reversed(storage.list_successes("track_labels")):
        date = name.removeprefix("run_date=")
        with contextlib.suppress(ValueError):
            check_date(date)
            if date < before.isoformat():
                yield date


def _labels_of(storage: Storage, date: str) -> int:
    """How many labels a run published, by its manifest; 0 where that cannot be read, so that nobody waits for it."""
    run_id = run_id_of(storage, f"track_labels/run_date={date}")
    try:
        manifest = json.loads(storage.read(f"runs/{run_id}/{MANIFEST}") or b"")
        return sum(int(entry["rows"]) for entry in manifest["files"] if entry["table"] == "track_labels")
    except (ValueError, KeyError, TypeError):
        return 0


def _read_run(storage: Storage, folder: str, date: str) -> PreviousRun:
    def refuse(what: str) -> UserError:
        return UserError(
            f"--previous {folder}: the run of {date} {what}; run categorize_tracks for that date again, or label every "
            "row with --force."
        )

    try:
        run_id = str(json.loads(storage.read(f"track_labels/run_date={date}/{SUCCESS}") or b"")["run_id"])
        papers = f"runs/{run_id}"
        if storage.read(f"{papers}/{SUCCESS}") is None or storage.read(f"{papers}/{REPLACED_BY}") is not None:
            raise refuse("is being replaced, or was replaced by halves")
        data = storage.read(f"{papers}/{MANIFEST}")
        if data is None:
            raise refuse(f"has no {papers}/{MANIFEST}")
        manifest = json.loads(data)
        if (version := manifest["manifest_version"]) != MANIFEST_VERSION:
            raise refuse(f"has a manifest of version {version}, and this Earmark reads {MANIFEST_VERSION}")
        if (manifest["run_id"], manifest["run_date"]) != (run_id, date):
            raise refuse(f"has the manifest of another one, {manifest['run_id']!r}")
        files = {
            table: _ordered(
                storage, [entry for entry in manifest["files"] if entry["table"] == table], f"{table}/run_date={date}"
            )
            for table in CARRIED_TABLES
        }
        audio_root = manifest.pop("audio_root", None)
        labelling = manifest.get("labelling")
        if labelling is not None and not isinstance(labelling, dict):
            raise ValueError("labelling is no object")
        columns = {table: _columns(manifest["schemas"].get(table, ())) for table in CARRIED_TABLES}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise refuse(f"has no manifest that can be read ({type(error).__name__}: {error})") from error
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    run = PreviousRun(run_id, date, labelling, digest, files, None if audio_root is None else str(audio_root))
    if labelling is None:
        return run
    if other := [table for table in CARRIED_TABLES if columns[table] != _columns(schema_json(TABLES[table]))]:
        # Another Earmark's rows, whole as they are: the files need not be looked at.
        return dataclasses.replace(run, labelling=None, other_columns=tuple(other))
    for table in CARRIED_TABLES:
        present = storage.list_files(f"{table}/run_date={date}")
        for file in files[table]:
            found = present.get(file.path.rsplit("/", 1)[-1])
            if found != file.bytes:
                state = "is not there" if found is None else f"has {found} bytes in the place of {file.bytes}"
                raise refuse(f"is damaged: {file.path} {state}")
    if len({len(files[table]) for table in CARRIED_TABLES}) > 1 or not run.buckets:
        raise refuse("has tables of different numbers of files")
    for table in CARRIED_TABLES:
        try:
            with open_stored(files[table][0].path) as stream:
                schema = pq.ParquetFile(stream).schema_arrow
        except Exception as error:  # pyarrow's and the storage clients' errors have no common class
            raise refuse(f"is damaged: {files[table][0].path} cannot be read ({error})") from error
        if not schema.equals(TABLES[table], check_metadata=False):
            raise refuse(f"has other columns in {table} than this Earmark")
    return run


def _columns(schema: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """What counts of the columns of a schema as a manifest has it: what describes them may change."""
    return [(column.get("name"), column.get("type"), column.get("nullable")) for column in schema]


def _ordered(storage: Storage, entries: Sequence[Mapping[str, Any]], partition: str) -> tuple[PreviousFile, ...]:
    """The files of a table in the order of their numbers, which must be whole."""
    found: dict[int, PreviousFile] = {}
    for entry in entries:
        folder, _, name = entry["path"].rpartition("/")
        matched = FILE_NAME.fullmatch(name)
        # A manifest is a file that anybody may have written: it must not lead out of its own partition.
        if folder != partition or matched is None or int(matched[2]) != len(entries):
            raise ValueError(f"the file {entry['path']!r} is none of {partition}")
        found[int(matched[1])] = PreviousFile(
            storage.full_path(f"{partition}/{name}"), int(entry["rows"]), int(entry["bytes"]), str(entry["sha256"])
        )
    if sorted(found) != list(range(len(entries))):
        raise ValueError(f"the files of {partition} are not numbered one by one")
    return tuple(found[number] for number in range(len(entries)))


def noted_audio_root(root: str) -> str:
    """An audio root as a manifest notes it: a local folder by its real path, for a link may lead elsewhere tomorrow."""
    local = root.removeprefix("file://")
    return root.rstrip("/") if "://" in local else os.path.realpath(local)


def why_not_carried(previous: PreviousRun, labelling: Mapping[str, Any]) -> str | None:
    """Say what differs between what the labels of a run and the new ones depend on; null when nothing does.

    Parameters
    ----------
    labelling
        Of the new run.
    """
    if previous.other_columns:
        return f"another Earmark wrote it, with other columns in {', '.join(previous.other_columns)}"
    if previous.labelling is None:
        return "an older Earmark wrote it, which did not note down what its labels depend on"
    changed = changed_settings(previous.labelling, json.loads(json.dumps(labelling)))
    if not changed:
        return None
    named = [f"{key} was {before!r} and is {now!r}" for key, before, now in changed[:3]]
    return "; ".join(named) + (f"; and {len(changed) - 3} more" if len(changed) > 3 else "")
