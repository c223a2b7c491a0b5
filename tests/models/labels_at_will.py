"""Labels of ``labels.parquet`` made up by rules that a test knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.taxonomy import CATEGORIES


def label_columns(
    rows: list[tuple[str, tuple[float, float, float]]], *, packages: int = 6, **columns: list[Any]
) -> dict[str, list[Any]]:
    """Columns of tracks given as truth and probabilities, dealt to the packages in turn.

    A category's fraction is 1 where the track is called that, else 0; ``columns`` stand instead of what is made up.
    """
    probabilities = np.array([p for _, p in rows])
    called = probabilities.argmax(axis=1)
    made: dict[str, list[Any]] = {
        "true_category": [truth for truth, _ in rows],
        "package": [f"package-{i % packages}" for i in range(len(rows))],
        "flags": [[] for _ in rows],
        "duration_s": [30.0 for _ in rows],
        "model_version": ["made-up-1.0" for _ in rows],
        **{f"p_{name}": probabilities[:, c].tolist() for c, name in enumerate(CATEGORIES)},
        **{f"{name}_fraction": (called == c).astype(float).tolist() for c, name in enumerate(CATEGORIES)},
    }
    return {**made, **columns}


def sure(category: str, confidence: float = 0.999) -> tuple[float, float, float]:
    """Probabilities with ``confidence`` on a category and the rest shared evenly."""
    first, second, third = ((confidence if name == category else (1 - confidence) / 2) for name in CATEGORIES)
    return first, second, third
