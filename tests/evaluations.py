"""Writes evaluations as ``evaluate_classifier`` lays them out, with the figures that a test wants."""

from __future__ import annotations

import json
import pathlib
from typing import Any

LONG = "duration:5 s and longer"
MIXES = "slice:mixes"

#: A good model on 280 tracks, 200 of them in mixes.
FIGURES: dict[str, float | None] = {
    "balanced_accuracy": 0.97,
    "auroc_functional": 0.997,
    "average_precision_functional": 0.99,
    "music_called_functional": 3,
    "music_called_functional_rate": 0.018,
    "music_called_functional_auto": 0,
    "music_called_functional_auto_rate": 0.0,
    "functional_recall_at_1pct_music": 0.95,
    "review_share": 0.1,
    "accuracy_auto": 0.99,
    "expected_calibration_error": 0.02,
}


def evaluation(
    path: pathlib.Path,
    model_version: str,
    *,
    manifest: str = "a" * 64,
    split: str | None = "dev",
    coverage: str = "sampled",
    slices: dict[str, dict[str, float | None]] | None = None,
    tracks: int = 280,
    **more: Any,
) -> pathlib.Path:
    """Write one; ``slices`` says which slices there are besides, how many tracks, and what is other than in FIGURES.

    ``more`` stands in the file as it is.
    """
    slices = {"all": {}, LONG: {}, MIXES: {}, **(slices or {})}
    record: dict[str, Any] = {
        "model": {"model_version": model_version},
        "manifest_sha256": manifest,
        "split": split,
        "coverage": coverage,
        "figures": {
            name: {
                "tracks": changes.get("tracks", 200 if name == MIXES else tracks),
                **{
                    figure: {"value": value, "low": value, "high": value}
                    for figure, value in {**FIGURES, **changes}.items()
                    if figure != "tracks"
                },
            }
            for name, changes in slices.items()
        },
        **more,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path
