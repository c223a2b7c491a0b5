"""Ctrl-C and SIGTERM: what a job does when one comes. A local run ends at once, whatever its threads are doing."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Final

from transforms.worker_life import kill_child_processes

#: Of Ctrl-C, and of schedulers and shutdowns.
_ENDING: Final = (signal.SIGINT, signal.SIGTERM)
#: How often deleting a folder is tried.
_DELETIONS: Final = 100


@contextlib.contextmanager
def temporary_folder() -> Iterator[str]:
    """Make a folder that is deleted at the end, and in which all of the job's temporary files go meanwhile.

    So there is one folder to delete when the job is stopped; worker and decoder processes use it too.
    """
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="earmark-", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        try:
            yield folder
        finally:
            tempfile.tempdir = before
            if variable is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = variable


class InterruptedJobError(BaseException):
    """A signal came inside a block of :func:`raised_signals`.

    Attributes
    ----------
    number
        The signal's. Who has tidied up outside of the block sends it again: then it does what it did before.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


@contextlib.contextmanager
def raised_signals(*numbers: signal.Signals) -> Iterator[None]:
    """Turn signals, SIGINT and SIGTERM by default, into an :class:`InterruptedJobError` wherever the main thread is.

    Only for code that any exception may leave at any place, as when it waits for a job that runs elsewhere.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        _silence_workers()
        raise InterruptedJobError(number)

    with _handled(stop, numbers or _ENDING):
        yield


def _silence_workers() -> None:
    """Keep from the terminal what a worker in this process has to say of the work that is now given up.

    Beam logs a traceback for each failed bundle and prints another. What the job itself still says of a signal does
    not go through ``sys.stderr``.
    """
    logging.getLogger("apache_beam.runners.worker").setLevel(logging.CRITICAL + 1)
    sys.stderr = io.StringIO()


@contextlib.contextmanager
def stop_on_signals(*temporary_folders: str, kill_children: bool = False) -> Iterator[None]:
    """End the process with status 128 + signal when SIGINT or SIGTERM comes inside the block, with one sentence.

    The handler itself ends the process. An exception would not do: it would surface in whatever Python code the main
    thread is in, the engine's own among it, which turns any exception into a failed element; and at a normal exit
    Python would wait for worker threads that cannot be interrupted. Nothing is lost by leaving at once: tables are
    published at the very end, in a step that signals cannot divide, and decoder processes end with their parent.

    Parameters
    ----------
    *temporary_folders
        Deleted before the process ends.
    kill_children
        Whether to kill this process's children first, where the kernel is Linux. Workers would find out by themselves
        that it has ended, with tracebacks, and go on writing to the folders until then.
    """
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            return  # an impatient second one, in the midst of what follows, which it must not cut short
        stopping = True
        name = signal.Signals(number).name
        message = f"\nearmark: stopped by {name}; nothing was published by halves. Run the same command again.\n"
        with contextlib.suppress(OSError):
            os.write(2, message.encode())
            # Threads that lose their workers, or the files that they work on, have nothing to add.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        if kill_children:
            kill_child_processes()
        for folder in temporary_folders:
            _delete(folder)
        sys.stdout.flush()
        os._exit(128 + number)

    with _handled(stop, _ENDING):
        yield


def _delete(folder: str) -> None:
    """Delete a folder that others may be writing to: under another name nobody finds it, so that nothing comes in."""
    with contextlib.suppress(OSError):
        pathlib.Path(folder).rename(f"{folder}.stopped")
        folder = f"{folder}.stopped"
    for _ in range(_DELETIONS):
        shutil.rmtree(folder, ignore_errors=True)
        if not pathlib.Path(folder).exists():
            return
        time.sleep(0.01)  # a file was being made when the folder got its other name


@contextlib.contextmanager
def _handled(handler: Callable[[int, FrameType | None], None], numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Install a handler for the block. Python hands signals to the main thread; in another this does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
