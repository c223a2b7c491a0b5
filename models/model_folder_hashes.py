"""The sha256 of every file of a model folder: what a promotion holds fast, and what the main job compares."""

from __future__ import annotations

import hashlib
import os
import pathlib
from typing import Final

PROMOTION_FILE: Final = "promotion.json"
_BLOCK_BYTES: Final = 1 << 20


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Hash of a file's content, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with pathlib.Path(path).open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def folder_hashes(folder: str | os.PathLike[str]) -> dict[str, str]:
    """Hash every file of a model folder but ``promotion.json``.

    Hidden files and folders are left out: desktops and tools drop them anywhere, and no loader reads them.

    Parameters
    ----------
    folder
        A local model folder; a few MB, so a few milliseconds.

    Returns
    -------
    dict
        From paths relative to the folder, with ``/`` and in order, to 64 hexadecimal digits.
    """
    root = pathlib.Path(folder)
    names = []
    # Links are followed, as a loader follows them.
    for parent, folders, files in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = pathlib.Path(parent).relative_to(root)
        names += [(below / name).as_posix() for name in files if not name.startswith(".")]
    return {name: file_sha256(root / name) for name in sorted(names) if name != PROMOTION_FILE}
