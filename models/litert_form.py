"""What a model folder says of its LiteRT form, and which of its forms is to label."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import math
import os
import pathlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal

from models.errors import UserError
from models.front_end import FrontEnd

if TYPE_CHECKING:
    from models.saved_model import ModelMetadata

Runtime = Literal["saved_model", "litert"]

#: Where ``models.litert_export`` puts it.
LITERT_FILE: Final = "litert/network_int8.tflite"
#: What is put behind ``model_version`` in every row that this form labelled: its last digits differ from those of the
#: SavedModel, and rows of two forms must not pass for rows of one.
LITERT_SUFFIX: Final = ".int8"


@dataclasses.dataclass(frozen=True, slots=True)
class LitertForm:
    """The section ``litert`` of a model's metadata.

    Attributes
    ----------
    file
        Path of the LiteRT file in the model's folder, with ``/``.
    sha256
        Of that file.
    front_end
        Settings of the front end, which is no part of the file.
    """

    file: str
    sha256: str
    front_end: FrontEnd


def litert_form(record: Any, refuse: Callable[[str, Any, str], UserError]) -> LitertForm | None:
    """Read the section ``litert``; None when there is none.

    Parameters
    ----------
    record
        What the metadata hold under ``litert``.
    refuse
        Makes the error out of a field, its value and what is expected.
    """
    if record is None:
        return None
    if not isinstance(record, dict) or set(record) != {"file", "sha256", "front_end"}:
        raise refuse("litert", record, "file, sha256 and front_end are expected")
    file, sha256, settings = record["file"], record["sha256"], record["front_end"]
    path = pathlib.PurePosixPath(file) if isinstance(file, str) else None
    if path is None or not path.name or path.is_absolute() or ".." in path.parts:
        raise refuse("litert.file", file, "a path inside the folder is expected")
    if not (isinstance(sha256, str) and re.fullmatch("[0-9a-f]{64}", sha256)):
        raise refuse("litert.sha256", sha256, "64 hex digits are expected")
    if not _is_front_end(settings):
        fields = ", ".join(field.name for field in dataclasses.fields(FrontEnd))
        raise refuse("litert.front_end", settings, f"numbers for {fields} are expected")
    return LitertForm(file, sha256, FrontEnd(**settings))


def _is_front_end(settings: Any) -> bool:
    usual = dataclasses.asdict(FrontEnd())
    if not isinstance(settings, dict) or set(settings) != set(usual):
        return False
    for name, value in settings.items():
        whole = isinstance(usual[name], int)
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            return False
        if not math.isfinite(value) or (whole and value < 1):
            return False
    return True


def read_litert_file(folder: str | os.PathLike[str], metadata: ModelMetadata) -> bytes:
    """Read the LiteRT file of a model folder.

    Raises
    ------
    UserError
        When the folder has none, or it is not the file that the metadata name.
    """
    if metadata.litert is None:
        raise UserError(
            f"model folder {folder}: has no LiteRT form; set model.runtime to saved_model or auto, or train the model "
            "again."
        )
    path = pathlib.Path(folder) / metadata.litert.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"model folder {folder}: {metadata.litert.file} cannot be read ({error.strerror}); copy the folder whole."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != metadata.litert.sha256:
        raise UserError(
            f"model folder {folder}: {metadata.litert.file} has the sha256 {digest}, but {metadata.litert.sha256} is "
            "expected; copy the folder whole."
        )
    return content


def choose_runtime(wanted: str, metadata: ModelMetadata, local: bool = True) -> Runtime:
    """Which form of a model is to label. Asked once, where a job starts: rows of two forms must not mix.

    Parameters
    ----------
    wanted
        ``saved_model``, ``litert``, or ``auto``: the SavedModel where a GPU is in reach, else the LiteRT form when the
        model has one, else the SavedModel.
    local
        Whether workers run on this machine. What other machines have is not known here, so ``auto`` takes them for
        machines without a GPU.

    Raises
    ------
    UserError
        When ``litert`` is wanted of a model without that form, or where LiteRT is not installed.
    """
    if wanted == "saved_model":
        return "saved_model"
    installed = importlib.util.find_spec("ai_edge_litert") is not None
    if wanted == "litert":
        if metadata.litert is None:
            raise UserError(
                f"model.runtime litert: the model {metadata.model_version} has no LiteRT form; set it to saved_model "
                "or auto."
            )
        if not installed:
            raise UserError("model.runtime litert: LiteRT is not installed; run pip install ai-edge-litert.")
        return "litert"
    if metadata.litert is None or not installed or (local and gpu_in_reach()):
        return "saved_model"
    return "litert"


def gpu_in_reach() -> bool:
    """Whether TensorFlow would find an NVIDIA GPU here, as far as can be told without importing it."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return False
    return pathlib.Path("/dev/nvidia0").exists() or pathlib.Path("/dev/dxg").exists()


def served_metadata(metadata: ModelMetadata, runtime: Runtime) -> ModelMetadata:
    """The metadata with the version that stands in the rows which this form labels."""
    if runtime == "saved_model":
        return metadata
    return dataclasses.replace(metadata, model_version=metadata.model_version + LITERT_SUFFIX)
