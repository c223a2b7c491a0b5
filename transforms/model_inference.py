"""The classifier inside Beam's RunInference: one model per worker process, batches across tracks."""

from __future__ import annotations

import os
import pathlib
import tempfile
import threading
import weakref
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from apache_beam.ml.inference.base import ModelHandler

from models.audio_windows import make_window
from models.errors import UserError
from models.saved_model import check_model_folder, output_sizes, shipped_model_folder
from models.steady_tone import steady_tone_hz
from models.window_records import DecodedWindow, DecodePlan, WindowPrediction
from transforms.allocator import keep_freed_memory
from transforms.classification_failures import NOT_OF_THE_AUDIO, failure_of

if TYPE_CHECKING:
    from models.litert_form import Runtime
    from models.litert_model import LitertModel
    from models.saved_model import EarmarkModel

    WindowModel = EarmarkModel | LitertModel

#: Models that some stage of this process holds, by process, folder, threads and runtime.
_loaded: weakref.WeakValueDictionary[tuple[int, str, int, str], WindowModel] = weakref.WeakValueDictionary()
_loaded_lock = threading.Lock()

#: Goes before the version of the model that ships: a worker's copy of Earmark may lie elsewhere than the launcher's.
_SHIPPED: Final = "shipped:"


class EarmarkModelHandler(ModelHandler[DecodedWindow, WindowPrediction, "WindowModel"]):
    """Loads a model folder and predicts batches of windows.

    For a SavedModel every batch is filled up to ``batch_windows`` windows before it goes through the network. A matrix
    product of another size may round differently in its last bit, and the same run must give the same rows whatever
    windows happened to share a batch.

    Parameters
    ----------
    model_folder
        A model folder on any file system that Beam reads. That of the model that ships is looked up anew by each
        worker, in its own installation.
    batch_windows
        Windows per call of the network.
    threads
        Threads that the network may use in one worker process.
    runtime
        Which form of the model to load. It is chosen where the job starts, never by a worker: see
        :func:`models.litert_form.choose_runtime`.
    """

    def __init__(
        self, model_folder: str, batch_windows: int = 16, threads: int = 1, runtime: Runtime = "saved_model"
    ) -> None:
        super().__init__(min_batch_size=batch_windows, max_batch_size=batch_windows)
        self._model_folder = _wherever_installed(model_folder)
        self._batch_windows = batch_windows
        self._threads = threads
        self._runtime = runtime

    def load_model(self) -> WindowModel:
        """Load the model once per worker process: Beam shares it between threads, this also between rounds."""
        key = (os.getpid(), self._model_folder, self._threads, self._runtime)
        with _loaded_lock:
            model = _loaded.get(key)
            if model is None:
                keep_freed_memory()  # a worker that classifies also takes windows in
                model = _loaded[key] = self._load()
            return model

    def _load(self) -> WindowModel:
        if self._model_folder.startswith(_SHIPPED):
            return self._load_local(_shipped_here(self._model_folder.removeprefix(_SHIPPED)))
        if "://" not in self._model_folder:
            return self._load_local(self._model_folder)
        with tempfile.TemporaryDirectory(prefix="earmark-model-") as folder:
            copy_model_folder(self._model_folder, folder)
            return self._load_local(folder)

    def _load_local(self, folder: str) -> WindowModel:
        if self._runtime == "litert":
            from models.litert_model import load_litert_model

            return load_litert_model(folder, threads=self._threads)
        from models.saved_model import load_model

        return load_model(folder, threads=self._threads)

    def run_inference(
        self, batch: Sequence[DecodedWindow], model: WindowModel, inference_args: dict[str, Any] | None = None
    ) -> Iterable[WindowPrediction]:
        """Predict each window of a batch, in order.

        A window whose content makes the front end, the network or the search for a tone fail, or the network give
        numbers that are not finite, gets a prediction with a ``failure``; its neighbours are predicted as ever.

        Raises
        ------
        Exception
            Whatever failed, when it is no matter of the windows: an error of memory or of the system, or one that a
            window of plain noise meets too.
        """
        try:
            return self._predict(batch, model)
        except NOT_OF_THE_AUDIO:
            raise
        except Exception:
            return self._predict_one_by_one(batch, model)

    def _predict_one_by_one(self, batch: Sequence[DecodedWindow], model: WindowModel) -> list[WindowPrediction]:
        """Predict a batch in which something fails, so that it costs the audio alone that it is in."""
        predictions = []
        for window in batch:
            try:
                predictions += self._predict([window], model)
            except NOT_OF_THE_AUDIO:
                raise
            except Exception as error:
                predictions.append(_failed(window, failure_of(error), model))
        if any(prediction.failure is not None for prediction in predictions):
            # Is it the audio? A model that fails on any window is broken, and must not make a dead letter of each row.
            self._predict([_plain_window(model)], model)
        return predictions

    def _predict(self, batch: Sequence[DecodedWindow], model: WindowModel) -> list[WindowPrediction]:
        waveform = [window.samples for window in batch]
        valid_samples = [window.valid_samples for window in batch]
        if model.fixed_batch:
            missing = max(0, self._batch_windows - len(batch))
            waveform += [np.zeros_like(waveform[0])] * missing
            valid_samples += [waveform[0].size] * missing
        outputs = model.predict(waveform, np.array(valid_samples, np.int32))
        for name, values in outputs.items():
            if not np.isfinite(values[: len(batch)]).all():
                raise FloatingPointError(f"the network's {name} is not finite")
        rate_hz = model.metadata.sample_rate_hz
        return [
            WindowPrediction(
                start_s=window.start_s,
                duration_s=window.valid_samples / rate_hz,
                peak_dbfs=window.peak_dbfs,
                # Copies, so that a prediction does not keep its whole batch alive.
                category=outputs["category"][index].copy(),
                functional_type=outputs["functional_type"][index].copy(),
                presence=outputs["presence"][index].copy(),
                embedding=outputs["embedding"][index].copy(),
                tone_hz=steady_tone_hz(window.samples[: window.valid_samples], rate_hz),
            )
            for index, window in enumerate(batch)
        ]

    def get_num_bytes(self, batch: Sequence[DecodedWindow]) -> int:
        """Bytes of samples in a batch; Beam's own way would pickle every batch to find out."""
        return sum(window.samples.nbytes for window in batch)

    def get_metrics_namespace(self) -> str:
        """Namespace of RunInference's own metrics (batch size, latency, load time)."""
        return type(self).__name__


def _failed(window: DecodedWindow, failure: str, model: WindowModel) -> WindowPrediction:
    """Stand in for a prediction that could not be made."""
    zeros = {name: np.zeros(size, np.float32) for name, size in output_sizes(model.metadata).items()}
    return WindowPrediction(
        start_s=window.start_s,
        duration_s=window.valid_samples / model.metadata.sample_rate_hz,
        peak_dbfs=window.peak_dbfs,
        category=zeros["category"],
        functional_type=zeros["functional_type"],
        presence=zeros["presence"],
        embedding=zeros["embedding"],
        failure=failure,
    )


def _plain_window(model: WindowModel) -> DecodedWindow:
    """Noise at -20 dB re full scale, which every working model has an answer to."""
    noise = np.random.default_rng(0).normal(0, 0.1, model.metadata.window_samples).astype(np.float32)
    return make_window(0, noise, DecodePlan())


def _wherever_installed(folder: str) -> str:
    """Name the model that ships by its version, any other by its folder."""
    try:
        shipped = shipped_model_folder()
    except UserError:  # an installation without a model
        return folder
    if "://" in folder or not pathlib.Path(folder).is_dir() or not pathlib.Path(folder).samefile(shipped):
        return folder
    return f"{_SHIPPED}{check_model_folder(shipped).model_version}"


def _shipped_here(model_version: str) -> str:
    folder = shipped_model_folder()
    found = check_model_folder(folder).model_version
    if found != model_version:
        raise RuntimeError(
            f"the job was started with the model {model_version}, but this worker's Earmark ships {found}; give "
            "workers the Earmark that starts the job (--sdk_container_image or --setup_file)"
        )
    return folder


def copy_model_folder(source: str, destination: str) -> None:
    """Copy a model folder from any Beam file system to a local folder.

    Parameters
    ----------
    source
        Such as ``gs://bucket/models/earmark``.
    destination
        An existing local folder.
    """
    from apache_beam.io.filesystems import FileSystems

    source = source.rstrip("/")
    for metadata in FileSystems.match([f"{source}/**"])[0].metadata_list:
        if metadata.path.endswith("/"):  # an empty object that some tools make for a folder
            continue
        target = pathlib.Path(destination) / metadata.path[len(source) + 1 :]
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileSystems.open(metadata.path) as remote, target.open("wb") as local:
            while block := remote.read(1 << 20):
                local.write(block)
