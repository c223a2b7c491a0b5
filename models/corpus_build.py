"""Build the training corpus: fetch, choose, put in place, drop copies, write the manifest."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import json
import logging
import multiprocessing
import os
import threading
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from models.corpus_copies import Fingerprint, Heard, find_copies
from models.corpus_files import FileError, corpus_name, hear, put_in_place, read_header, sha256_of
from models.corpus_licences import Licences
from models.corpus_manifest import manifest_row, write_manifest
from models.corpus_packages import UnpackedPackage, fetch_packages
from models.corpus_recipe import Audio, Choice, Package, select
from models.corpus_unpacking import PackageError
from models.errors import UserError

#: A corpus that lacks a larger share of its packages is not built.
MOST_MISSING: Final = 0.1

#: Files between two lines of progress.
_FILES_PER_LINE: Final = 200

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class BuiltCorpus:
    """What came of a build.

    Attributes
    ----------
    manifest
        The file; None when too many packages were missing and it was not written.
    rows
        Its rows.
    missing
        Why each missing package is missing.
    copies
        Number of recordings that were left out as copies.
    """

    manifest: Path | None
    rows: list[dict[str, str]]
    missing: dict[str, str]
    copies: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class _Job:
    """One chosen file, on its way into the corpus."""

    package: Package
    version: str
    licence: str
    choice: Choice
    file: Path
    name: str
    target: Path
    notes: Path


@contextlib.contextmanager
def corpus_folder(folder: Path) -> Iterator[None]:
    """Make the corpus's folder, and keep other builds out of it meanwhile.

    Raises
    ------
    UserError
        When it holds other things, cannot be written, or another build is at work.
    """
    lock = folder / ".corpus.lock"
    try:
        if folder.is_dir() and any(folder.iterdir()) and not lock.exists():
            raise UserError(f"--output {folder}: holds files that no build made; give a new folder.")
        folder.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise UserError(f"--output {folder}: cannot be written ({error.strerror}); give a folder that can.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"--output {folder}: another build is at work there; wait until it has ended.") from None
        yield


def build_corpus(
    packages: Sequence[Package], suffixes: list[str], folder: Path, package_dir: Path | None, jobs: int
) -> BuiltCorpus:
    """Build a corpus; what an earlier build of the same folder did is not done again.

    Parameters
    ----------
    packages
        In order: of a recording that is in two, the first one's is kept.
    suffixes
        Of audio files.
    folder
        Gets the manifest, the audio, and ``unpacked/``, which a later build goes on from.
    package_dir
        Folder with downloaded packages; None to download.
    jobs
        Downloads and decoders at once.
    """
    there: list[tuple[Package, UnpackedPackage]] = []
    missing = {}
    for package, fetched in fetch_packages(packages, folder / "unpacked", suffixes, package_dir, jobs):
        if isinstance(fetched, PackageError):
            missing[package.name] = str(fetched)
            _LOG.warning("%s is missing: %s", package.name, fetched)
            continue
        there.append((package, fetched))
        _LOG.info("%s %s: %d audio files", package.name, fetched.version, len(fetched.audio))
        if fetched.version != package.version:
            _LOG.warning("%s is %s; its rules were tested with %s", package.name, fetched.version, package.version)
        for line in fetched.left_out:
            _LOG.warning("%s: %s", package.name, line)
    if len(missing) > MOST_MISSING * len(packages):
        return BuiltCorpus(None, [], missing)
    # Worker processes start anew: a forked one would keep the lock of a build that was killed.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, context, _end_with_parent) as pool:
        headers = list(pool.map(_headers, [package for package, _ in there], [fetched for _, fetched in there]))
        chosen = list(_chosen(there, headers, folder))
        _LOG.info("%d files are chosen; they are rendered, decoded and compared", len(chosen))
        taken: list[tuple[_Job, Heard, str]] = []
        for count, (job, outcome) in enumerate(zip(chosen, pool.map(_take, chosen, chunksize=4), strict=True), start=1):
            if isinstance(outcome, str):
                _LOG.warning("%s: %s is left out: %s", job.package.name, job.choice.path, outcome)
            else:
                taken.append((job, *outcome))
            if count % _FILES_PER_LINE == 0:
                _LOG.info("%d of %d files are done", count, len(chosen))
    copies = find_copies([heard for _, heard, _ in taken])
    for copy, first in copies.items():
        one, other = taken[first][0], taken[copy][0]
        if one.choice.rule.label != other.choice.rule.label:
            _LOG.warning(
                "%s of %s is %s, its copy %s of %s would be %s",
                *(one.choice.path, one.package.name, one.choice.rule.label),
                *(other.choice.path, other.package.name, other.choice.rule.label),
            )
    rows = [_row(*entry) for place, entry in enumerate(taken) if place not in copies]
    manifest = write_manifest(folder, rows)
    return BuiltCorpus(manifest, rows, missing, len(copies))


def _headers(package: Package, unpacked: UnpackedPackage) -> dict[str, Audio]:
    """Read the headers of the files that a rule labels; kept beside them, since some packages have thousands."""
    notes = unpacked.folder / "headers.json"
    known: dict[str, list[float]] = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(notes.read_text(encoding="utf-8"))
    found = {}
    for path, sha256 in unpacked.audio.items():
        if package.rule_for(path) is not None:
            file = unpacked.file(path)
            if file.name not in known:
                known[file.name] = list(read_header(file, sha256)[1:])
            found[path] = Audio(sha256, known[file.name][0], int(known[file.name][1]))
    _write_at_once(notes, json.dumps(known).encode())
    return found


def _chosen(
    there: Sequence[tuple[Package, UnpackedPackage]], headers: Sequence[dict[str, Audio]], folder: Path
) -> Iterator[_Job]:
    taken: set[str] = set()
    for (package, unpacked), found in zip(there, headers, strict=True):
        licences = Licences(unpacked.documents, package.name, package.licence)
        for choice in select(package, found, taken):
            file = unpacked.file(choice.path)
            name = corpus_name(package.name, choice.path, choice.audio.sha256)
            target = folder / name
            notes = unpacked.folder / "heard" / f"{target.stem}.npz"
            yield _Job(package, unpacked.version, licences.of(choice.path), choice, file, name, target, notes)


def _take(job: _Job) -> tuple[Heard, str] | str:
    """Put a file in its place and hear it; return what was heard and the file's sha256, or why it is left out."""
    try:
        put_in_place(job.file, job.target)
        # Copies are deleted in the end; the notes spare decoding them again.
        known = _read_notes(job)
        if known is not None:
            return known
        heard = hear(job.target, min(job.choice.rule.at_least_s, job.choice.audio.duration_s))
    except FileError as error:
        job.target.unlink(missing_ok=True)
        return str(error)
    sha256 = sha256_of(job.target)
    job.notes.parent.mkdir(exist_ok=True)
    partial = job.notes.with_name(f"partial-{job.notes.name}")
    np.savez(
        partial,
        bytes=job.target.stat().st_size,
        sha256=sha256,
        audio_sha256=heard.audio_sha256,
        duration_s=heard.duration_s,
        pattern=heard.fingerprint.pattern,
        spectrum=heard.fingerprint.spectrum,
    )
    partial.replace(job.notes)
    return heard, sha256


def _read_notes(job: _Job) -> tuple[Heard, str] | None:
    """Read what an earlier build heard of a file; None when it heard nothing of it as it is now."""
    broken = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
    with contextlib.suppress(*broken), np.load(job.notes, allow_pickle=False) as notes:
        if int(notes["bytes"]) == job.target.stat().st_size:
            heard = Heard(
                str(notes["audio_sha256"]),
                float(notes["duration_s"]),
                Fingerprint(notes["pattern"], notes["spectrum"]),
            )
            return heard, str(notes["sha256"])
    return None


def _write_at_once(file: Path, content: bytes) -> None:
    partial = file.with_name(f"partial-{file.name}")
    partial.write_bytes(content)
    partial.replace(file)


def _row(job: _Job, heard: Heard, sha256: str) -> dict[str, str]:
    choice = job.choice
    return manifest_row(
        job.package, job.version, job.licence, choice.rule, job.name, sha256, heard.duration_s, choice.audio.rate_hz
    )


def _end_with_parent() -> None:
    """Let a worker process end when the build does, however that ends; it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
