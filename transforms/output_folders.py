"""The folder that a job writes its files to."""

from __future__ import annotations

import pathlib

from models.errors import UserError


def make_output_folder(output: pathlib.Path) -> None:
    """Make the folder of ``--output``; raises :class:`UserError` when it cannot be."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output {output}: cannot be made ({error.strerror}); give a folder that can.") from error
