"""The published folders on a local disk: whole folders are swapped in one step of the kernel."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from models.errors import NO_ROOM, UserError
from transforms.run_lock import RunLock

_AT_FDCWD_LINUX: Final = -100
_AT_FDCWD_MACOS: Final = -2
_RENAME_EXCHANGE: Final = 2  # Linux, renameat2
_RENAME_SWAP: Final = 2  # macOS, renameatx_np
_DELETE_ATTEMPTS: Final = 5
_UNSUPPORTED: Final = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}


def exchange(first: Path, second: Path) -> bool:
    """Swap the names of two folders in one step; false when this machine or file system cannot.

    Raises
    ------
    OSError
        Any other failure.
    """
    call = _exchange_call()
    if call is None:
        return False
    if call(os.fsencode(first), os.fsencode(second)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(first), None, str(second))


def _exchange_call() -> Callable[[bytes, bytes], int] | None:
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux":
        name, here, flag = "renameat2", _AT_FDCWD_LINUX, _RENAME_EXCHANGE
    elif sys.platform == "darwin":
        name, here, flag = "renameatx_np", _AT_FDCWD_MACOS, _RENAME_SWAP
    else:
        return None
    function = getattr(library, name, None)
    if function is None:  # a C library older than the kernel call
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    function.restype = ctypes.c_int
    return lambda first, second: int(function(here, first, here, second, flag))


class LocalStorage:
    """An output folder on a local disk. All paths are relative to it, with ``/``."""

    #: A reader that is between listing a folder and opening its files gets this long before the files are deleted.
    grace_s: float = 1.0

    def __init__(self, output: str) -> None:
        self._output = Path(output)
        self._lock: RunLock | None = None

    def lock(self, run_date: str, token: str) -> None:
        """Take the lock of ``run_date``; raises ``AnotherRunError``. ``token`` is for storages without real locks."""
        lock = RunLock(str(self._output), run_date)
        lock.acquire()
        self._lock = lock

    def check_lock(self, run_date: str, token: str) -> None:
        """Do nothing: the kernel keeps the lock."""

    def unlock(self, run_date: str, token: str) -> None:
        """Free the lock."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def check_writable(self, folders: Sequence[str]) -> None:
        """Find out now whether there will be room to write and a right to: at the end it would be too late.

        Raises
        ------
        UserError
            One of ``folders``, or the output folder itself, is there and cannot be written.
        """
        for folder in (self._output, *(self._output / name for name in folders)):
            if not os.path.lexists(folder):
                continue
            try:
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                if error.errno in NO_ROOM:
                    raise
                raise UserError(
                    f"The output folder {self._output} (--output) cannot be written: {error.strerror} ({folder}); give "
                    "a folder that can."
                ) from error

    def full_path(self, path: str) -> str:
        """Put the output folder in front of ``path``."""
        return str(self._output / path)

    def read(self, path: str) -> bytes | None:
        """Read a file; null when there is no such file."""
        try:
            return (self._output / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, path: str, data: bytes) -> None:
        """Write the file so that it is there whole and on the disk, or not at all; an existing one is replaced."""
        destination = self._output / path
        destination.parent.mkdir(parents=True, exist_ok=True)
        # The same name each time: the lock lets nobody else write here, and a killed run's is overwritten.
        temporary = destination.with_name(f".{destination.name}.tmp")
        try:
            with temporary.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(destination)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync(destination.parent)

    def list_files(self, folder: str) -> dict[str, int]:
        """List the files that stand in ``folder`` itself, name to size in bytes; empty when there is none."""
        try:
            with os.scandir(self._output / folder) as entries:
                return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def list_successes(self, table: str) -> list[str]:
        """List the folders of ``table`` that hold a ``_SUCCESS``, sorted."""
        return sorted(path.parent.name for path in (self._output / table).glob("run_date=*/_SUCCESS"))

    def checksum(self, path: str) -> tuple[int, str]:
        """Give size in bytes and SHA-256 of a file, which is also made to be on the disk."""
        digest = hashlib.sha256()
        size = 0
        with (self._output / path).open("rb") as stream:
            while block := stream.read(2**20):
                size += len(block)
                digest.update(block)
            os.fsync(stream.fileno())
        return size, digest.hexdigest()

    def make_folder(self, folder: str) -> None:
        """Make ``folder`` and those above it."""
        (self._output / folder).mkdir(parents=True, exist_ok=True)

    def replace_folder(self, staged: str, destination: str, names: list[str]) -> bool:
        """Put the folder ``staged`` in the place of ``destination``; true when there was one before.

        With a kernel that can exchange two names a reader finds the old folder or the new one, at every moment; the
        old one is at ``staged`` afterwards. Elsewhere (a kernel or file system without it) two renames do it, and a
        reader may find no folder for an instant; a crash between them is mended by doing it again.
        """
        source, target = self._output / staged, self._output / destination
        target.parent.mkdir(parents=True, exist_ok=True)
        _sync(source)
        existed = target.exists()
        if not existed:
            source.rename(target)
        elif not self._exchange(source, target):
            retired = source.with_name(f"{source.name}.retired")
            shutil.rmtree(retired, ignore_errors=True)
            target.rename(retired)
            source.rename(target)
        _sync(target.parent)
        _sync(source.parent)
        return existed

    _exchange = staticmethod(exchange)

    def move_file(self, source: str, destination: str) -> None:
        """Move a file that is whole; an existing one is replaced."""
        target = self._output / destination
        target.parent.mkdir(parents=True, exist_ok=True)
        (self._output / source).replace(target)
        _sync(target.parent)

    def delete_file(self, path: str) -> None:
        """Delete a file, if it is there."""
        (self._output / path).unlink(missing_ok=True)

    def delete_folder(self, folder: str) -> None:
        """Delete a folder and all in it, if it is there.

        An engine may go on with the job of a killed process and write into its staging folder meanwhile. That keeps
        nobody from publishing, so what is left of it after some attempts stays, for the next run to delete.
        """
        path = self._output / folder
        for _ in range(_DELETE_ATTEMPTS):
            if not path.exists():
                return
            try:
                shutil.rmtree(path)
            except FileNotFoundError:  # something in it went away meanwhile
                continue
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise


def _sync(folder: Path) -> None:
    """Make the names in ``folder`` be on the disk."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
