"""The decision rule's settings from labelled tracks: what would have cost least, measured on held-out packages."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.decision import ConfidenceSettings, CostSettings, DecisionSettings
from models.labelled_tracks import (
    LabelledTracks,
    expected_costs,
    music_called_functional,
    reviewed,
    wrong_label_costs,
)
from models.package_folds import package_folds
from models.taxonomy import CATEGORIES

SHARES: Final = ("min_dominant_share", "max_music_in_functional", "max_speech_in_functional")
#: What is tried. Coarse on purpose: a few hundred tracks do not tell 0.30 from 0.31.
_SHARES_TRIED: Final = tuple(round(0.05 * i, 2) for i in range(21))
_CONFIDENCES_TRIED: Final = (
    0.0, *(round(0.5 + 0.05 * i, 2) for i in range(9)), *(round(0.91 + 0.01 * i, 2) for i in range(9)),
    0.992, 0.994, 0.996, 0.998, 0.999, 1.0,
)  # fmt: skip
#: Differences of cost below this are rounding.
_ROUNDING: Final = 1e-9
_SWEEPS: Final = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision rule comes to on labelled tracks.

    Attributes
    ----------
    cost_per_1000
        Cost of reviews and of wrong labels acted on, in the unit of the costs, per 1,000 tracks.
    review_share
        Of all tracks, 0 to 1.
    wrong_auto, music_called_functional_auto
        Tracks acted on with a wrong label, and those of them that are music called functional.
    """

    cost_per_1000: float
    review_share: float
    wrong_auto: int
    music_called_functional_auto: int


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A way to decide that is derived from labels.

    Attributes
    ----------
    name
        What it is called in reports.
    shares, confidences
        Whether it fits the shares, and the least confidence of each category, to the labels.
    cost_rule
        Whether the expected cost decides too.
    """

    name: str
    shares: bool
    confidences: bool
    cost_rule: bool = True


#: The rules that may be written into a config, the simplest first, and the one that is only told.
AS_CONFIGURED: Final = Rule("costs", shares=False, confidences=False)
WRITABLE: Final = (
    AS_CONFIGURED,
    Rule("costs, fitted shares", shares=True, confidences=False),
    Rule("costs, fitted shares and confidences", shares=True, confidences=True),
)
CONFIDENCE_ALONE: Final = Rule("fitted confidences alone", shares=False, confidences=True, cost_rule=False)


def outcome(tracks: LabelledTracks, review: npt.NDArray[np.bool_], settings: DecisionSettings) -> Outcome:
    """What it comes to when the tracks where ``review``, shape (tracks,), is true go to a person."""
    wrong = ~review & (tracks.truth != tracks.called)
    cost = np.where(review, settings.costs.review, wrong_label_costs(tracks, settings))
    return Outcome(
        cost_per_1000=float(1000 * cost.mean()),
        review_share=float(review.mean()),
        wrong_auto=int(wrong.sum()),
        music_called_functional_auto=int((music_called_functional(tracks) & ~review).sum()),
    )


def derive(tracks: LabelledTracks, settings: DecisionSettings, rule: Rule) -> DecisionSettings:
    """Settings that would have cost least on the tracks: one after the other, until none of them moves.

    A setting moves only when that is cheaper; of values that cost the same, the one nearest to the present value is
    taken, then the one that sends more to a person.

    Parameters
    ----------
    settings
        The costs, and where to start.
    """

    def cost(tried: DecisionSettings) -> float:
        return outcome(tracks, reviewed(tracks, tried, rule.cost_rule), tried).cost_per_1000

    best = settings.model_copy(update={"min_confidence": ConfidenceSettings()}) if rule.confidences else settings
    least = cost(best)
    names = (SHARES if rule.shares else ()) + (CATEGORIES if rule.confidences else ())
    for _ in range(_SWEEPS):
        before = best
        for name in names:
            for candidate in _moved(best, name, tracks):
                if (price := cost(candidate)) < least - _ROUNDING:
                    best, least = candidate, price
        if best == before:
            break
    return best


def _moved(settings: DecisionSettings, name: str, tracks: LabelledTracks) -> list[DecisionSettings]:
    """The settings with one of them moved: a share, or a category's least confidence; the nearest value first."""
    if name in CATEGORIES:
        least = settings.min_confidence
        return [
            settings.model_copy(update={"min_confidence": least.model_copy(update={name: value})})
            for value in _CONFIDENCES_TRIED
        ]
    present = getattr(settings, name)
    more_is_stricter = name == "min_dominant_share"
    # Without the shares themselves only the flag is known: the rule can be kept or dropped.
    tried = (0.0,) if more_is_stricter and tracks.dominant_share is None else _SHARES_TRIED
    values = sorted(tried, key=lambda value: (round(abs(value - present), 6), -value if more_is_stricter else value))
    return [settings.model_copy(update={name: value}) for value in values]


def held_out(tracks: LabelledTracks, settings: DecisionSettings, rule: Rule, folds: int) -> Outcome:
    """What a rule comes to on packages that it was not derived from.

    Raises
    ------
    UserError
        When there are fewer packages than folds.
    """
    part = package_folds(tracks.package, tracks.truth, folds)
    review = np.zeros(len(tracks), np.bool_)
    for held in range(folds):
        derived = derive(tracks.where(part != held), settings, rule)
        review[part == held] = reviewed(tracks.where(part == held), derived, rule.cost_rule)
    return outcome(tracks, review, settings)


def cheapest(outcomes: dict[Rule, Outcome]) -> Rule:
    """The rule that costs least; of equals, the first."""
    return min(outcomes, key=lambda rule: round(outcomes[rule].cost_per_1000, 6))


def confidence_bounds(costs: CostSettings) -> dict[str, tuple[float, float]]:
    """The expected-cost rule as two confidences of each category.

    Below the first number a label always goes to review, from the second on it is always acted on; in between it
    depends on what else the track may be: the rest of the probability costs least when all of it is on the cheapest
    mistake, and most when it is on the dearest.
    """
    matrix = costs.matrix()
    bounds = {}
    for index, name in enumerate(CATEGORIES):
        mistakes = np.delete(matrix[:, index], index)
        cheap, dear = float(mistakes.min()), float(mistakes.max())
        bounds[name] = (
            1 - costs.review / cheap if cheap > costs.review else 0.0,
            1 - costs.review / dear if dear > costs.review else 0.0,
        )
    return bounds


def cost_curve(tracks: LabelledTracks, settings: DecisionSettings, points: int = 101) -> list[dict[str, Any]]:
    """Review share against the cost of wrong labels, as reviewers are given more and more tracks.

    The tracks that the settings' other rules send to a person come first, then the others by falling expected cost.

    Parameters
    ----------
    points
        Review shares from 0 to 1, evenly spread.

    Returns
    -------
    list of dict
        ``review_share``; ``wrong_label_cost_per_1000``, without the cost of reviews; ``wrong_auto``;
        ``music_called_functional_auto``; ``expected_cost``, that of the last track that was given away, or None.
    """
    forced = reviewed(tracks, settings, cost_rule=False)
    expected = expected_costs(tracks, settings)
    order = np.lexsort((-expected, ~forced))
    cost = wrong_label_costs(tracks, settings)[order]
    wrong = (tracks.truth != tracks.called)[order]
    costly = music_called_functional(tracks)[order]
    curve = []
    for given in np.unique(np.linspace(0, len(tracks), points).round().astype(int)):
        curve.append(
            {
                "review_share": float(given / len(tracks)),
                "wrong_label_cost_per_1000": float(1000 * cost[given:].sum() / len(tracks)),
                "wrong_auto": int(wrong[given:].sum()),
                "music_called_functional_auto": int(costly[given:].sum()),
                "expected_cost": float(expected[order[given - 1]]) if given else None,
            }
        )
    return curve
