"""The model that a run labels with: where it is, what it says of itself, and whether it may label."""

from __future__ import annotations

import pathlib
import tempfile

from models.errors import UserError
from models.promotion import check_promoted
from models.saved_model import ModelMetadata, check_model_folder, shipped_model_folder
from pipelines.job_config import JobConfig
from pipelines.remote_paths import check_scheme


def find_model(config: JobConfig) -> tuple[str, ModelMetadata]:
    """Find the model that will label; one on an object store is looked at in a copy.

    Returns
    -------
    folder, metadata
        Where it is, and what it says of itself.

    Raises
    ------
    UserError
        There is no model, it cannot be read, or it was not promoted and the config does not let that be.
    """
    folder = config.model.folder or shipped_model_folder()
    if "://" not in folder:
        return folder, _checked_model(folder, folder, config)
    check_scheme("model.folder", folder)
    from apache_beam.io.filesystems import FileSystems

    from transforms.model_inference import copy_model_folder

    with tempfile.TemporaryDirectory(prefix="earmark-model-") as copy:
        part = "earmark_model.json"
        try:
            with FileSystems.open(f"{folder.rstrip('/')}/{part}") as remote:
                (pathlib.Path(copy) / part).write_bytes(remote.read())
            if not config.model.allow_unpromoted:
                part = "a file of it"
                copy_model_folder(folder, copy)
        except Exception as error:
            raise UserError(
                f"model.folder {folder}: {part} cannot be read ({error}); give the folder of a model."
            ) from error
        return folder, _checked_model(copy, folder, config)


def _checked_model(folder: str, named: str, config: JobConfig) -> ModelMetadata:
    metadata = check_model_folder(folder)
    if not config.model.allow_unpromoted:
        check_promoted(folder, named)
    return metadata
