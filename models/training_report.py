"""How good a model is on the dev split: tracks by length, types, and windows made hard on purpose."""

from __future__ import annotations

import dataclasses
import logging
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.audio_cache import AudioCache
from models.audio_decoding import decode_windows
from models.calibration import Calibration
from models.labels_of_corpus import Recording
from models.metrics import balanced_accuracy, category_metrics
from models.saved_model import EarmarkModel
from models.taxonomy import CATEGORIES, FUNCTIONAL, FUNCTIONAL_TYPES
from models.training_config import PoolConfig
from models.training_pool import DrawTask, drawn_chunks
from models.window_records import DecodePlan

_LOG = logging.getLogger(__name__)
#: A window below this peak is silence by level, and no matter for the network.
SILENT_PEAK_DBFS: Final = -60.0
_LONG_S: Final = 5.0
_BATCH: Final = 16
#: Windows per hard slice, and how each slice is drawn.
SLICE_WINDOWS: Final = 384
SLICES: Final = {
    "whole_windows": PoolConfig(mixed_share=0.0, short_share=0.0),
    "short_windows": PoolConfig(mixed_share=0.0, short_share=1.0),
    "mixes": PoolConfig(mixed_share=1.0, short_share=0.0),
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TrackOutputs:
    """What a model says of tracks.

    Attributes
    ----------
    category
        Weighted mean of the window probabilities, shape (tracks, 3); silent tracks are functional.
    functional_type
        Sum of the window probabilities, shape (tracks, 8).
    duration_s
        Of each track, shape (tracks,), in seconds.
    """

    category: npt.NDArray[np.float64]
    functional_type: npt.NDArray[np.float64]
    duration_s: npt.NDArray[np.float64]


def predict_tracks(model: EarmarkModel, recordings: Iterable[Recording]) -> TrackOutputs:
    """Decode up to six windows of each recording, as the main job does, and average what the model says of them."""
    category, functional_type, duration = [], [], []
    for recording in recordings:
        decoding = decode_windows(recording.path, DecodePlan(min_duration_s=0.0))
        windows = []
        while True:
            try:
                windows.append(next(decoding))
            except StopIteration as stop:
                duration.append(stop.value.duration_s)
                break
        heard = [w for w in windows if w.peak_dbfs >= SILENT_PEAK_DBFS and w.valid_samples > 0]
        if not heard:
            category.append(np.eye(3)[CATEGORIES.index(FUNCTIONAL)])
            functional_type.append(np.eye(len(FUNCTIONAL_TYPES))[FUNCTIONAL_TYPES.index("silence")])
            continue
        outputs = model.predict(
            np.stack([w.samples for w in heard]), np.array([w.valid_samples for w in heard], np.int32)
        )
        weights = np.array([w.valid_samples for w in heard], np.float64)
        category.append(weights @ outputs["category"] / weights.sum())
        functional_type.append(weights @ outputs["functional_type"])
    return TrackOutputs(np.stack(category), np.stack(functional_type), np.array(duration))


def truth_of(recordings: Sequence[Recording]) -> npt.NDArray[np.int64]:
    """Index of each recording's category."""
    return np.array([CATEGORIES.index(recording.label) for recording in recordings])


def track_report(recordings: Sequence[Recording], outputs: TrackOutputs, calibration: Calibration) -> dict[str, Any]:
    """Figures of the tracks of 5 s and more, of the shorter ones, and of the types."""
    truth = truth_of(recordings)
    probabilities = calibration.apply(outputs.category)
    every = np.ones(len(truth), np.bool_)
    report: dict[str, Any] = {}
    for name, chosen in (
        ("tracks_5s_and_more", outputs.duration_s >= _LONG_S),
        ("tracks_under_5s", outputs.duration_s < _LONG_S),
    ):
        figures = category_metrics(truth[chosen], probabilities[chosen], every[chosen])
        for key in ("music_called_functional_auto", "review_share", "accuracy_auto"):
            del figures[key]
        report[name] = figures
    typed = [(i, FUNCTIONAL_TYPES.index(r.functional_type)) for i, r in enumerate(recordings) if r.functional_type]
    index, wanted = np.array(typed, np.int64).reshape(-1, 2).T
    called = outputs.functional_type[index].argmax(axis=1) if len(index) else wanted
    recall = {FUNCTIONAL_TYPES[t]: float((called[wanted == t] == t).mean()) for t in np.unique(wanted)}
    report["functional_type"] = {
        "tracks": len(index),
        "macro_accuracy": float(np.mean(list(recall.values()))) if recall else None,
        "recall": recall,
        "count": {FUNCTIONAL_TYPES[t]: int((wanted == t).sum()) for t in np.unique(wanted)},
    }
    return report


def slice_report(
    model: EarmarkModel,
    recordings: Sequence[Recording],
    places: Sequence[int],
    cache: AudioCache,
    seed: int,
    windows: int,
) -> dict[str, Any]:
    """Window by window, on windows drawn from dev recordings as training draws them from its own."""
    report = {}
    for name, config in SLICES.items():
        task = DrawTask(recordings, places, cache, config, seed)
        truth, presence, outputs = [], [], []
        for chunk in drawn_chunks(task, windows, 1):
            for start in range(0, len(chunk["samples"]), _BATCH):
                part = slice(start, start + _BATCH)
                waveform: npt.NDArray[np.float32] = chunk["samples"][part].astype(np.float32) / np.float32(32768)
                outputs.append(model.predict(waveform, chunk["valid_samples"][part]))
            truth.append(chunk["category"])
            presence.append(chunk["presence"])
        wanted = np.concatenate(truth).astype(np.int64)
        called = np.concatenate([o["category"] for o in outputs]).argmax(axis=1)
        found = np.concatenate([o["presence"] for o in outputs]) >= 0.5
        known = wanted >= 0
        report[name] = {
            "windows": int(known.sum()),
            "balanced_accuracy": balanced_accuracy(wanted[known], called[known]),
            "music_called_functional": int(((wanted == 0) & (called == 1)).sum()),
            "presence_accuracy": {
                category: float((found[:, c] == np.concatenate(presence)[:, c]).mean())
                for c, category in enumerate(CATEGORIES)
            },
        }
    return report


def folder_bytes(folder: pathlib.Path) -> int:
    """Size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
