"""From a catalog's ``audio_uri`` to bytes: which file it means, whether it may be read, its sha256, a local copy.

Local files are read as they are; ``gs://``, ``s3://`` and whatever else Beam knows go through its file systems, which
are imported only when the audio root is one of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import io
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, TypeVar

from models.errors import NO_ROOM
from transforms.records import ErrorType

_WEB: Final = re.compile("https?://", re.IGNORECASE)
_SCHEME: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_PERCENT: Final = re.compile("%[0-9A-Fa-f]{2}")
_CHUNK_BYTES: Final = 1 << 20
_LOCAL_CHUNK_BYTES: Final = 1 << 18
#: Waits before the second and third attempt at a remote file, in seconds.
_RETRY_WAITS_S: Final = (0.5, 2.0)
#: An attempt that took longer was repeated for long enough by the store's own client, in seconds.
_LONG_ATTEMPT_S: Final = 60.0
_NOT_THERE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
_T = TypeVar("_T")


class AudioSourceError(Exception):
    """The audio of a row cannot be had: the typed cause, and a sentence that names the ``audio_uri``."""

    def __init__(self, error_type: ErrorType, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.error_type, self.message)


@dataclasses.dataclass(frozen=True, slots=True)
class AudioRoot:
    """Where audio lies, and what may be read of it.

    Attributes
    ----------
    root
        A local folder, or a URI such as ``gs://bucket/folder``.
    allow_outside_root
        Whether an ``audio_uri`` may lead out of it (absolute, through ``..``, a symbolic link or another scheme).
    max_file_bytes
        A larger file is ``audio_too_large``.
    check_sha256
        Whether what is decoded must have the sha256 that it was identified by; false where it was not identified.
    """

    root: str
    allow_outside_root: bool = False
    max_file_bytes: int = 4 << 30
    check_sha256: bool = True

    @property
    def is_remote(self) -> bool:
        """Whether it is an object store, or any other place that Beam's file systems reach."""
        scheme = _SCHEME.match(self.root)
        return scheme is not None and scheme[1].lower() != "file"

    def resolve(self, audio_uri: str) -> str:
        """Give the local path or the URI that an ``audio_uri`` means; percent signs are plain characters.

        Raises
        ------
        AudioSourceError
            ``path_not_allowed``.
        """
        if not audio_uri or "\0" in audio_uri:
            raise _not_allowed(audio_uri, "it is no path")
        if _WEB.match(audio_uri):
            raise _not_allowed(audio_uri, "it is a web address; fetch the audio into the audio root")
        root_scheme, scheme = _SCHEME.match(self.root), _SCHEME.match(audio_uri)
        if not self.allow_outside_root:
            self._check_words(audio_uri, bool(root_scheme), bool(scheme))
        if scheme:
            return audio_uri[len("file://") :] if scheme[1].lower() == "file" else audio_uri
        if self.is_remote:
            return audio_uri if audio_uri.startswith("/") else f"{self.root.rstrip('/')}/{audio_uri}"
        folder = self.root[len("file://") :] if root_scheme else self.root
        path = str(Path(folder) / audio_uri)
        if not self.allow_outside_root:
            _check_links(folder, path, audio_uri)
        return path

    def _check_words(self, audio_uri: str, remote_root: bool, has_scheme: bool) -> None:
        if has_scheme and not (remote_root and audio_uri.startswith(self.root.rstrip("/") + "/")):
            raise _not_allowed(audio_uri, "it lies outside the audio root")
        if audio_uri.startswith("/"):
            raise _not_allowed(audio_uri, "it is absolute, and the audio root is all that may be read")
        if ".." in PurePosixPath(audio_uri).parts:
            raise _not_allowed(audio_uri, "it has '..' in it")


@dataclasses.dataclass(frozen=True, slots=True)
class AudioIdentity:
    """What identifies a file's audio: the sha256 of its bytes, 64 hexadecimal digits, and their number.

    Attributes
    ----------
    storage_version
        Of the bytes that were read; see :class:`StoredAudio`.
    """

    sha256: str
    size_bytes: int
    storage_version: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class StoredAudio:
    """What the storage says of a file, without a look at its bytes.

    Attributes
    ----------
    size_bytes
        Its size.
    storage_version
        Another one whenever the file was written; to be compared for equality, with the size. On a local disk the
        times of the last change of content and of the last change of all, to the nanosecond: the latter no program can
        set back. On an object store the time of the last change. Null where times are too coarse to be relied on.
    """

    size_bytes: int
    storage_version: str | None


def identify(audio_uri: str, root: AudioRoot) -> AudioIdentity:
    """Read the whole file once, in bounded memory.

    Raises
    ------
    AudioSourceError
        ``path_not_allowed``, ``missing_audio``, ``unreadable_audio`` (no plain file), ``empty_audio``,
        ``audio_too_large`` or ``storage_error``.
    """

    def attempt() -> AudioIdentity:
        digest = hashlib.sha256()
        size = 0
        with _open(place, audio_uri, root) as (file, stored):
            for chunk in _chunks(file, audio_uri, root):
                digest.update(chunk)
                size += len(chunk)
            unchanged = size == stored.size_bytes and (_is_remote(place) or _stored(os.fstat(file.fileno())) == stored)
        if not size:
            raise AudioSourceError(ErrorType.EMPTY_AUDIO, f"The file {_shown(audio_uri)} has 0 bytes.")
        return AudioIdentity(digest.hexdigest(), size, stored.storage_version if unchanged else None)

    place = root.resolve(audio_uri)
    return _retried(attempt, place, audio_uri)


def look_up(audio_uri: str, root: AudioRoot) -> StoredAudio | None:
    """What the storage says of a row's audio; null when it may not be read, is not there or is no plain file."""
    try:
        place = root.resolve(audio_uri)
        if not _is_remote(place):
            status = Path(place).stat()
            return _stored(status) if stat.S_ISREG(status.st_mode) else None
        from apache_beam.io.filesystems import FileSystems

        return _stored_remotely(FileSystems.get_filesystem(place).metadata(place))
    except Exception:  # a store's client raises what it likes; reading the bytes will say what is wrong
        return None


def _stored(status: os.stat_result) -> StoredAudio:
    # A file system that keeps whole seconds cannot tell two writes of one second apart.
    coarse = status.st_ctime_ns % 1_000_000_000 == 0
    return StoredAudio(status.st_size, None if coarse else f"{status.st_mtime_ns}.{status.st_ctime_ns}")


def _stored_remotely(metadata: Any) -> StoredAudio:
    """What an object store says; a time without a fraction of a second is none, as on a local disk.

    S3 keeps whole seconds, in which an object may be written twice at the same size; Cloud Storage has fractions.
    """
    changed_s = float(metadata.last_updated_in_seconds or 0)
    return StoredAudio(int(metadata.size_in_bytes), None if changed_s.is_integer() else repr(changed_s))


@contextlib.contextmanager
def local_copy(
    audio_uri: str, root: AudioRoot, audio_sha256: str | None = None, stored: StoredAudio | None = None
) -> Iterator[str]:
    """Give the path of a local file with the audio; of a remote one a copy that is removed at the end.

    Parameters
    ----------
    audio_sha256
        What :func:`identify` found: other bytes than those are not given. Null: whatever is there.
    stored
        What it found of a local file in its storage. While that is the same, the bytes are not read for their sha256.

    Raises
    ------
    AudioSourceError
        As :func:`identify`, and ``audio_changed``: at once, or at the end when somebody wrote to the file meanwhile.
    """
    place = root.resolve(audio_uri)
    if not root.check_sha256:
        audio_sha256 = None
    if not _is_remote(place):
        before = _local_state(place)
        with _open(place, audio_uri, root) as (file, now):
            if audio_sha256 is not None and (now.storage_version is None or now != stored):
                _check_sha256(_chunks(file, audio_uri, root), audio_uri, audio_sha256)
        yield place
        if audio_sha256 is not None and _local_state(place) != before:
            raise _changed(audio_uri)
        return
    suffix = re.sub(r"[^A-Za-z0-9.]", "", PurePosixPath(audio_uri).suffix)[:8]
    with tempfile.TemporaryDirectory(prefix="audio-") as folder:
        copy = Path(folder) / f"audio{suffix}"

        def attempt() -> None:
            with _open(place, audio_uri, root) as (file, _), copy.open("wb") as out:
                _check_sha256(_copied(_chunks(file, audio_uri, root), out), audio_uri, audio_sha256)

        _retried(attempt, place, audio_uri)
        yield str(copy)


def _copied(chunks: Iterator[bytes | memoryview], out: BinaryIO) -> Iterator[bytes | memoryview]:
    for chunk in chunks:
        out.write(chunk)
        yield chunk


def _check_sha256(chunks: Iterator[bytes | memoryview], audio_uri: str, audio_sha256: str | None) -> None:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    if audio_sha256 is not None and digest.hexdigest() != audio_sha256:
        raise _changed(audio_uri)


def _local_state(place: str) -> tuple[int, ...] | None:
    """What differs when somebody wrote to a file or put another in its place; null when there is none."""
    try:
        status = os.stat(place)  # noqa: PTH116 (a Path would normalise it)
    except (OSError, ValueError):
        return None  # opening it says why
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _changed(audio_uri: str) -> AudioSourceError:
    message = f"The file {_shown(audio_uri)} changed while the run was reading it."
    return AudioSourceError(ErrorType.AUDIO_CHANGED, message)


def _is_remote(place: str) -> bool:
    return _SCHEME.match(place) is not None


@contextlib.contextmanager
def _open(place: str, audio_uri: str, root: AudioRoot) -> Iterator[tuple[BinaryIO, StoredAudio]]:
    if _is_remote(place):
        from apache_beam.io.filesystem import CompressionTypes
        from apache_beam.io.filesystems import FileSystems

        try:
            file_system = FileSystems.get_filesystem(place)
        except ValueError:
            raise _not_allowed(audio_uri, "no installed file system reads its scheme") from None
        stored = _stored_remotely(file_system.metadata(place))
        _check_size(stored.size_bytes, audio_uri, root)
        with file_system.open(place, compression_type=CompressionTypes.UNCOMPRESSED) as remote:
            yield remote, stored
        return
    try:
        # A named pipe would block here for ever without O_NONBLOCK; for a plain file it means nothing.
        descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP):  # a socket
            raise AudioSourceError(
                ErrorType.UNREADABLE_AUDIO, f"The audio {_shown(audio_uri)} is no plain file."
            ) from None
        raise _from_os_error(error, audio_uri) from None
    status = os.fstat(descriptor)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no plain file"
            raise AudioSourceError(ErrorType.UNREADABLE_AUDIO, f"The audio {_shown(audio_uri)} is {kind}.")
        _check_size(status.st_size, audio_uri, root)
        stack.pop_all()
        with os.fdopen(descriptor, "rb", buffering=0) as local:
            yield local, _stored(status)


def _chunks(file: BinaryIO, audio_uri: str, root: AudioRoot) -> Iterator[bytes | memoryview]:
    """Read a file to its end; a chunk may only be used until the next one is asked for."""
    size = 0
    for chunk in _local_chunks(file) if isinstance(file, io.FileIO) else iter(lambda: file.read(_CHUNK_BYTES), b""):
        size += len(chunk)
        _check_size(size, audio_uri, root)  # a file may grow, and a store may state no size
        yield chunk


def _local_chunks(file: io.FileIO) -> Iterator[memoryview]:
    # One buffer for all chunks, which stays in a core's cache: a new one for each takes a quarter more time.
    buffer = memoryview(bytearray(_LOCAL_CHUNK_BYTES))
    while count := file.readinto(buffer):
        yield buffer[:count]


def _check_size(size_bytes: int, audio_uri: str, root: AudioRoot) -> None:
    if size_bytes > root.max_file_bytes:
        message = f"The file {_shown(audio_uri)} is larger than the limit of {root.max_file_bytes} bytes."
        raise AudioSourceError(ErrorType.AUDIO_TOO_LARGE, message)


def _retried(attempt: Callable[[], _T], place: str, audio_uri: str) -> _T:
    """Attempt it once on a local file, and a few times on a remote one."""
    waits = _RETRY_WAITS_S if _is_remote(place) else ()
    for wait_s in (*waits, None):
        began = time.monotonic()
        try:
            return attempt()
        except AudioSourceError:
            raise
        except Exception as error:  # a store's client raises what it likes
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise  # for the copy: no fault of the audio, and the run must not go on without it
            if _is_remote(place) and _is_missing(place):
                raise _missing(audio_uri) from None
            if wait_s is None or time.monotonic() - began > _LONG_ATTEMPT_S:
                raise _from_os_error(error, audio_uri) from error
            time.sleep(wait_s)
    raise AssertionError("the last attempt returns or raises")


def _is_missing(place: str) -> bool:
    from apache_beam.io.filesystems import FileSystems

    try:
        return not FileSystems.get_filesystem(place).exists(place)
    except Exception:
        return False  # the store is not to be reached: that is no answer


def _from_os_error(error: Exception, audio_uri: str) -> AudioSourceError:
    shown = _shown(audio_uri)
    if isinstance(error, ValueError):  # characters that no file name can have
        return _not_allowed(audio_uri, "it is no path")
    if isinstance(error, OSError) and error.errno in _NOT_THERE:
        return _missing(audio_uri)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return AudioSourceError(ErrorType.STORAGE_ERROR, f"The file {shown} cannot be read: {reason}.")


def _check_links(folder: str, path: str, audio_uri: str) -> None:
    try:
        real_root, real_path = os.path.realpath(folder), os.path.realpath(path)
    except (OSError, ValueError):
        raise _not_allowed(audio_uri, "it is no path") from None
    if os.path.commonpath([real_root, real_path]) != real_root:
        raise _not_allowed(audio_uri, "a symbolic link leads out of the audio root")


def _missing(audio_uri: str) -> AudioSourceError:
    hint = ""
    if "\\" in audio_uri:
        hint = " A backslash parts no folders here: write them with /, below the audio root."
    elif _PERCENT.search(audio_uri):
        hint = " A percent sign is a character like any other here: write names as they are on the disk."
    return AudioSourceError(ErrorType.MISSING_AUDIO, f"There is no file {_shown(audio_uri)}.{hint}")


def _not_allowed(audio_uri: str, reason: str) -> AudioSourceError:
    return AudioSourceError(ErrorType.PATH_NOT_ALLOWED, f"The audio_uri {_shown(audio_uri)} is not read: {reason}.")


def _shown(audio_uri: str) -> str:
    """Quote a catalog's value, in ASCII and cut to a readable length."""
    text = audio_uri if len(audio_uri) <= 200 else audio_uri[:199] + "\u2026"
    return repr(text.encode("utf-8", "replace").decode("utf-8"))
