"""How the figures of an evaluation are named and written for a person."""

from __future__ import annotations

from typing import Any, Final

#: Title of each figure, in the order of the report.
TITLES: Final = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "recall_music": "recall of music",
    "recall_functional": "recall of functional",
    "recall_speech": "recall of speech",
    "auroc_functional": "area under ROC, functional",
    "average_precision_functional": "average precision, functional",
    "music_called_functional": "music called functional",
    "music_called_functional_rate": "… as a share of music",
    "music_called_functional_auto": "music called functional with auto",
    "music_called_functional_auto_rate": "… as a share of music",
    "functional_recall_at_0.1pct_music": "functional recall, letting 0.1 % of music through",
    "functional_recall_at_1pct_music": "functional recall, letting 1 % of music through",
    "review_share": "share sent to review",
    "accuracy_auto": "accuracy of the auto labels",
    "expected_calibration_error": "expected calibration error",
}

#: Figures that count tracks; all others are shares or areas from 0 to 1.
COUNTS: Final = frozenset({"music_called_functional", "music_called_functional_auto"})

#: Shown when there is no figure.
NONE: Final = "–"


def number(value: float | None, count: bool = False) -> str:
    """A figure as text: three decimals, or none for a count."""
    return NONE if value is None else f"{value:.0f}" if count else f"{value:.3f}"


def with_interval(estimate: dict[str, Any], count: bool = False) -> str:
    """A figure with its interval, such as ``0.967 [0.941, 0.988]``."""
    value = number(estimate["value"], count)
    if estimate["low"] is None:
        return value
    return f"{value} [{number(estimate['low'], count)}, {number(estimate['high'], count)}]"
