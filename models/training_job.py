"""The training from labelled recordings to a calibrated model folder and its figures."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from models.audio_cache import build_audio_cache
from models.baseline_model import export_baseline, fit_heads
from models.calibration import Calibration
from models.front_end import FrontEnd, settings_record
from models.labels_of_corpus import DEV, TRAIN, Recording
from models.model_export import export_model, write_metadata
from models.network import NetworkShape, multiply_adds
from models.saved_model import EarmarkModel, ModelMetadata, load_model
from models.taxonomy import CATEGORIES
from models.teacher_network import Teacher
from models.training import set_up_tensorflow, train, use_serving_arithmetic
from models.training_checkpoint import TrainingCheckpoint
from models.training_config import TrainingConfig
from models.training_pool import DrawTask, build_pool
from models.training_report import (
    SLICE_WINDOWS,
    TrackOutputs,
    folder_bytes,
    predict_tracks,
    slice_report,
    track_report,
    truth_of,
)

_LOG = logging.getLogger(__name__)
#: How much a track under 5 s counts in the calibration: catalogs hold few, and they are harder.
_SHORT_TRACK_WEIGHT = 0.25


def train_model(
    recordings: Sequence[Recording],
    data_sha256: str,
    output: pathlib.Path,
    work: pathlib.Path,
    teacher_folder: str | None,
    config: TrainingConfig,
    baseline: pathlib.Path | None = None,
) -> dict[str, Any]:
    """Train on the train split, export to ``output``, calibrate and measure on the dev split.

    With ``baseline`` (and a teacher) the model that every comparison is made with is fitted on the same windows,
    calibrated on the same tracks, and written there.

    Decoded audio, the pool of windows and the last checkpoint stay in ``work`` and are used again when nothing that
    they depend on changed.

    Returns
    -------
    dict
        The report, JSON-ready.
    """
    begun = time.monotonic()
    set_up_tensorflow(config)
    front_end = FrontEnd()
    cache = build_audio_cache(recordings, work / f"audio-{data_sha256[:12]}", config.processes)
    _LOG.info("audio decoded, %.0f s", time.monotonic() - begun)
    places = {split: [i for i, r in enumerate(recordings) if r.split == split] for split in (TRAIN, DEV)}
    of_split = {split: [recordings[i] for i in chosen] for split, chosen in places.items()}
    teacher = Teacher(teacher_folder) if teacher_folder is not None else None
    task = DrawTask(of_split[TRAIN], places[TRAIN], cache, config.pool, config.seed)
    pool_folder = work / f"pool-{_pool_key(data_sha256, config, front_end, teacher)}"
    pool = build_pool(pool_folder, task, front_end, teacher, config.processes)
    _LOG.info("pool of %d windows ready, %.0f s", config.pool.windows, time.monotonic() - begun)
    checkpoint = TrainingCheckpoint(work / f"checkpoint-{pool_folder.name}-{config.sha256()[:12]}.npz")
    network, history = train(pool, front_end, config, checkpoint)
    # The serving graph holds constants only: whoever wants another form of the same network needs its weights.
    np.savez(work / "network_weights.npz", *network.get_weights())
    use_serving_arithmetic()
    metadata = export_model(network, front_end, output, config.model_name, config.sha256(), data_sha256)
    _LOG.info("%s written, %.0f s", metadata.model_version, time.monotonic() - begun)

    model = load_model(output)
    dev = of_split[DEV]
    metadata, outputs = _calibrated(output, metadata, model, dev)
    calibration = metadata.calibration
    if baseline is not None and teacher is not None:
        heads = fit_heads(pool, config.seed)
        compared = export_baseline(teacher, heads, baseline, config.sha256(), data_sha256)
        _calibrated(baseline, compared, load_model(baseline), dev)
        _LOG.info("%s written, %.0f s", compared.model_version, time.monotonic() - begun)
    seconds = {
        f"{split} {label}": round(
            sum(len(cache.samples(i)) for i in places[split] if recordings[i].label == label) / 16_000
        )
        for split in places
        for label in sorted({r.label for r in of_split[split]})
    }
    report = {
        "model_version": metadata.model_version,
        "dev": track_report(dev, outputs, calibration),
        "dev_slices": slice_report(
            model, dev, places[DEV], cache, config.seed, min(SLICE_WINDOWS, config.pool.windows)
        ),
        "calibration": dataclasses.asdict(calibration),
        "multiply_adds_per_audio_second": multiply_adds(NetworkShape()) / 5,
        "model_folder_bytes": folder_bytes(output),
        "audio_seconds": seconds,
        "recordings": {split: len(of_split[split]) for split in places},
        "files": {
            split: {name: sum(r.label == name for r in of_split[split]) for name in CATEGORIES} for split in places
        },
        "packages": {split: len({r.package for r in of_split[split]}) for split in places},
        "teacher_sha256": teacher.sha256 if teacher else None,
        "config": config.model_dump(),
        "history": history,
    }
    _LOG.info("measured on %d dev recordings, %.0f s", len(dev), time.monotonic() - begun)
    return report


def _calibrated(
    folder: pathlib.Path, metadata: ModelMetadata, model: EarmarkModel, dev: Sequence[Recording]
) -> tuple[ModelMetadata, TrackOutputs]:
    """Fit the calibration on dev tracks, put it into the folder; return the metadata with it, and what was heard."""
    outputs = predict_tracks(model, dev)
    weights = np.where(outputs.duration_s >= 5.0, 1.0, _SHORT_TRACK_WEIGHT)
    calibration = Calibration.fit(outputs.category, truth_of(dev), weights)
    metadata = dataclasses.replace(metadata, calibration=calibration)
    write_metadata(folder, metadata)
    return metadata, outputs


def _pool_key(data_sha256: str, config: TrainingConfig, front_end: FrontEnd, teacher: Teacher | None) -> str:
    parts = [data_sha256, config.pool.model_dump(), config.seed, settings_record(front_end)]
    parts.append(teacher.sha256 if teacher else None)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
