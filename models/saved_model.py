"""A model folder: its metadata, checked without TensorFlow, and the loaded model."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.calibration import Calibration
from models.errors import UserError
from models.litert_form import LitertForm, litert_form
from models.quiet_tensorflow import quiet_tensorflow
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES, TAXONOMY_VERSION

METADATA_FILE: Final = "earmark_model.json"
SIGNATURE: Final = "serving_default"

#: What this code can feed: windows as the decoder cuts them.
SAMPLE_RATE_HZ: Final = 16_000
WINDOW_S: Final = 5.0

_FIELDS: Final[dict[str, type | tuple[type, ...]]] = {
    "model_version": str,
    "taxonomy_version": str,
    "categories": list,
    "functional_types": list,
    "sample_rate_hz": int,
    "window_s": (int, float),
    "embedding_size": int,
    "calibration": dict,
    "config_sha256": str,
    "data_sha256": str,
}


@dataclasses.dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What ``earmark_model.json`` says of a model.

    Attributes
    ----------
    model_version
        Stands in every row that the model labelled; holds the start of the weights' sha256.
    taxonomy_version, categories, functional_types
        The words that the model was trained on, and their order in its outputs.
    sample_rate_hz, window_s
        What a window is: samples per second, and its length in seconds.
    embedding_size
        Length of the embedding.
    calibration
        From window probabilities to a track's confidence.
    config_sha256, data_sha256
        Hashes of the training config and of the training manifest.
    litert
        The model's LiteRT form, when it has one.
    """

    model_version: str
    taxonomy_version: str
    categories: tuple[str, ...]
    functional_types: tuple[str, ...]
    sample_rate_hz: int
    window_s: float
    embedding_size: int
    calibration: Calibration
    config_sha256: str
    data_sha256: str
    litert: LitertForm | None = None

    @property
    def window_samples(self) -> int:
        """Samples in one window."""
        return round(self.sample_rate_hz * self.window_s)

    def record(self) -> dict[str, Any]:
        """The metadata as JSON-ready values: what ``earmark_model.json`` holds."""
        record: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        if self.litert is None:
            del record["litert"]
        return record


def output_sizes(metadata: ModelMetadata) -> dict[str, int]:
    """Length of each output of a window, by name."""
    return {
        "category": len(CATEGORIES),
        "functional_type": len(FUNCTIONAL_TYPES),
        "presence": len(CATEGORIES),
        "embedding": metadata.embedding_size,
    }


def shipped_model_folder() -> str:
    """Folder of the model that comes with the package.

    Raises
    ------
    UserError
        When the installation holds no model, or more than one.
    """
    weights = pathlib.Path(__file__).parent / "weights"
    folders = sorted(path.parent for path in weights.glob(f"*/{METADATA_FILE}"))
    if len(folders) != 1:
        raise UserError(
            f"{weights}: holds {len(folders)} models, want one; install the package again or name one as model.folder."
        )
    return str(folders[0])


def check_model_folder(folder: str | os.PathLike[str]) -> ModelMetadata:
    """Read and check a model's metadata, without TensorFlow and without reading the weights.

    Raises
    ------
    UserError
        Names the folder, the field, its value and what is expected.
    """
    path = pathlib.Path(folder) / METADATA_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"model folder {folder}: {METADATA_FILE} cannot be read ({error.strerror}); give a folder that "
            "train_classifier wrote."
        ) from error
    except ValueError as error:
        raise UserError(
            f"model folder {folder}: {METADATA_FILE} is no JSON ({error}); train the model again."
        ) from error
    if not isinstance(record, dict):
        raise UserError(f"model folder {folder}: {METADATA_FILE} holds no JSON object; train the model again.")

    def refuse(field: str, value: Any, expectation: str) -> UserError:
        return UserError(f"model folder {folder}: {field} is {value!r}, but {expectation}.")

    for field, kind in _FIELDS.items():
        if field not in record:
            raise UserError(f"model folder {folder}: {METADATA_FILE} lacks {field}; train the model again.")
        if not isinstance(record[field], kind) or isinstance(record[field], bool):
            names = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
            raise refuse(field, record[field], f"{names} is expected")
    if not record["model_version"]:
        raise refuse("model_version", record["model_version"], "a model needs a version")
    for field, wanted in (
        ("taxonomy_version", TAXONOMY_VERSION),
        ("categories", list(CATEGORIES)),
        ("functional_types", list(FUNCTIONAL_TYPES)),
        ("sample_rate_hz", SAMPLE_RATE_HZ),
        ("window_s", WINDOW_S),
    ):
        if record[field] != wanted:
            raise refuse(field, record[field], f"this version of the pipeline works with {wanted!r}")
    if not 1 <= record["embedding_size"] <= 4096:
        raise refuse("embedding_size", record["embedding_size"], "1 to 4096 is expected")
    return ModelMetadata(
        **{field: record[field] for field in _FIELDS if field not in ("categories", "functional_types", "calibration")},
        categories=tuple(record["categories"]),
        functional_types=tuple(record["functional_types"]),
        calibration=_calibration(record["calibration"], refuse),
        litert=litert_form(record.get("litert"), refuse),
    )


def _calibration(record: dict[str, Any], refuse: Any) -> Calibration:
    scale, bias = record.get("scale"), record.get("bias")
    numbers = [scale, *bias] if isinstance(bias, list) else []
    fits = len(numbers) == 1 + len(CATEGORIES) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and np.isfinite(v) for v in numbers
    )
    if not fits or numbers[0] <= 0:
        raise refuse("calibration", record, "a positive scale and three finite biases are expected")
    return Calibration(float(numbers[0]), (float(numbers[1]), float(numbers[2]), float(numbers[3])))


class EarmarkModel:
    """A loaded model; made by :func:`load_model`.

    Attributes
    ----------
    metadata
        What its folder says of it.
    fixed_batch
        Whether a batch has to be filled up for the same numbers to come out.
    """

    fixed_batch: Final = True

    def __init__(self, metadata: ModelMetadata, signature: Any, owner: Any) -> None:
        self.metadata = metadata
        self._signature = signature
        # The signature's variables live only as long as the object that was loaded.
        self._owner = owner

    def predict(
        self,
        waveform: npt.NDArray[np.float32] | Sequence[npt.NDArray[np.float32]],
        valid_samples: npt.NDArray[np.int32],
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Run the network.

        Parameters
        ----------
        waveform
            Mono samples at 16 kHz, shape (n, 80000), or n arrays of shape (80000,); about -1 to 1. What stands behind
            ``valid_samples`` is ignored.
        valid_samples
            Samples of each window that are audio, shape (n,).

        Returns
        -------
        dict
            ``category`` (n, 3) and ``functional_type`` (n, 8), each row summing to 1; ``presence`` (n, 3), each 0 to 1;
            ``embedding`` (n, embedding_size), each of length 1.

        Raises
        ------
        MemoryError
            When TensorFlow finds no memory, the processor's or the accelerator's.
        """
        import tensorflow as tf

        try:
            outputs = self._signature(
                waveform=tf.constant(np.asarray(waveform), tf.float32),
                valid_samples=tf.constant(valid_samples, tf.int32),
            )
        except tf.errors.ResourceExhaustedError as error:
            raise MemoryError(f"TensorFlow has no memory left: {error.message}") from error
        return {name: value.numpy() for name, value in outputs.items()}


def load_model(folder: str | os.PathLike[str], threads: int | None = None) -> EarmarkModel:
    """Load a model folder.

    Parameters
    ----------
    folder
        Holds ``earmark_model.json`` and a SavedModel.
    threads
        Threads inside one operation; one operation runs at a time. None leaves TensorFlow's defaults. It has no effect
        in a process that has already used TensorFlow.

    Raises
    ------
    UserError
        When the metadata do not fit (see :func:`check_model_folder`), there is no SavedModel, or its signature has
        other names, types or shapes.
    """
    metadata = check_model_folder(folder)
    if not (pathlib.Path(folder) / "saved_model.pb").is_file():
        raise UserError(f"model folder {folder}: holds no saved_model.pb; give a folder that train_classifier wrote.")
    with quiet_tensorflow():
        import tensorflow as tf

        if threads is not None:
            # TensorFlow refuses once it has started.
            with contextlib.suppress(RuntimeError):
                tf.config.threading.set_intra_op_parallelism_threads(threads)
                tf.config.threading.set_inter_op_parallelism_threads(1)
        try:
            loaded = tf.saved_model.load(str(folder))
        except (OSError, ValueError, tf.errors.OpError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise UserError(
                f"model folder {folder}: its SavedModel cannot be loaded ({reason}); train the model again."
            ) from error
    if SIGNATURE not in loaded.signatures:
        raise UserError(
            f"model folder {folder}: has the signatures {sorted(loaded.signatures)}, but {SIGNATURE!r} is expected."
        )
    signature = loaded.signatures[SIGNATURE]
    _check_signature(folder, metadata, signature)
    return EarmarkModel(metadata, signature, loaded)


def _check_signature(folder: str | os.PathLike[str], metadata: ModelMetadata, signature: Any) -> None:
    given = {name: (spec.dtype.name, spec.shape) for name, spec in signature.structured_input_signature[1].items()}
    made = {name: (spec.dtype.name, spec.shape) for name, spec in signature.structured_outputs.items()}
    for side, found, wanted in (
        (
            "input",
            given,
            {"waveform": ("float32", [None, metadata.window_samples]), "valid_samples": ("int32", [None])},
        ),
        (
            "output",
            made,
            {
                "category": ("float32", [None, len(CATEGORIES)]),
                "functional_type": ("float32", [None, len(FUNCTIONAL_TYPES)]),
                "presence": ("float32", [None, len(CATEGORIES)]),
                "embedding": ("float32", [None, metadata.embedding_size]),
            },
        ),
    ):
        if set(found) != set(wanted):
            raise UserError(
                f"model folder {folder}: its {side}s are {sorted(found)}, but {sorted(wanted)} are expected."
            )
        for name, (dtype, shape) in wanted.items():
            # An output of unknown size would pass a check of compatibility.
            if found[name][0] != dtype or found[name][1].rank is None or found[name][1].as_list() != shape:
                raise UserError(
                    f"model folder {folder}: {side} {name} is {found[name][0]} {found[name][1]}, but {dtype} {shape} "
                    "is expected."
                )
