"""Publishing a run: staging folder → the partition that readers see, whole and at once, whatever kills the process.

On the disk, below the output folder::

    <table>/run_date=D/{part-…parquet, _SUCCESS}    what readers see; _SUCCESS names the run
    runs/<run_id>/{manifest.json, _SUCCESS, …}      the run's papers; REPLACED_BY names the run that took its place
    .staging/run_date=D/<attempt>/                  one attempt's files; later the ones that were replaced
    .staging/run_date=D/plan.json                   there while tables are swapped; a killed run is finished from it
    .locks/run_date=D.lock                          held by the run at work

A run's tables are current and whole when ``runs/<run_id>`` holds ``_SUCCESS`` and no ``REPLACED_BY``.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from models.errors import UserError
from transforms.publish_manifest import check_date
from transforms.publish_plan import PAPERS, Plan, PublicationError, carry_out, staging_folder, uninterrupted
from transforms.run_storage import MANIFEST, REPLACED_BY, SUCCESS, Storage, storage_for
from transforms.run_summary import SUMMARY_NAME, StagedFile, to_text
from transforms.table_schemas import TABLES

_LOG = logging.getLogger(__name__)


class Publication:
    """The publishing of one run; a context manager that holds the lock of its run date.

    Use::

        with Publication(output, run_date, run_id) as publication:
            staging_dir = publication.prepare()
            …                                           # the pipeline writes there
            publication.publish(summary.files, manifest)

    Parameters
    ----------
    output
        The output folder, local or ``gs://…``.
    run_date
        ISO 8601; the partition.
    run_id
        Letters, digits, ``.``, ``_`` and ``-``; the same for the same inputs.
    on_step
        Called with the name of each step when it is done, for progress.
    storage
        By default the one for ``output``.

    Raises
    ------
    ValueError
        ``run_date`` or ``run_id`` is malformed.
    """

    def __init__(
        self,
        output: str,
        run_date: str,
        run_id: str,
        *,
        on_step: Callable[[str], None] | None = None,
        storage: Storage | None = None,
    ) -> None:
        check_date(run_date)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", run_id):
            raise ValueError(f"run_id {run_id!r} must be letters, digits, '.', '_' and '-'")
        self._storage = storage if storage is not None else storage_for(output)
        self._run_date = run_date
        self._run_id = run_id
        # A name of its own per attempt, so that a worker that outlives its killed run cannot write among our files.
        self._attempt = f"{run_id}.{uuid.uuid4().hex[:8]}"
        self._token = self._attempt
        self._on_step = on_step if on_step is not None else lambda step: None

    def __enter__(self) -> Publication:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock for this output and run date.

        Raises
        ------
        AnotherRunError
            Another run has it. (On an object store nothing locks: the earlier run finds out when it publishes.)
        """
        self._storage.lock(self._run_date, self._token)

    def release(self) -> None:
        """Free the lock."""
        self._storage.unlock(self._run_date, self._token)

    @property
    def staging_dir(self) -> str:
        """The folder that this run's pipeline writes to."""
        return self._storage.full_path(self._attempt_folder)

    @property
    def _date_folder(self) -> str:
        return staging_folder(self._run_date)

    @property
    def _attempt_folder(self) -> str:
        return f"{self._date_folder}/{self._attempt}"

    @property
    def _plan_path(self) -> str:
        return f"{self._date_folder}/plan.json"

    def prepare(self) -> str:
        """Clear what killed and refused runs of this date left, and give :attr:`staging_dir`, empty.

        A publication that was killed half-way is finished first. Only for the holder of the lock.

        Raises
        ------
        UserError
            A folder that this run will write to cannot be written.
        """
        partitions = [f"{table}/run_date={self._run_date}" for table in TABLES]
        self._storage.check_writable([*TABLES, *partitions, "runs", f"runs/{self._run_id}", ".staging"])
        found = self._storage.read(self._plan_path)
        if found is not None:
            plan = Plan(**json.loads(found))
            _LOG.warning("Run %s was killed while it published run_date %s; finishing it.", plan.run_id, plan.run_date)
            try:
                with uninterrupted():
                    carry_out(plan, self._storage, self._on_step)
            except PublicationError as error:
                # Somebody has been at the files. This run replaces all of the partition, so it can go on.
                _LOG.warning("It cannot be finished (%s); this run replaces its partition.", error)
            self._on_step("rolled forward")
        self._storage.delete_file(self._plan_path)
        self._storage.delete_folder(self._date_folder)
        self._storage.make_folder(self._attempt_folder)
        self._on_step("prepared")
        return self.staging_dir

    def adopt(self, staging_dir: str) -> str:
        """Take over what an earlier attempt of this run staged, in place of :meth:`prepare`; gives its folder.

        Raises
        ------
        UserError
            It is no staging folder of this run, or its pipeline has not come to its end.
        """
        attempt = staging_dir.rstrip("/").rpartition("/")[2]
        folder = self._storage.full_path(f"{self._date_folder}/{attempt}")
        if staging_dir.rstrip("/") != folder or not re.fullmatch(rf"{re.escape(self._run_id)}\.[0-9a-f]{{8}}", attempt):
            raise UserError(
                f"--staged {staging_dir}: is no staging folder of the run {self._run_id}; give the folder that the "
                "job's command named, with the flags of that command, its --run_date and the same catalog."
            )
        if self._storage.read(f"{self._date_folder}/{attempt}/{SUMMARY_NAME}") is None:
            raise UserError(
                f"--staged {staging_dir}: holds no {SUMMARY_NAME}, so its job is not done, or a later run for the date "
                "has cleared it; wait for the job, or label anew without --staged."
            )
        self._attempt = attempt
        return self.staging_dir

    def publish(
        self, files: Sequence[StagedFile], manifest: Mapping[str, Any], papers: Mapping[str, bytes] | None = None
    ) -> None:
        """Put the staged files in the place of the partition, then write the manifest and ``_SUCCESS``.

        Ctrl-C and SIGTERM wait until it is done. Killed at any moment, the next run for the date finishes it.

        Parameters
        ----------
        files
            Every file that the pipeline staged.
        manifest
            From :func:`transforms.publish_manifest.build_manifest`.
        papers
            More files for ``runs/<run_id>``, by name, such as ``report.html`` and ``timings.json``.

        Raises
        ------
        PublicationError
            A staged file is missing or is not what it was when it was written, or a table has none.
        AnotherRunError
            On an object store: another run for this date has started since.
        """
        self._verify(files)
        self._on_step("verified")
        plan = self._stage_papers(files, {**(papers or {}), MANIFEST: to_text(manifest).encode("utf-8")})
        self._on_step("papers staged")
        self._storage.check_lock(self._run_date, self._token)
        with uninterrupted():
            self._storage.write(self._plan_path, to_text(dataclasses.asdict(plan)).encode("utf-8"))
            self._on_step("planned")
            replaced = carry_out(plan, self._storage, self._on_step)
            self._storage.delete_file(self._plan_path)
            self._on_step("plan done")
        if replaced:
            # A reader that opened an old folder just before the swap may still be listing it.
            time.sleep(self._storage.grace_s)
        self._storage.delete_folder(self._date_folder)
        self._on_step("cleared")

    def leave(self, manifest: Mapping[str, Any], papers: Mapping[str, bytes]) -> bool:
        """Write manifest and papers beside the staged tables of a run that is not published, for whoever looks why.

        False when they cannot be written, which changes nothing about the run.
        """
        try:
            for name, data in {**papers, MANIFEST: to_text(manifest).encode("utf-8")}.items():
                self._storage.write(f"{self._attempt_folder}/{name}", data)
        except OSError as error:
            _LOG.warning("The papers of the refused run cannot be written: %s", error)
            return False
        return True

    def _verify(self, files: Sequence[StagedFile]) -> None:
        by_table: dict[str, dict[str, StagedFile]] = {table: {} for table in TABLES}
        for file in files:
            if file.table not in by_table or file.path != f"{file.table}/{file.name}":
                raise PublicationError(f"Staged file {file.path} does not belong to a table.")
            by_table[file.table][file.name] = file
        for table, expected in by_table.items():
            if not expected:
                raise PublicationError(f"No file was staged for table {table}.")
            folder = f"{self._attempt_folder}/{table}"
            present = self._storage.list_files(folder)
            # Left by a bundle that ran twice with another result; the summary counts one of the two.
            for name in sorted(present.keys() - expected.keys()):
                _LOG.warning("Leaving out %s/%s, which the run's summary does not name.", table, name)
                self._storage.delete_file(f"{folder}/{name}")
            for name, file in sorted(expected.items()):
                if name not in present:
                    raise PublicationError(f"Staged file {file.path} is missing in {self.staging_dir}.")
                size, sha256 = self._storage.checksum(f"{folder}/{name}")
                if (size, sha256) != (file.bytes, file.sha256):
                    raise PublicationError(
                        f"Staged file {file.path} in {self.staging_dir} has {size} bytes with SHA-256 {sha256}, but "
                        f"{file.bytes} bytes with {file.sha256} were written."
                    )

    def _stage_papers(self, files: Sequence[StagedFile], papers: Mapping[str, bytes]) -> Plan:
        reserved = {SUCCESS, REPLACED_BY} & papers.keys()
        if reserved or any("/" in name for name in papers):
            raise ValueError(f"papers must be file names other than {SUCCESS} and {REPLACED_BY}: {sorted(papers)}")
        names = sorted(papers.keys() - {MANIFEST})
        plan = Plan(self._run_id, self._run_date, self._attempt, {}, [*names, MANIFEST])
        for name in plan.papers:
            self._storage.write(f"{self._attempt_folder}/{PAPERS}/{name}", papers[name])
        for table in TABLES:
            self._storage.write(f"{self._attempt_folder}/{table}/{SUCCESS}", plan.success)
            plan.files[table] = {file.name: file.bytes for file in sorted(files) if file.table == table}
            plan.files[table][SUCCESS] = len(plan.success)
        return plan
