"""Where the main job reads audio and writes tables, checked before any work."""

from __future__ import annotations

import os
import pathlib

from models.errors import UserError
from pipelines.remote_paths import check_bucket, check_scheme


def find_audio_root(catalog: str, audio_root: str | None) -> str:
    """What ``audio_uri`` is relative to: ``--audio_root``, by default the folder of ``--catalog``.

    Raises
    ------
    UserError
        It is no folder, or missing where a catalog has none.
    """
    if audio_root is None:
        if catalog.startswith("bigquery:"):
            raise UserError(
                "--audio_root: is missing; a BigQuery catalog has no folder, so say what audio_uri is relative to."
            )
        folder = catalog.rpartition("/")[0] or ("/" if catalog.startswith("/") else ".")
        while any(character in folder for character in "*?["):
            folder = folder.rpartition("/")[0] or "."
        return folder
    if not audio_root:
        raise UserError("--audio_root '': is empty; give a folder.")
    check_scheme("--audio_root", audio_root)
    if "://" not in audio_root and not pathlib.Path(audio_root).is_dir():
        raise UserError(f"--audio_root {audio_root}: is no folder; give the folder that audio_uri is relative to.")
    return audio_root


def absolute(path: str) -> str:
    """Make a local path mean the same to a worker process, which was started in another folder."""
    # Not resolved: a link may lead somewhere else on the worker.
    return path if path.startswith("bigquery:") or "://" in path else os.path.abspath(path)  # noqa: PTH100


def check_output(output: str) -> None:
    """See that ``--output`` can be a folder that is written to.

    Raises
    ------
    UserError
        It cannot.
    """
    if not output:
        raise UserError("--output '': is empty; give a folder.")
    check_scheme("--output", output)
    if "://" in output:
        check_bucket("--output", output)
        return
    path = pathlib.Path(output)
    existing = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not existing.is_dir():
        raise UserError(f"--output {output}: {existing} is a file; give a folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"--output {output}: {existing} cannot be written to; give a folder that can.")
