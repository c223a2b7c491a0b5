"""What a model must show to be promoted: guarded slices, figures with tolerances, floors; and the comparison."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Collection, Iterator
from typing import Final, Literal

import pydantic

from models.errors import UserError
from models.evaluation_record import Evaluation

#: The figures that can be guarded, and whether more of each is better.
MORE_IS_BETTER: Final = {
    "music_called_functional_auto": False,
    "music_called_functional": False,
    "music_called_functional_auto_rate": False,
    "music_called_functional_rate": False,
    "balanced_accuracy": True,
    "functional_recall_at_1pct_music": True,
    "expected_calibration_error": False,
    "review_share": False,
    "auroc_functional": True,
    "average_precision_functional": True,
    "accuracy_auto": True,
}
Figure = Literal[
    "music_called_functional_auto", "music_called_functional", "music_called_functional_auto_rate",
    "music_called_functional_rate", "balanced_accuracy", "functional_recall_at_1pct_music",
    "expected_calibration_error", "review_share", "auroc_functional", "average_precision_functional", "accuracy_auto",
]  # fmt: skip

#: Differences below this are rounding.
_ROUNDING: Final = 1e-9


class Tolerance(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """By how much a figure may be worse than the reference's: the larger of the two."""

    #: In the figure's own unit: tracks for counts, 0 to 1 for shares.
    absolute: float = pydantic.Field(default=0.0, ge=0)
    #: As a share of the reference's value.
    relative: float = pydantic.Field(default=0.0, ge=0)

    def allowed(self, reference: float) -> float:
        """The largest loss that is held to be none, in the figure's unit."""
        return max(self.absolute, self.relative * abs(reference))


class GuardedSlice(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Slices that are guarded, by name."""

    #: A slice's name, or a pattern with ``*``.
    match: str = pydantic.Field(min_length=1)
    #: Slices with fewer tracks are not compared: one track would decide.
    min_tracks: int = pydantic.Field(default=1, ge=1)
    #: Instead of the general tolerances.
    tolerances: dict[Figure, Tolerance] = {}


class Floor(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """A figure that every promoted model must reach, with or without a reference."""

    slice: str = pydantic.Field(min_length=1)
    figure: Figure
    at_least: float | None = None
    at_most: float | None = None
    #: Whether it holds for sets that were made hard on purpose too: those whose every track has a word in ``slice``.
    hard_sets: bool = False

    @pydantic.model_validator(mode="after")
    def _one_bound(self) -> Floor:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("want one of at_least and at_most")
        return self


_WHOLE: Final = "all"
_LONG: Final = "duration:5 s and longer"


class PromotionSettings(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The whole of ``configs/promotion.yaml``, which holds these defaults."""

    #: In the order in which they are compared and told: what takes money from musicians first.
    figures: dict[Figure, Tolerance] = {
        "music_called_functional_auto": Tolerance(),
        "music_called_functional": Tolerance(absolute=1, relative=0.1),
        "balanced_accuracy": Tolerance(absolute=0.005),
        "functional_recall_at_1pct_music": Tolerance(absolute=0.01),
        "expected_calibration_error": Tolerance(absolute=0.01),
        "review_share": Tolerance(absolute=0.02),
    }
    #: The first that matches a slice's name counts; slices that none matches are not guarded.
    slices: tuple[GuardedSlice, ...] = (
        GuardedSlice(match=_WHOLE),
        GuardedSlice(match=_LONG),
        *(
            GuardedSlice(
                match=pattern,
                min_tracks=30,
                tolerances={
                    "balanced_accuracy": Tolerance(absolute=0.02),
                    "functional_recall_at_1pct_music": Tolerance(absolute=0.05),
                    "expected_calibration_error": Tolerance(absolute=0.03),
                    "review_share": Tolerance(absolute=0.05),
                },
            )
            for pattern in ("slice:*", "codec:*")
        ),
    )
    floors: tuple[Floor, ...] = (
        Floor(slice=_LONG, figure="music_called_functional_auto_rate", at_most=0.005),
        Floor(slice=_LONG, figure="music_called_functional_rate", at_most=0.03),
        Floor(slice=_LONG, figure="balanced_accuracy", at_least=0.95),
        Floor(slice=_LONG, figure="expected_calibration_error", at_most=0.05),
        Floor(slice=_LONG, figure="review_share", at_most=0.3),
        Floor(slice=_WHOLE, figure="music_called_functional_auto_rate", at_most=0.005, hard_sets=True),
    )

    def guard_of(self, slice_name: str) -> GuardedSlice | None:
        """The guard that a slice falls under, or None."""
        return next((guard for guard in self.slices if fnmatch.fnmatchcase(slice_name, guard.match)), None)


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of one slice against the reference or a floor.

    Attributes
    ----------
    measured_on
        Manifest, split and coverage in words.
    value, reference
        The model's figure and the bound's: the reference model's value, or the floor.
    tolerance
        What was allowed, in the figure's unit; 0 for a floor.
    against
        ``reference``, ``at_least`` or ``at_most``.
    verdict
        ``held``, ``worse``, or ``allowed`` when it is worse and the slice was named as an exception.
    """

    measured_on: str
    slice: str
    figure: str
    value: float | None
    reference: float | None
    tolerance: float
    against: str
    verdict: str

    def sentence(self) -> str:
        """The comparison in words, with both values."""
        bound = {"reference": "the reference has", "at_least": "the floor is", "at_most": "the ceiling is"}
        slack = f", {self.tolerance:g} worse at most" if self.tolerance else ""
        return (
            f"{self.slice}: {self.figure} is {_number(self.value)}, {bound[self.against]} {_number(self.reference)}"
            f"{slack} ({self.measured_on})"
        )


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4g}"


def compare_evaluations(
    candidate: Evaluation, reference: Evaluation, settings: PromotionSettings, allowed: Collection[str] = ()
) -> Iterator[Comparison]:
    """Compare every guarded figure of two evaluations, figure by figure in the order of the settings.

    Raises
    ------
    UserError
        When they were not measured on the same tracks, or the candidate's lacks a figure or slice.
    """
    if candidate.measured_on != reference.measured_on:
        raise UserError(
            f"evaluation {candidate.source} ({candidate.described()}) and {reference.source} "
            f"({reference.described()}) were not measured on the same; evaluate both models on one manifest, split and "
            "coverage."
        )
    guarded = [(name, guard) for name in reference.values if (guard := settings.guard_of(name))]
    for name, _ in guarded:
        if name not in candidate.values:
            raise UserError(
                f"evaluation {candidate.source}: lacks the slice {name!r} that {reference.source} has; evaluate both "
                "models with one version of Earmark."
            )
        if candidate.tracks[name] != reference.tracks[name]:
            raise UserError(
                f"evaluation {candidate.source}: {name} has {candidate.tracks[name]} tracks, {reference.source} "
                f"{reference.tracks[name]}; evaluate both models on the same tracks."
            )
    for figure, general in settings.figures.items():
        more_is_better = MORE_IS_BETTER[figure]
        for name, guard in guarded:
            if reference.tracks[name] < guard.min_tracks:
                continue
            value, before = (evaluation.values[name].get(figure) for evaluation in (candidate, reference))
            if before is None:
                continue  # not defined for these tracks, such as a recall without any
            tolerance = guard.tolerances.get(figure, general).allowed(before)
            loss = None if value is None else (before - value if more_is_better else value - before)
            worse = loss is None or loss > tolerance + _ROUNDING
            yield Comparison(
                candidate.described(), name, figure, value, before, tolerance, "reference",
                _verdict(worse, name in allowed),
            )  # fmt: skip


def compare_with_floors(
    candidate: Evaluation, settings: PromotionSettings, allowed: Collection[str] = ()
) -> Iterator[Comparison]:
    """Compare the figures of one evaluation with the floors on slices that it has."""
    made_hard = is_made_hard(candidate)
    for floor in settings.floors:
        if floor.slice not in candidate.values or (made_hard and not floor.hard_sets):
            continue
        value = candidate.values[floor.slice].get(floor.figure)
        if floor.at_least is not None:
            bound, against = floor.at_least, "at_least"
            worse = value is None or value < bound - _ROUNDING
        else:
            bound, against = floor.at_most or 0.0, "at_most"
            worse = value is None or value > bound + _ROUNDING
        yield Comparison(
            candidate.described(), floor.slice, floor.figure, value, bound,
            0.0, against, _verdict(worse, floor.slice in allowed),
        )  # fmt: skip


def is_made_hard(evaluation: Evaluation) -> bool:
    """Whether every track of an evaluation lies in a slice ``slice:…``."""
    tracks = sum(count for name, count in evaluation.tracks.items() if name.startswith("slice:"))
    return 0 < evaluation.tracks.get(_WHOLE, 0) <= tracks


def _verdict(worse: bool, allowed: bool) -> str:
    return ("allowed" if allowed else "worse") if worse else "held"
