"""The folder that a job writes its files to."""

from __future__ import annotations

import pathlib
import tempfile

from models.errors import UserError


def make_folder(flag: str, folder: pathlib.Path) -> None:
    """Make the folder of a flag, and refuse one that cannot be written: before the work, not after it.

    Raises
    ------
    UserError
        Names the flag and the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{flag} {folder}: cannot be written ({error.strerror}); give a folder that can.") from error
