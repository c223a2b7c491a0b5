"""A model's figures from the labels that it gave: by length, subtype and functional type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from models.labels_of_corpus import Recording
from models.metrics import category_metrics
from models.taxonomy import CATEGORIES

#: Tracks from this length on are the ones that a catalog holds; shorter ones are reported beside them.
LONG_TRACK_S: Final = 5.0


def evaluate(
    recordings: Sequence[Recording], labels: pa.Table, dead_letters: pa.Table
) -> tuple[dict[str, Any], pa.Table]:
    """Compare labels with the truth.

    Parameters
    ----------
    recordings
        With their true labels; the ``track_id`` of a label is the index in this list.
    labels, dead_letters
        Rows of ``track_labels`` and ``dead_letters``.

    Returns
    -------
    metrics
        The figures, JSON-ready.
    told
        The labels with the columns ``true_category`` and ``path``, one row per labelled recording.
    """
    by_index = [recordings[int(i)] for i in labels["track_id"].to_pylist()]
    truth = np.array([CATEGORIES.index(r.label) for r in by_index], np.int64)
    probabilities = np.stack([labels[f"p_{name}"].to_numpy() for name in CATEGORIES], axis=1)
    auto = np.array([decision == "auto" for decision in labels["decision"].to_pylist()], bool)
    long = labels["duration_s"].to_numpy() >= LONG_TRACK_S
    known_type = [r.functional_type for r in by_index]
    typed = np.array(
        [t is not None and c == "functional" for t, c in zip(known_type, labels["category"].to_pylist(), strict=True)],
        bool,
    )
    right_type = np.array(
        [a == b for a, b in zip(known_type, labels["functional_type"].to_pylist(), strict=True)], bool
    )
    metrics = {
        "model_version": labels["model_version"][0].as_py() if len(labels) else None,
        "tracks_5_s_and_longer": category_metrics(truth[long], probabilities[long], auto[long]),
        "tracks_below_5_s": category_metrics(truth[~long], probabilities[~long], auto[~long]),
        "recall_by_subtype": {
            f"{label}/{subtype}": {
                "tracks": int(members.sum()),
                "recall": float((probabilities[members].argmax(axis=1) == CATEGORIES.index(label)).mean()),
            }
            for label, subtype in sorted({(r.label, r.subtype) for r in by_index})
            for members in [np.array([(r.label, r.subtype) == (label, subtype) for r in by_index])]
        },
        "functional_type": {
            "tracks": int(typed.sum()),
            "accuracy": float(right_type[typed].mean()) if typed.any() else None,
            "recall": {
                name: {"tracks": int(members.sum()), "recall": float(right_type[members].mean())}
                for name in sorted({t for t in known_type if t is not None})
                for members in [typed & np.array([t == name for t in known_type])]
                if members.any()
            },
        },
        "dead_letters": [
            {"path": recordings[int(row["track_id"])].path, "error_type": row["error_type"], "message": row["message"]}
            for row in dead_letters.select(["track_id", "error_type", "message"]).to_pylist()
        ],
    }
    told = labels.append_column("true_category", pa.array([r.label for r in by_index], pa.string()))
    told = told.append_column("path", pa.array([r.path for r in by_index], pa.string()))
    return metrics, told


def print_metrics(metrics: dict[str, Any], output: str) -> None:
    """Print the figures of both lengths, and where everything is."""
    table = Table(title=f"{metrics['model_version']} ({metrics['coverage']} coverage)", title_justify="left")
    table.add_column("figure")
    columns = {"5 s and longer": metrics["tracks_5_s_and_longer"], "below 5 s": metrics["tracks_below_5_s"]}
    for name in columns:
        table.add_column(name, justify="right")
    figures = (
        "tracks", "balanced_accuracy", "accuracy", "auroc_functional", "music_called_functional",
        "music_called_functional_auto", "review_share", "accuracy_auto", "expected_calibration_error",
    )  # fmt: skip
    for figure in figures:
        values = [column[figure] for column in columns.values()]
        table.add_row(figure, *("-" if v is None else f"{v:.3f}" if isinstance(v, float) else str(v) for v in values))
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(
        f"{len(metrics['dead_letters'])} dead letters. Everything: {output}/metrics.json, {output}/labels.parquet"
    )
