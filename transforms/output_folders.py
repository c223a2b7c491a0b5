"""The folder that a job writes its files to."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator, Sequence

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


@contextlib.contextmanager
def replaced_files(output: pathlib.Path, names: Sequence[str]) -> Iterator[None]:
    """Around the writing of a job's files: those of an earlier job are deleted before it, and all when it fails.

    So no file of one job ever stands beside files of another, and a folder in which the first name is missing is not
    whole, also after ``kill -9``. Files of other names stay.

    Parameters
    ----------
    output
        From :func:`make_output_folder`.
    names
        Every file that the job may write; first the one that it writes last.

    Raises
    ------
    UserError
        A file of an earlier job cannot be deleted.
    """
    try:
        _delete(output, names)
    except OSError as error:
        raise UserError(
            f"--output {output}: {error.filename} of an earlier job cannot be deleted ({error.strerror}); give another "
            "folder."
        ) from error
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            _delete(output, names)
        raise


def _delete(output: pathlib.Path, names: Sequence[str]) -> None:
    for name in names:
        (output / name).unlink(missing_ok=True)
        partial_file(output / name).unlink(missing_ok=True)


def partial_file(path: pathlib.Path) -> pathlib.Path:
    """What a file is called beside itself until it is whole."""
    return path.with_name(f".{path.name}.writing")
