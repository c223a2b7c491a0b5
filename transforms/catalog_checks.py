"""What can be said of a catalog before any work: whether it can be read, and which content it has."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pathlib
import zlib
from collections.abc import Iterable, Sequence
from typing import IO, Final

from models.errors import UserError
from transforms.catalog_beginnings import beginning_problem, delimiter_problem, header_problem, json_problem
from transforms.catalog_bigquery import parse_bigquery, require_google_credentials, require_google_extra
from transforms.catalog_bigquery_columns import source_columns
from transforms.catalog_csv import read_csv_header, read_csv_texts
from transforms.catalog_files import (
    SUPPORTED_ENDINGS,
    CatalogFile,
    CatalogFormat,
    OversizedLine,
    format_of,
    is_local,
    match_files,
    open_stored,
    open_text,
    read_lines,
)
from transforms.catalog_hints import column_problem, missing_columns, partly_unused_columns, unused_columns
from transforms.catalog_json_columns import JsonColumns
from transforms.catalog_records import header_columns, open_parquet
from transforms.catalog_settings import AS_IN_CONTRACT, CatalogSettings, in_nfc

#: Opening a remote file takes a tenth of a second; a catalog of thousands is checked by its first ones.
_MAX_REMOTE_FILES_OPENED: Final = 10
#: Lines of a remote file that are looked at, while a column has not been seen.
_MAX_REMOTE_LINES: Final = 10_000

_CHUNK_BYTES: Final = 1 << 20
_DIGEST_MODULUS: Final = 1 << 256


def check_catalog(catalog: str, settings: CatalogSettings = AS_IN_CONTRACT) -> str:
    """Refuse a catalog that cannot be read, before any work.

    Parameters
    ----------
    catalog
        The value of ``--catalog``: a path, a glob, ``bigquery://PROJECT.DATASET.TABLE`` or ``bigquery:SELECT …``.
    settings
        What the catalog calls its columns.

    Returns
    -------
    str
        A sentence about columns that are not used and may be meant; empty when there is nothing to say. BigQuery is
        asked only where ``settings`` name columns, and not waited for.

    Raises
    ------
    UserError
        Nothing there, a folder, an ending that is not supported, a file that cannot be opened, a column that is
        required or that ``settings`` name and no CSV header, Parquet schema or row of JSON lines has, a JSON array in
        place of JSON lines, missing Google libraries or credentials. A file without rows is no error.
    """
    if not catalog.strip():
        raise UserError("--catalog is empty; give the path of a catalog file.")
    source = parse_bigquery(catalog)
    if source is not None:
        require_google_extra(catalog)
        require_google_credentials(catalog)
        names = source_columns(source) if any(settings.given()) else None
        if names is not None and (problem := missing_columns(in_nfc(names), settings)):
            raise _refusal(f"--catalog {catalog[:80]}", problem)
        return ""
    files = _matched(catalog)
    for file in files:
        if format_of(file.path) is None:
            raise UserError(
                f"--catalog {catalog} holds {file.name}, whose ending is not one of {SUPPORTED_ENDINGS}; rename it, or"
                " save a spreadsheet as CSV, or name only the catalog's files with a glob such as 'catalog/*.jsonl'."
            )
    checked = _Checks(catalog, settings)
    for file in files if is_local(catalog) else files[:_MAX_REMOTE_FILES_OPENED]:
        checked.check(file)
    return checked.conclude()


def catalog_fingerprint(catalog: str) -> str:
    """Digest of a catalog's content, the same whatever the order of its lines and files and whatever their names.

    Parameters
    ----------
    catalog
        As for :func:`check_catalog`, which should have passed.

    Returns
    -------
    str
        64 hexadecimal digits. Of local text files: the records, so that ``.gz``, line ends, blank lines and a byte
        order mark make no difference. Of local Parquet files: their bytes. Of remote files: the size and the storage's
        checksum. Of BigQuery: the text of the source, for its content is not known before it is read.

    Raises
    ------
    UserError
        When a file cannot be read to its end.
    """
    source = parse_bigquery(catalog)
    if source is not None:
        return hashlib.sha256(f"bigquery {source.table} {source.query}".encode("utf-8", "surrogatepass")).hexdigest()
    total = 0
    headers: set[bytes] = set()
    for file in _matched(catalog):
        if not is_local(file.path):
            total += _remote_hash(catalog, file)
            continue
        try:
            if format_of(file.path) is CatalogFormat.PARQUET:
                with open_stored(file.path) as stream:
                    total += _bytes_hash(stream)
            else:
                with open_text(file.path) as stream:
                    total += _text_hash(stream, headers if format_of(file.path) is CatalogFormat.CSV else None)
        except (OSError, EOFError, zlib.error) as error:
            raise _unreadable(catalog, file, error) from error
    for header in headers:
        total += _hash(b"header\n" + header)
    return f"{total % _DIGEST_MODULUS:064x}"


def _matched(catalog: str) -> list[CatalogFile]:
    if not is_local(catalog):
        if catalog.lower().startswith("gs://"):
            require_google_extra(catalog)
            if not os.environ.get("STORAGE_EMULATOR_HOST"):
                require_google_credentials(catalog)
        if catalog.lower().startswith("s3://") and importlib.util.find_spec("boto3") is None:
            raise UserError(
                f"--catalog {catalog} needs boto3, which is not installed; install it with:"
                " pip install 'apache-beam[aws]'"
            )
        try:
            files = match_files(catalog)
        except ValueError as error:
            scheme = catalog.partition("://")[0]
            raise UserError(
                f"--catalog {catalog} lies on {scheme}://, which no installed file system reads; give a local path, or"
                " gs:// or s3://."
            ) from error
        except Exception as error:  # a storage client's own errors have no common class
            raise UserError(f"--catalog {catalog} cannot be listed ({_reason(error)}).") from error
    elif pathlib.Path(catalog).is_dir():
        raise UserError(
            f"--catalog {catalog} is a folder; name the files in it, for example '{catalog.rstrip('/')}/*.parquet'."
        )
    else:
        files = match_files(catalog)
    if not files:
        if any(character in catalog for character in "*?["):
            raise UserError(f"--catalog {catalog} matches no file; check the folder and the pattern.")
        raise UserError(f"--catalog {catalog} does not exist; check the path.")
    return files


class _Checks:
    """Looks at the files of a catalog one by one."""

    def __init__(self, catalog: str, settings: CatalogSettings) -> None:
        self._catalog, self._settings = catalog, settings
        self._json = JsonColumns(settings)
        self._columns: dict[str, None] = {}
        self._files: dict[tuple[str, ...], list[str]] = {}

    def check(self, file: CatalogFile) -> None:
        try:
            problem = self._problem(file)
        except Exception as error:  # pyarrow's, gzip's and the storage clients' errors have no common class
            raise _unreadable(self._catalog, file, error) from error
        if problem:
            raise _refusal(f"--catalog {self._catalog}: {file.name}", problem)

    def _problem(self, file: CatalogFile) -> str | None:
        catalog_format = format_of(file.path)
        if catalog_format is CatalogFormat.PARQUET:
            with open_stored(file.path) as stream:
                return self._column_problem(file, in_nfc(open_parquet(stream).schema_arrow.names))
        with open_text(file.path) as stream:
            if catalog_format is CatalogFormat.CSV:
                header = read_csv_header(read_lines(stream))
                if header is None:
                    return None
                return (
                    beginning_problem(header.text, file)
                    or delimiter_problem(header, self._settings)
                    or header_problem(header)
                    or self._column_problem(file, header_columns(header))
                )
            if problem := json_problem(stream, file):
                return problem
        with open_text(file.path) as stream:
            names = self._json.look(read_lines(stream), None if is_local(file.path) else _MAX_REMOTE_LINES)
        self._files.setdefault(tuple(names), []).append(file.name)
        return None

    def _column_problem(self, file: CatalogFile, names: Sequence[str]) -> str | None:
        self._files.setdefault(tuple(names), []).append(file.name)
        self._columns.update(dict.fromkeys(names))
        return column_problem(names, self._settings)

    def conclude(self) -> str:
        if problem := self._json.problem():
            raise _refusal(f"--catalog {self._catalog}", problem)
        unused = unused_columns([*self._columns, *self._json.plain_names], self._settings)
        return " ".join(filter(None, (partly_unused_columns(self._files, self._settings), unused)))


def _refusal(where: str, problem: str) -> UserError:
    sentence, _, to_paste = problem.partition("\n")
    return UserError(f"{where} {sentence}{'' if to_paste else '.'}", to_paste)


def _unreadable(catalog: str, file: CatalogFile, error: Exception) -> UserError:
    return UserError(
        f"--catalog {catalog}: {file.name} cannot be read as {format_of(file.path)} ({_reason(error)});"
        " check its permissions and that it was written to its end."
    )


def _reason(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return " ".join(text.split())[:300]


def _hash(record: bytes) -> int:
    return int.from_bytes(hashlib.blake2s(record).digest(), "little")


def _bytes_hash(stream: IO[bytes]) -> int:
    digest = hashlib.blake2s()
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
    return int.from_bytes(digest.digest(), "little")


def _text_hash(stream: IO[bytes], headers: set[bytes] | None) -> int:
    """Sum of the records' hashes; ``headers``, for CSV, takes the first record instead."""
    lines: Iterable[bytes | OversizedLine] = read_lines(stream)
    blake2s, from_bytes = hashlib.blake2s, int.from_bytes
    total = 0
    if headers is None:
        for line in lines:
            if isinstance(line, OversizedLine):
                total += _hash(f"{line.length} ".encode() + line.beginning)
            elif line and not line.isspace():
                total += from_bytes(blake2s(line).digest(), "little")
        return total
    texts = read_csv_texts(lines)
    header = next(texts, None)
    if header is not None:
        headers.add(header)
    # What a record says depends on its header, and files may have different ones.
    named = blake2s((header or b"") + b"\n")
    for text in texts:
        record = named.copy()
        record.update(text)
        total += from_bytes(record.digest(), "little")
    return total


def _remote_hash(catalog: str, file: CatalogFile) -> int:
    from apache_beam.io.filesystems import FileSystems

    try:
        (found,) = FileSystems.match([file.path], limits=[1])
        size = found.metadata_list[0].size_in_bytes
        return _hash(f"{size} {FileSystems.checksum(file.path)}".encode())
    except Exception as error:  # as in _check_file
        raise _unreadable(catalog, file, error) from error
