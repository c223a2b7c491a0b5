"""One run at a time for an output folder and run date, on a local disk."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from models.errors import UserError


class AnotherRunError(UserError):
    """Another run of the same date works on the same output folder."""


class RunLock:
    """A file lock at ``<output>/.locks/run_date=<date>.lock``, held from :meth:`acquire` to :meth:`release`.

    The kernel frees it when the process ends, however it ends, so a killed run blocks nobody. The empty file stays:
    to delete it would let two runs hold locks on two files of one name. The lock goes with the open file: a child that
    was forked without exec (``multiprocessing``'s ``fork``) would keep it after its parent; children that were exec'd
    do not.

    Parameters
    ----------
    output
        The output folder; created when missing.
    run_date
        ISO 8601.
    """

    def __init__(self, output: str, run_date: str) -> None:
        self._path = Path(output, ".locks", f"run_date={run_date}.lock")
        self._output = output
        self._run_date = run_date
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, or give up at once.

        Raises
        ------
        AnotherRunError
            Another process, or another lock object in this one, holds it.
        UserError
            The output folder cannot be made or written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UserError(
                f"The output folder {self._output} (--output) cannot be written: {error.strerror} ({error.filename}); "
                "give a folder that can."
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise AnotherRunError(
                f"Another run for run_date {self._run_date} is writing to {self._output}; wait until it has ended, or "
                "give another --output or --run_date."
            ) from None
        self._descriptor = descriptor

    def release(self) -> None:
        """Free the lock; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
