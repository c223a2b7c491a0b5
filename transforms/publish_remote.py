"""The published folders on an object store (gs://, s3://, …), which renames files one by one and locks nothing.

There is no step that swaps a folder, so for seconds a listing shows the old files beside the new ones. A reader that
must never see both takes its file list from a run's ``manifest.json``: that of the run named by
``<table>/run_date=<date>/_SUCCESS``, if ``runs/<run_id>`` has a ``_SUCCESS`` and no ``REPLACED_BY``.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from transforms.run_lock import AnotherRunError


class RemoteStorage:
    """An output folder on any of Beam's file systems. All paths are relative to it, with ``/``."""

    grace_s: float = 0.0

    def __init__(self, output: str) -> None:
        self._output = output.rstrip("/")

    def lock(self, run_date: str, token: str) -> None:
        """Note that this run is the one at work: the last that started is.

        A best effort, since these stores have no lock that a killed process would free. An earlier run that still
        works finds out in :meth:`check_lock`, before it publishes.
        """
        self.write(self._lock_path(run_date), token.encode("utf-8"))

    def check_lock(self, run_date: str, token: str) -> None:
        """Raise ``AnotherRunError`` when another run has started since."""
        if self.read(self._lock_path(run_date)) != token.encode("utf-8"):
            raise AnotherRunError(
                f"Another run for run_date {run_date} has started to write to {self._output} since this one did; this "
                "one publishes nothing. Let one run per date work at a time."
            )

    def unlock(self, run_date: str, token: str) -> None:
        """Take the note away, if it is this run's."""
        if self.read(self._lock_path(run_date)) == token.encode("utf-8"):
            self.delete_file(self._lock_path(run_date))

    @staticmethod
    def _lock_path(run_date: str) -> str:
        return f".locks/run_date={run_date}.lock"

    def check_writable(self, folders: Sequence[str]) -> None:
        """Do nothing: the lock was written, and a store has no folders of their own rights."""

    def full_path(self, path: str) -> str:
        """Put the output folder in front of ``path``."""
        return f"{self._output}/{path}"

    def read(self, path: str) -> bytes | None:
        """Read a file; null when there is no such file."""
        if not FileSystems.exists(self.full_path(path)):
            return None
        with FileSystems.open(self.full_path(path), compression_type=CompressionTypes.UNCOMPRESSED) as stream:
            return bytes(stream.read())

    def write(self, path: str, data: bytes) -> None:
        """Write the file; on an object store it appears whole when it is closed."""
        with FileSystems.create(self.full_path(path), compression_type=CompressionTypes.UNCOMPRESSED) as stream:
            stream.write(data)

    def list_files(self, folder: str) -> dict[str, int]:
        """List the files that stand in ``folder`` itself, name to size in bytes; empty when there is none.

        The empty object ``<folder>/`` that some tools make for a folder is none of them: to delete it by that name
        would delete all that is in the folder.
        """
        return {
            metadata.path.rsplit("/", 1)[-1]: metadata.size_in_bytes
            for match in FileSystems.match([self.full_path(folder) + "/*"])
            for metadata in match.metadata_list
            if not metadata.path.endswith("/")
        }

    def list_successes(self, table: str) -> list[str]:
        """List the folders of ``table`` that hold a ``_SUCCESS``, sorted."""
        found = FileSystems.match([self.full_path(table) + "/run_date=*/_SUCCESS"])
        return sorted(metadata.path.split("/")[-2] for match in found for metadata in match.metadata_list)

    def checksum(self, path: str) -> tuple[int, str]:
        """Give size in bytes and SHA-256 of a file."""
        digest = hashlib.sha256()
        size = 0
        with FileSystems.open(self.full_path(path), compression_type=CompressionTypes.UNCOMPRESSED) as stream:
            while block := stream.read(2**20):
                size += len(block)
                digest.update(block)
        return size, digest.hexdigest()

    def make_folder(self, folder: str) -> None:
        """Do nothing: folders are only the beginnings of names."""

    def replace_folder(self, staged: str, destination: str, names: list[str]) -> bool:
        """Copy the named files to ``destination`` in this order, then delete what else is there; true if something was.

        Safe to repeat from any point: the staged files stay where they are.
        """
        before = self.list_files(destination)
        for name in names:
            self._copy(f"{staged}/{name}", f"{destination}/{name}")
        superfluous = sorted(before.keys() - set(names))
        for name in superfluous:
            self.delete_file(f"{destination}/{name}")
        return bool(superfluous)

    def move_file(self, source: str, destination: str) -> None:
        """Copy a file; an existing one is replaced. The source goes with its folder."""
        self._copy(source, destination)

    def _copy(self, source: str, destination: str) -> None:
        target = self.full_path(destination)
        with contextlib.suppress(OSError, BeamIOError):  # It is there already; if not, the copy says so.
            FileSystems.mkdirs(target.rsplit("/", 1)[0])
        FileSystems.copy([self.full_path(source)], [target])

    def delete_file(self, path: str) -> None:
        """Delete a file, if it is there."""
        if FileSystems.exists(self.full_path(path)):
            FileSystems.delete([self.full_path(path)])

    def delete_folder(self, folder: str) -> None:
        """Delete a folder and all in it, if it is there."""
        # File by file: a folder's name in delete() means different things to Beam's file systems.
        found = FileSystems.match([self.full_path(folder) + "/**"])
        paths = [metadata.path for match in found for metadata in match.metadata_list]
        if paths:
            FileSystems.delete(paths)
