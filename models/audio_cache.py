"""All recordings of a manifest, decoded once to 16 kHz mono and kept in one memory-mapped file."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import pathlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.audio_decoding import decode_windows
from models.errors import UserError
from models.labels_of_corpus import Recording
from models.window_records import DecodePlan


class AudioCache:
    """Samples by the recording's place in the manifest.

    Parameters
    ----------
    folder
        Where :func:`build_audio_cache` put them. Only paths are kept when this object is sent to another process.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._spans: list[list[int]] = json.loads((folder / "spans.json").read_text())
        self._samples: npt.NDArray[np.int16] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"_folder": self._folder, "_spans": self._spans, "_samples": None}

    def samples(self, index: int) -> npt.NDArray[np.int16]:
        """All samples of a recording, shape (samples,), int16 at 16 kHz mono."""
        if self._samples is None:
            self._samples = np.memmap(self._folder / "samples.i16", np.int16, "r")
        start, count = self._spans[index]
        return self._samples[start : start + count]


def build_audio_cache(recordings: Sequence[Recording], folder: pathlib.Path, processes: int) -> AudioCache:
    """Decode the recordings unless that was done before.

    Raises
    ------
    UserError
        When a recording cannot be decoded; names the file.
    """
    if not (folder / "spans.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        spans, position = [], 0
        context = multiprocessing.get_context("spawn")
        with (
            concurrent.futures.ProcessPoolExecutor(processes, mp_context=context) as pool,
            (folder / "samples.i16").open("wb") as file,
        ):
            for decoded in pool.map(_decode, [recording.path for recording in recordings], chunksize=8):
                file.write(decoded.tobytes())
                spans.append([position, len(decoded)])
                position += len(decoded)
        (folder / "spans.json").write_text(json.dumps(spans))
    return AudioCache(folder)


def _decode(path: str) -> npt.NDArray[np.int16]:
    windows = decode_windows(path, DecodePlan(coverage="full", min_duration_s=0.0))
    pieces: list[npt.NDArray[np.int16]] = []
    while True:
        try:
            window = next(windows)
        except StopIteration as stop:
            if not pieces:
                raise UserError(
                    f"{path}: cannot be decoded ({stop.value.message}); take it out of the manifest."
                ) from None
            return np.concatenate(pieces)
        samples = np.clip(window.samples[: window.valid_samples], -1, 1)
        pieces.append(np.round(samples * 32767).astype(np.int16))
