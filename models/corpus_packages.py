"""Fetch the packages of a corpus with the ordinary clients, and keep their audio unpacked."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from models.corpus_recipe import Package
from models.corpus_unpacking import Limits, PackageError, Unpacker, kept_name
from models.errors import UserError

INDEX_FILE: Final = "index.json"
_PARTIAL: Final = ".partial-"
#: The largest package takes minutes on a slow line; a client that hangs is given up after this.
_CLIENT_TIMEOUT_S: Final = 2 * 3600


@dataclasses.dataclass(frozen=True, slots=True)
class UnpackedPackage:
    """A package whose audio lies unpacked in a folder.

    Attributes
    ----------
    folder
        Holds the audio and the index.
    version
        Of the package.
    suffixes
        Audio suffixes that were looked for.
    audio, documents, left_out
        As in :class:`models.corpus_unpacking.Unpacked`.
    """

    folder: Path
    version: str
    suffixes: list[str]
    audio: dict[str, str]
    documents: dict[str, str]
    left_out: list[str]

    def file(self, path: str) -> Path:
        """Where the audio file lies that has this path inside the package."""
        return self.folder / kept_name(path, self.audio[path])


def check_clients(packages: Sequence[Package], package_dir: Path | None) -> None:
    """Make sure that the clients are there which fetch and unpack the packages.

    Raises
    ------
    UserError
        Names the one that is missing and how to come by it.
    """
    if package_dir is not None and not package_dir.is_dir():
        raise UserError(f"--package_dir {package_dir}: is no folder; give the one with the .deb and .whl files.")
    sources = {package.source for package in packages}
    needed = ["dpkg-deb"] if "debian" in sources else []
    if "debian" in sources and package_dir is None:
        needed.append("apt-get")
    for program in needed:
        if shutil.which(program) is None:
            raise UserError(f"{program} is not installed; the recipe's packages are Debian's, so build on Debian.")
    if "pypi" in sources and package_dir is None and importlib.util.find_spec("pip") is None:
        raise UserError("pip is not installed for this Python; run python -m ensurepip first.")


def fetch_packages(
    packages: Sequence[Package],
    folder: Path,
    suffixes: list[str],
    package_dir: Path | None,
    jobs: int,
    limits: Limits | None = None,
) -> Iterator[tuple[Package, UnpackedPackage | PackageError]]:
    """Fetch and unpack packages, except those that are there from a run before.

    Parameters
    ----------
    packages
        What to fetch.
    folder
        Where each gets a folder of its own.
    suffixes
        Of audio files.
    package_dir
        Folder with downloaded ``.deb`` and ``.whl`` files; None to download.
    jobs
        How many at once.
    limits
        Bounds on what a package may unpack to.

    Yields
    ------
    tuple
        In the order of ``packages``: the package, and where it lies or why it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left_behind in folder.glob(_PARTIAL + "*"):
        shutil.rmtree(left_behind, ignore_errors=True)

    def fetch(package: Package) -> UnpackedPackage | PackageError:
        try:
            return _fetch(package, folder, suffixes, package_dir, limits)
        except PackageError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        yield from zip(packages, pool.map(fetch, packages), strict=True)


def _fetch(
    package: Package, folder: Path, suffixes: list[str], package_dir: Path | None, limits: Limits | None
) -> UnpackedPackage:
    home = folder / f"{package.source}-{package.name}"
    there = _read_index(home)
    if there is not None and there.suffixes == suffixes:
        return there
    with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=folder) as partial:
        download, audio = Path(partial, "download"), Path(partial, "audio")
        download.mkdir()
        audio.mkdir()
        obtain = _find if package_dir is not None else _download
        file, version = obtain(package, package_dir or download)
        unpacker = Unpacker(audio, suffixes, limits)
        unpacked = unpacker.debian(file) if package.source == "debian" else unpacker.wheel(file)
        fetched = UnpackedPackage(home, version, suffixes, unpacked.audio, unpacked.documents, unpacked.left_out)
        record = {key: value for key, value in dataclasses.asdict(fetched).items() if key != "folder"}
        (audio / INDEX_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        shutil.rmtree(home, ignore_errors=True)
        # All at once: a folder with its name is complete.
        audio.rename(home)
    return fetched


def _read_index(home: Path) -> UnpackedPackage | None:
    try:
        record = json.loads((home / INDEX_FILE).read_text(encoding="utf-8"))
        return UnpackedPackage(home, **record)
    except (OSError, ValueError, TypeError):
        return None


def _download(package: Package, folder: Path) -> tuple[Path, str]:
    """Download a package; return the file and its version."""
    if package.source == "pypi":
        wanted = f"{package.name}=={package.version}"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        _run([*pip, "--dest", str(folder), wanted], folder)
        return _the_one(package, folder.glob("*.whl"), _wheel_version)
    # As root, apt would give its rights away to a user who may not write to this folder.
    apt = ["apt-get", "download", "-o", "APT::Sandbox::User=root"]
    try:
        _run([*apt, f"{package.name}={package.version}"], folder)
    except PackageError:
        _run([*apt, package.name], folder)
    return _the_one(package, folder.glob("*.deb"), _debian_version)


def _find(package: Package, folder: Path) -> tuple[Path, str]:
    """Look for a package among downloaded ones; return the file and its version."""
    if package.source == "pypi":
        stem = package.name.replace("-", "_")
        return _the_one(package, folder.glob(f"{stem}-*.whl"), _wheel_version)
    return _the_one(package, folder.glob(f"{package.name}_*.deb"), _debian_version)


def _the_one(package: Package, files: Iterator[Path], version_of: Callable[[Path], str]) -> tuple[Path, str]:
    """Pick the tested version, else the one that there is."""
    versions = {file: version_of(file) for file in sorted(files)}
    tested = [file for file, version in versions.items() if version == package.version]
    if not versions:
        raise PackageError("no such file in --package_dir")
    if not tested and len(versions) > 1:
        raise PackageError(f"{len(versions)} files, none of them the tested version {package.version}")
    file = (tested or list(versions))[0]
    return file, versions[file]


def _debian_version(file: Path) -> str:
    return _run(["dpkg-deb", "--field", str(file), "Version"], file.parent).strip()


def _wheel_version(file: Path) -> str:
    """Version as the wheel's name gives it: the second field."""
    if not zipfile.is_zipfile(file):
        raise PackageError(f"{file.name} is no wheel")
    return file.name.split("-")[1]


def _run(command: list[str], folder: Path) -> str:
    """Run a client in a folder and return what it prints; its last complaint becomes the error."""
    try:
        done = subprocess.run(  # noqa: S603 - a list, no shell, and the recipe's names begin with no dash
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CLIENT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PackageError(f"{command[0]} was given up after {_CLIENT_TIMEOUT_S} s") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise PackageError(f"{Path(command[0]).name}: {lines[-1][:200] if lines else 'failed without a word'}")
    return done.stdout
