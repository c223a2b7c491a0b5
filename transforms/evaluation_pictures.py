"""The pictures of an evaluation, each as an SVG file's bytes: no script, no outside font, the same on every run."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from models.decision import CostSettings
from models.evaluation_curves import cost_curve, plane_of, reliability
from models.metrics import Bools, Indices
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from models.track_figures import NO_TYPE, JudgedTracks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that people who see no red or no green can tell apart (Okabe and Ito's palette).
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C564B")
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
#: More points than this make a map no clearer.
_MAP_POINTS: Final = 4000


def _figure(width: float, height: float, panels: int = 1) -> tuple[Figure, Sequence[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def _svg(figure: Figure) -> bytes:
    import matplotlib as mpl

    out = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "earmark", "svg.fonttype": "path"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, dpi=150)
    return out.getvalue()


def confusion_picture(matrix: npt.NDArray[np.int64], rows: Sequence[str], columns: Sequence[str], of: str) -> bytes:
    """Counts by truth (rows) and label (columns), shaded by each row's shares."""
    figure, (axis,) = _figure(1.4 + 0.85 * len(columns), 1.3 + 0.55 * len(rows))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, str(count), ha="center", va="center", color=colour)
    slant: dict[str, Any] = {"rotation": 40, "ha": "right"} if len(columns) > 4 else {}
    axis.set_xticks(range(len(columns)), [c.replace("_", " ") for c in columns], **slant)
    axis.set_yticks(range(len(rows)), [r.replace("_", " ") for r in rows])
    axis.set_xlabel(f"{of} as labelled")
    axis.set_ylabel("truth")
    axis.spines[:].set_visible(False)
    return _svg(figure)


def reliability_picture(tracks: JudgedTracks) -> bytes:
    """Accuracy against confidence, and how many tracks have which confidence."""
    figure, (curve, counts) = _figure(8, 3.6, 2)
    bins = reliability(tracks.correct, tracks.probabilities.max(axis=1))
    curve.plot([0, 1], [0, 1], color="#999999", linestyle="--", label="perfect")
    curve.plot([b[1] for b in bins], [b[2] for b in bins], color=_COLOURS[0], marker="o", label="model")
    curve.set(xlabel="mean confidence", ylabel="accuracy", xlim=(0.3, 1.02), ylim=(0, 1.05))
    curve.legend(frameon=False)
    counts.bar([b[1] for b in bins], [b[0] for b in bins], width=0.06, color=_COLOURS[0])
    counts.set(xlabel="mean confidence", ylabel="tracks", xlim=(0.3, 1.05), yscale="log")
    return _svg(figure)


def cost_picture(tracks: JudgedTracks, always_review: Bools, costs: CostSettings) -> bytes:
    """What decisions cost, and the share sent to review, against the cost above which a label goes to review."""
    result = cost_curve(tracks.truth, tracks.called, tracks.probabilities, always_review, costs)
    figure, (cost, review) = _figure(8, 3.6, 2)
    cost.plot(result.threshold, result.total_cost, color=_COLOURS[0], label="errors and reviews")
    cost.plot(result.threshold, result.error_cost, color=_COLOURS[1], linestyle="--", label="errors")
    cost.set(ylabel="mean cost per track", ylim=(0, None))
    review.plot(result.threshold, result.review_share, color=_COLOURS[2])
    review.set(ylabel="share sent to review", ylim=(0, 1))
    for axis in (cost, review):
        axis.set(xscale="log", xlabel="expected cost above which a label goes to review")
        axis.axvline(costs.review, color="#999999", linestyle=":", label="the config's review cost")
    cost.legend(frameon=False)
    return _svg(figure)


def map_picture(embeddings: npt.NDArray[np.float32], tracks: JudgedTracks) -> bytes:
    """The embeddings' principal plane: all tracks by true category, the functional ones by true type."""
    places, shares = plane_of(embeddings)
    step = -(-len(places) // _MAP_POINTS)
    places, truth, types = places[::step], tracks.truth[::step], tracks.true_type[::step]
    figure, panels = _figure(9, 4.4, 2)
    for axis, names, index in ((panels[0], CATEGORIES, truth), (panels[1], FUNCTIONAL_TYPES, types)):
        _scatter(axis, places, names, index)
        axis.set(xlabel=f"first axis ({shares[0]:.0%} of variance)", ylabel=f"second axis ({shares[1]:.0%})")
    panels[0].set_title("by true category")
    panels[1].set_title("functional tracks by true type")
    return _svg(figure)


def _scatter(axis: Axes, places: npt.NDArray[np.float64], names: Sequence[str], index: Indices) -> None:
    rest = places[index == NO_TYPE]
    axis.scatter(rest[:, 0], rest[:, 1], s=6, color="#dddddd", rasterized=True)
    for place, name in enumerate(names):
        members = places[index == place]
        if len(members):
            axis.scatter(
                members[:, 0], members[:, 1], s=16, alpha=0.7, linewidths=0,
                color=_COLOURS[place], marker=_MARKERS[place],
                label=name.replace("_", " "), rasterized=True,
            )  # fmt: skip
    axis.set(xticks=[], yticks=[])
    if (index != NO_TYPE).any():
        axis.legend(frameon=True, framealpha=0.7, fontsize="small", markerscale=1.5)
