"""What a publication still has to put where: written down before the first move, so that the next run can finish it."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Final

from transforms.run_storage import MANIFEST, REPLACED_BY, SUCCESS, Storage, run_id_of
from transforms.run_summary import to_text
from transforms.table_schemas import TABLES

#: The folder of an attempt that holds what goes to ``runs/<run_id>``.
PAPERS: Final = "papers"


class PublicationError(RuntimeError):
    """What is in staging is not what the run said that it wrote, or has gone; nothing was published."""


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What is to be where: enough to finish a publication that was killed, and safe to carry out twice."""

    run_id: str
    run_date: str
    attempt: str
    files: dict[str, dict[str, int]]  # table → file name → bytes
    papers: list[str]  # file names for runs/<run_id>, manifest.json last

    @property
    def success(self) -> bytes:
        """Content of every ``_SUCCESS`` of the run."""
        return to_text({"run_id": self.run_id, "run_date": self.run_date}).encode("utf-8")

    def destination(self, table: str) -> str:
        """A table's partition."""
        return f"{table}/run_date={self.run_date}"


def staging_folder(run_date: str) -> str:
    """The folder of a date's attempts, below the output folder."""
    return f".staging/run_date={run_date}"


def carry_out(plan: Plan, storage: Storage, on_step: Callable[[str], None]) -> bool:
    """Do the plan's steps, those that are done already again or not at all; true when old files were replaced.

    Parameters
    ----------
    on_step
        Called with the name of each step when it is done.

    Raises
    ------
    PublicationError
        Staged files have gone that are not in their place.
    """
    attempt = f"{staging_folder(plan.run_date)}/{plan.attempt}"
    papers = f"runs/{plan.run_id}"
    for run_id in _runs_in_place(storage, plan.run_date):
        if run_id != plan.run_id and storage.read(f"runs/{run_id}/{MANIFEST}") is not None:
            storage.write(f"runs/{run_id}/{REPLACED_BY}", f"{plan.run_id}\n".encode())
    staged_manifest = storage.read(f"{attempt}/{PAPERS}/{MANIFEST}")
    if staged_manifest is not None and storage.read(f"{papers}/{MANIFEST}") not in (None, staged_manifest):
        # The same inputs with another outcome, as after a change of software: what stands there is no longer true.
        storage.delete_file(f"{papers}/{SUCCESS}")
    on_step("replaced runs marked")
    replaced = False
    for table in TABLES:
        files = plan.files[table]
        if not _is_in_place(storage, plan, table):
            staged = storage.list_files(f"{attempt}/{table}")
            if staged != files:
                raise PublicationError(f"The staged files of table {table} of run {plan.run_id} have gone.")
            replaced |= storage.replace_folder(f"{attempt}/{table}", plan.destination(table), _success_last(files))
        on_step(f"table {table}")
    for name in plan.papers:
        if name in storage.list_files(f"{attempt}/{PAPERS}"):
            storage.move_file(f"{attempt}/{PAPERS}/{name}", f"{papers}/{name}")
        elif storage.read(f"{papers}/{name}") is None:
            raise PublicationError(f"The staged {name} of run {plan.run_id} has gone.")
    on_step("manifest")
    storage.write(f"{papers}/{SUCCESS}", plan.success)
    storage.delete_file(f"{papers}/{REPLACED_BY}")
    on_step("success")
    return replaced


def _is_in_place(storage: Storage, plan: Plan, table: str) -> bool:
    # The names hold a digest of the content, except for _SUCCESS.
    destination = plan.destination(table)
    return (
        storage.list_files(destination) == plan.files[table]
        and storage.read(f"{destination}/{SUCCESS}") == plan.success
    )


def _runs_in_place(storage: Storage, run_date: str) -> list[str]:
    """List the runs whose files the partition holds now; two when one was killed between tables."""
    found = (run_id_of(storage, f"{table}/run_date={run_date}") for table in TABLES)
    return sorted({run_id for run_id in found if run_id is not None})


def _success_last(files: Mapping[str, int]) -> list[str]:
    return sorted(files, key=lambda name: (name == SUCCESS, name))


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM until the end of the block; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) or signal.SIG_DFL for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(signal.Signals(received[0]))
