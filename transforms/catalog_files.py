"""Where a catalog's files are, what they are called in messages, and how their bytes are read in bounded memory.

Nothing here imports Beam until a path outside the local file system is met: argument checks must answer at once.
"""

from __future__ import annotations

import dataclasses
import enum
import glob
import gzip
import os
import pathlib
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Final, cast

from models.errors import UserError

#: A record longer than this is refused, so that no line of a broken file can fill a worker's memory, in bytes.
MAX_RECORD_BYTES: Final = 1 << 20

#: What is kept of a record that could not be read, in characters.
RAW_CHARACTERS: Final = 4096

_CHUNK_BYTES: Final = 1 << 20
_BOM: Final = b"\xef\xbb\xbf"


class CatalogReadError(Exception):
    """A catalog file broke off or changed while it was read: the run must fail, for rows would be missing."""


class CatalogChangedError(CatalogReadError):
    """A catalog file changed after its content was looked at for the ``run_id``: rows and digest would not agree."""


class CatalogFormat(enum.StrEnum):
    """How the records stand in a file."""

    JSON_LINES = "JSON lines"
    CSV = "CSV"
    PARQUET = "Parquet"


_FORMATS: Final = {
    ".jsonl": CatalogFormat.JSON_LINES,
    ".ndjson": CatalogFormat.JSON_LINES,
    ".json": CatalogFormat.JSON_LINES,
    ".csv": CatalogFormat.CSV,
    ".tsv": CatalogFormat.CSV,
    ".parquet": CatalogFormat.PARQUET,
}

#: For messages.
SUPPORTED_ENDINGS: Final = ".jsonl, .ndjson, .json, .csv, .tsv (each also with .gz) and .parquet"


@dataclasses.dataclass(frozen=True, slots=True)
class CatalogFile:
    """One file of a catalog.

    Attributes
    ----------
    path
        As a file system opens it.
    name
        As messages and places call it: the base name, or the path below the common parent when two files of the
        catalog share a base name. It never names the machine's folders above the catalog.
    """

    path: str
    name: str


def format_of(path: str) -> CatalogFormat | None:
    """Format of a file by its ending; null when the ending is not supported."""
    stem, ending = posixpath.splitext(path.lower())
    if ending == ".gz":
        found = _FORMATS.get(posixpath.splitext(stem)[1])
        return None if found is CatalogFormat.PARQUET else found
    return _FORMATS.get(ending)


def is_local(path: str) -> bool:
    """Whether the path has no scheme such as ``gs://`` and so lies on the machine's own file system."""
    return "://" not in path


def name_files(paths: Iterable[str]) -> list[CatalogFile]:
    """Give each file a distinct short name that does not depend on where the catalog's folder stands.

    Parameters
    ----------
    paths
        Paths of the files, in any order, each once.

    Returns
    -------
    list of CatalogFile
        Sorted by path.
    """
    ordered = sorted(set(paths))
    as_posix = [path.replace(os.sep, "/") for path in ordered]
    names = [posixpath.basename(path) for path in as_posix]
    if len(set(names)) < len(names):
        # By characters and then back to a slash: commonpath would fold the two slashes of a scheme into one.
        below = os.path.commonprefix(as_posix).rfind("/") + 1  # noqa: RUF071
        names = [path[below:] for path in as_posix]
    return [CatalogFile(path, name) for path, name in zip(ordered, names, strict=True)]


def match_files(pattern: str) -> list[CatalogFile]:
    """Files that a path or glob names, sorted by path; empty when there are none.

    A local path that exists is taken literally, also when it holds ``[`` or ``*``. In a local glob ``*`` matches
    within a folder and ``**`` over folders, and hidden files need their dot written out.

    Raises
    ------
    UserError
        When a glob also matches what is no file: rows may lie in it. Folders that ``**`` goes through are none.
    """
    if is_local(pattern):
        if pathlib.Path(pattern).is_file():
            return name_files([pattern])
        # pathlib's glob would need the pattern split into a root and the rest.
        matched = glob.glob(pattern, recursive=True)  # noqa: PTH207
        files = [path for path in matched if pathlib.Path(path).is_file()]
        _refuse_others(pattern, sorted(set(matched) - set(files)))
        return name_files(files)
    from apache_beam.io.filesystems import FileSystems

    (result,) = FileSystems.match([pattern])
    return name_files(metadata.path for metadata in result.metadata_list if not metadata.path.endswith("/"))


def _refuse_others(pattern: str, others: Sequence[str]) -> None:
    for path in others:
        if not pathlib.Path(path).is_dir():
            what = "a link to nothing" if pathlib.Path(path).is_symlink() else "no plain file"
            raise UserError(f"--catalog {pattern}: {path} is {what}; remove it or name the files without it.")
        if posixpath.basename(pattern.rstrip("/")) != "**":
            raise UserError(
                f"--catalog {pattern}: {path} is a folder, and rows in it would be missing; name the files in it too, "
                "for example with '**' in the place of its name, or a pattern that does not match it."
            )


def file_states(pattern: str) -> dict[str, str]:
    """State of each file that a path or glob names, by path: it differs when somebody wrote to the file.

    A local file's state is its size and when its content and its entry changed last, to the nanosecond; a remote one's
    is its size and when it was written.
    """
    if is_local(pattern):
        return {file.path: _local_state(file.path) for file in match_files(pattern)}
    from apache_beam.io.filesystems import FileSystems

    (result,) = FileSystems.match([pattern])
    return {
        metadata.path: f"{metadata.size_in_bytes} {metadata.last_updated_in_seconds}"
        for metadata in result.metadata_list
        if not metadata.path.endswith("/")
    }


def _local_state(path: str) -> str:
    status = pathlib.Path(path).stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def check_state(file: CatalogFile, states: Mapping[str, str]) -> None:
    """Refuse a file that is not as it was when ``states`` were taken.

    Raises
    ------
    CatalogChangedError
        It was written to, or has gone.
    """
    try:
        now = file_states(glob.escape(file.path) if is_local(file.path) else file.path).get(file.path)
    except FileNotFoundError:
        now = None
    if now != states.get(file.path):
        happened = "has gone" if now is None else "changed" if file.path in states else "appeared"
        raise CatalogChangedError(f"catalog file {file.name} {happened} since the run began")


def open_stored(path: str) -> IO[bytes]:
    """Open a file's bytes as they are stored, seekable, on any file system that Beam knows."""
    if is_local(path):
        return pathlib.Path(path).open("rb")
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems

    return cast(IO[bytes], FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED))


def open_text(path: str) -> IO[bytes]:
    """Open the text of a file as bytes, decompressed when its name ends in ``.gz``.

    Beam's own decompression takes a gzip file that was cut off for a whole one, which would lose rows without a word
    (measured on 2.77), so Python's gzip does it, which checks the end marker and the checksum of every member.
    """
    stored = open_stored(path)
    if not path.lower().endswith(".gz"):
        return stored
    return cast(IO[bytes], _GzipText(stored))


class _GzipText(gzip.GzipFile):
    """A gzip reader that closes the file under it."""

    def __init__(self, stored: IO[bytes]) -> None:
        super().__init__(fileobj=stored, mode="rb")
        self._stored = stored

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._stored.close()


@dataclasses.dataclass(frozen=True, slots=True)
class OversizedLine:
    """A line longer than the limit: its beginning, and its length in bytes without the line end."""

    beginning: bytes
    length: int


def read_lines(stream: IO[bytes], max_bytes: int = MAX_RECORD_BYTES) -> Iterator[bytes | OversizedLine]:
    """Every line of a stream, blank ones too, without line ends and without a leading byte order mark.

    Memory stays below a few times ``max_bytes`` whatever the file holds.
    """
    pieces: list[bytes] = []  # of a line whose end has not come yet
    held = 0
    length = 0
    first = True
    while chunk := stream.read(_CHUNK_BYTES):
        lines = chunk.split(b"\n")
        tail = lines.pop()
        if lines:
            head = lines[0]
            if length:
                if held <= max_bytes:
                    pieces.append(head)
                yield _one_line(pieces, length + len(head), max_bytes, first)
            else:
                yield _one_line([head], len(head), max_bytes, first)
            first = False
            for line in lines[1:]:
                if line.endswith(b"\r"):
                    line = line[:-1]
                yield line if len(line) <= max_bytes else OversizedLine(line[:RAW_CHARACTERS], len(line))
            pieces, held, length = [], 0, 0
        if tail:
            length += len(tail)
            if held <= max_bytes:
                pieces.append(tail)
                held += len(tail)
    if length:
        yield _one_line(pieces, length, max_bytes, first)


def _one_line(pieces: Sequence[bytes], length: int, max_bytes: int, first: bool) -> bytes | OversizedLine:
    line = b"".join(pieces)
    if first and line.startswith(_BOM):
        line = line[len(_BOM) :]
        length -= len(_BOM)
    if line.endswith(b"\r") and length == len(line):
        line = line[:-1]
        length -= 1
    return line if length <= max_bytes else OversizedLine(line[:RAW_CHARACTERS], length)
