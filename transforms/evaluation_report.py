"""An evaluation as one HTML file: everything is inside it, nothing runs, and it reads on a phone."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from models.bootstrap import LEVEL, REPLICATES, SEED
from models.decision import DecisionSettings
from models.evaluation_slices import ALL, LONG, SHORT
from models.model_comparison import LEAST_PACKAGES
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from models.track_figures import LEAST_TRACKS_OF_TYPE, NOT_FUNCTIONAL
from transforms.evaluation import Evaluated, always_reviewed
from transforms.evaluation_pictures import confusion_picture, cost_picture, map_picture, reliability_picture
from transforms.evaluation_words import COUNTS, TITLES, number, with_interval
from transforms.html_pages import page_environment

_SLICE_COLUMNS = (
    "balanced_accuracy", "accuracy", "auroc_functional", "music_called_functional", "music_called_functional_auto",
    "review_share", "expected_calibration_error",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the page: ``data`` is a data URI, ``text`` says what it shows to one who does not see it."""

    heading: str
    data: str
    text: str
    note: str


def report_html(record: dict[str, Any], evaluated: Evaluated, settings: DecisionSettings) -> str:
    """The page.

    Parameters
    ----------
    record
        What ``evaluation.json`` holds.
    evaluated
        What the pictures are made from.
    settings
        The decision rule's.
    """
    environment = page_environment()
    environment.filters["interval"] = with_interval
    environment.filters["number"] = number
    kinds: dict[str, dict[str, Any]] = {}
    for name, figures in record["figures"].items():
        kind, _, value = name.partition(":")
        if value:
            kinds.setdefault(kind, {})[value] = figures
    return environment.get_template("evaluation.html.j2").render(
        record=record,
        key_slices={name: record["figures"][name] for name in (ALL, LONG, SHORT) if name in record["figures"]},
        kinds=kinds,
        titles=TITLES,
        counts=COUNTS,
        slice_columns=_SLICE_COLUMNS,
        categories=CATEGORIES,
        types=(*FUNCTIONAL_TYPES, NOT_FUNCTIONAL),
        pictures=_pictures(record, evaluated, settings),
        level=LEVEL,
        replicates=REPLICATES,
        seed=SEED,
        least_packages=LEAST_PACKAGES,
        least_tracks_of_type=LEAST_TRACKS_OF_TYPE,
        review_cost=settings.costs.review,
    )


def _pictures(record: dict[str, Any], evaluated: Evaluated, settings: DecisionSettings) -> list[Picture]:
    tracks = evaluated.tracks.of(evaluated.counted)
    if not len(tracks):
        return []
    labels = evaluated.labelled.labels.take(np.flatnonzero(evaluated.counted))
    types = record["functional_type"]["confusion"]
    figures = record["figures"][ALL]
    confusion = {name: figures["confusion"][name] for name in CATEGORIES}

    def picture(heading: str, draw: Callable[[], bytes], text: str, note: str) -> Picture:
        return Picture(heading, f"data:image/svg+xml;base64,{base64.b64encode(draw()).decode('ascii')}", text, note)

    drawn = [
        picture(
            "Confusion of categories",
            lambda: confusion_picture(_matrix(confusion), CATEGORIES, CATEGORIES, "category"),
            "Matrix of tracks by true category and label; the table below has the same numbers.",
            "Tracks; a row's shades are its shares.",
        ),
        picture(
            "Reliability",
            lambda: reliability_picture(tracks),
            "Accuracy against mean confidence in ten bins beside the tracks of each bin; expected calibration error "
            f"{number(figures['expected_calibration_error']['value'])}.",
            "A point below the broken line is a confidence that promises too much. Points of few tracks scatter.",
        ),
        picture(
            "What a review is worth",
            lambda: cost_picture(tracks, always_reviewed(labels), settings.costs),
            "Mean cost per track and share sent to review against the cost above which a label goes to review.",
            "Costs are in the config's unit. Where confidences can be believed, the full line is lowest at the dotted "
            f"one, the cost of a review ({settings.costs.review:g}).",
        ),
        picture(
            "Map of the embeddings",
            lambda: map_picture(evaluated.labelled.embeddings[evaluated.counted], tracks),
            "Tracks in the plane of the embeddings' two principal components, by true category and by true type.",
            "The two directions in which the embeddings differ most; what overlaps here may be apart in others.",
        ),
    ]
    if types:
        columns = (*FUNCTIONAL_TYPES, NOT_FUNCTIONAL)
        drawn.insert(
            1,
            picture(
                "Confusion of functional types",
                lambda: confusion_picture(_matrix(types), list(types), columns, "type"),
                "Matrix of functional tracks by true type and label; the table below has the same numbers.",
                "Functional tracks of known type.",
            ),
        )
    return drawn


def _matrix(confusion: dict[str, dict[str, int]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array([list(row.values()) for row in confusion.values()], np.int64)
