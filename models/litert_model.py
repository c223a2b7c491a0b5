"""A model in its LiteRT form: :class:`~models.saved_model.EarmarkModel`'s answers, without TensorFlow."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.errors import UserError
from models.front_end_numpy import NumpyFrontEnd
from models.litert_form import read_litert_file
from models.quiet_tensorflow import quiet_tensorflow
from models.saved_model import ModelMetadata, check_model_folder, output_sizes

_INPUT: Final = "picture"
#: Turning standard error aside is not for two threads at once.
_starting = threading.Lock()


class LitertModel:
    """A loaded model; made by :func:`load_litert_model`.

    Windows go through it one by one: that is as fast as in batches, and no window can change another's numbers. Any
    number of threads may use it at once; each gets an interpreter of its own.

    Attributes
    ----------
    metadata
        What its folder says of it.
    fixed_batch
        Whether a batch has to be filled up for the same numbers to come out.
    """

    fixed_batch: Final = False

    def __init__(self, metadata: ModelMetadata, content: bytes, threads: int | None) -> None:
        self.metadata = metadata
        self._content = content
        self._threads = threads
        self._of_thread = threading.local()

    def predict(
        self,
        waveform: npt.NDArray[np.float32] | Sequence[npt.NDArray[np.float32]],
        valid_samples: npt.NDArray[np.int32],
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Run the network; parameters and result as in :meth:`models.saved_model.EarmarkModel.predict`."""
        network = self._network()
        outputs = {
            name: np.empty((len(waveform), size), np.float32) for name, size in output_sizes(self.metadata).items()
        }
        for index, picture in enumerate(network.front_end.pictures(waveform, valid_samples)):
            for name, value in network.classify(picture).items():
                outputs[name][index] = value
        return outputs

    def _network(self) -> _Network:
        network: _Network | None = getattr(self._of_thread, "network", None)
        if network is None:
            with _starting, quiet_tensorflow():
                network = self._of_thread.network = _Network(self.metadata, self._content, self._threads)
        return network


class _Network:
    """One thread's front end and interpreter.

    Raises
    ------
    ValueError, RuntimeError
        When the content is no network of this model's shape.
    """

    def __init__(self, metadata: ModelMetadata, content: bytes, threads: int | None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        if metadata.litert is None:
            raise ValueError("the model has no LiteRT form")
        self.front_end = NumpyFrontEnd(metadata.litert.front_end)
        self._interpreter: Any = Interpreter(model_content=content, num_threads=threads)
        runner = self._interpreter.get_signature_runner()
        given, made = runner.get_input_details(), runner.get_output_details()
        sizes = output_sizes(metadata)
        found = {name: int(details["shape"][-1]) for name, details in made.items()}
        if set(given) != {_INPUT} or found != sizes:
            raise ValueError(f"it maps {sorted(given)} to {found}, but {sizes} are expected")
        self._input = given[_INPUT]["index"]
        self._outputs = {name: details["index"] for name, details in made.items()}
        # An interpreter that is referred to from anywhere else refuses to be resized.
        del runner
        self._frames = 0
        self._resize(metadata.litert.front_end.frames, metadata.litert.front_end.mel_bands)

    def classify(self, picture: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        """Outputs of one picture (frames, mel_bands), each of shape (1, size)."""
        if len(picture) != self._frames:
            self._resize(*picture.shape)
        self._interpreter.set_tensor(self._input, picture[np.newaxis, :, :, np.newaxis])
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}

    def _resize(self, frames: int, mel_bands: int) -> None:
        self._interpreter.resize_tensor_input(self._input, [1, frames, mel_bands, 1])
        self._interpreter.allocate_tensors()
        self._frames = frames


def load_litert_model(folder: str | os.PathLike[str], threads: int | None = 1) -> LitertModel:
    """Load the LiteRT form of a model folder.

    Parameters
    ----------
    folder
        Holds ``earmark_model.json`` and the file that its section ``litert`` names.
    threads
        Threads inside one operation.

    Raises
    ------
    UserError
        When the metadata do not fit, the folder has no LiteRT form, or its file is another than the metadata name or
        holds another network.
    """
    metadata = check_model_folder(folder)
    content = read_litert_file(folder, metadata)
    model = LitertModel(metadata, content, threads)
    try:
        model.predict(np.zeros((1, metadata.window_samples), np.float32), np.array([metadata.window_samples], np.int32))
    except (ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"model folder {folder}: its LiteRT file cannot be used ({reason}); train the model again."
        ) from error
    return model
