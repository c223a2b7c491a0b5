"""The folder that a job writes its files to."""

from __future__ import annotations

import pathlib
import tempfile

from models.errors import UserError


def make_output_folder(output: pathlib.Path) -> None:
    """Make the folder of ``--output``, and refuse one that cannot be written: before the work, not after it.

    Raises
    ------
    UserError
        Names the folder and what is wrong with it.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise UserError(f"--output {output}: cannot be written ({error.strerror}); give a folder that can.") from error
