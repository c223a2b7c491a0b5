"""Which form of calibration is better on packages that it was not fitted on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from models.calibration import Calibration
from models.isotonic import fit_isotonic
from models.metrics import expected_calibration_error
from models.package_folds import package_folds
from models.taxonomy import CATEGORIES

Probabilities = npt.NDArray[np.float64]
Truth = npt.NDArray[np.int64]
#: From mean probabilities (tracks, 3) and the truth to a function that calibrates others.
Fit = Callable[[Probabilities, Truth], Callable[[Probabilities], Probabilities]]

#: Probabilities nearer to 0 or 1 than this count as this near: a pool of a few tracks is no certainty.
_LEAST: Final = 1e-3


@dataclasses.dataclass(frozen=True, slots=True)
class CalibrationQuality:
    """How good probabilities are.

    Attributes
    ----------
    log_loss
        Mean of minus the logarithm of the true category's probability, each category weighing the same.
    expected_calibration_error
        Of the largest probability, over the tracks as they are.
    accuracy
        Share of tracks whose largest probability is that of the truth.
    """

    log_loss: float
    expected_calibration_error: float
    accuracy: float


def quality(probabilities: Probabilities, truth: Truth) -> CalibrationQuality:
    """Measure probabilities, shape (tracks, 3), against the truth, shape (tracks,)."""
    of_truth = np.clip(probabilities[np.arange(len(truth)), truth], _LEAST, 1.0)
    right = probabilities.argmax(axis=1) == truth
    return CalibrationQuality(
        log_loss=float(-_even_weights(truth) @ np.log(of_truth)),
        expected_calibration_error=expected_calibration_error(right, probabilities.max(axis=1)),
        accuracy=float(right.mean()),
    )


def _even_weights(truth: Truth) -> npt.NDArray[np.float64]:
    """Weights that give each category that occurs the same sum, and sum to 1."""
    counts = np.bincount(truth, minlength=len(CATEGORIES))
    weights: npt.NDArray[np.float64] = 1.0 / (counts[truth] * (counts > 0).sum())
    return weights


def _plain(mean: Probabilities, truth: Truth) -> Callable[[Probabilities], Probabilities]:
    return Calibration().apply


def _temperature(mean: Probabilities, truth: Truth) -> Callable[[Probabilities], Probabilities]:
    weights = _even_weights(truth)

    def loss(scale: float) -> float:
        of_truth = Calibration(scale).apply(mean)[np.arange(len(truth)), truth]
        return float(-weights @ np.log(of_truth))

    return Calibration(min((float(np.exp(x)) for x in np.linspace(-2, 2, 81)), key=loss)).apply


def _scale_and_bias(mean: Probabilities, truth: Truth) -> Callable[[Probabilities], Probabilities]:
    return Calibration.fit(mean, truth).apply


def _isotonic(mean: Probabilities, truth: Truth) -> Callable[[Probabilities], Probabilities]:
    weights = _even_weights(truth)
    maps = [fit_isotonic(mean[:, c], truth == c, weights) for c in range(len(CATEGORIES))]

    def apply(p: Probabilities) -> Probabilities:
        raw = np.stack([np.clip(m.apply(p[:, c]), _LEAST, 1 - _LEAST) for c, m in enumerate(maps)], axis=1)
        normalised: Probabilities = raw / raw.sum(axis=1, keepdims=True)
        return normalised

    return apply


#: What is compared; ``scale and bias`` is what the training fits.
FORMS: Final[dict[str, Fit]] = {
    "none": _plain,
    "temperature": _temperature,
    "scale and bias": _scale_and_bias,
    "isotonic per category": _isotonic,
}


def compare_calibrations(
    mean: Probabilities, truth: Truth, package: npt.NDArray[np.str_], folds: int
) -> dict[str, CalibrationQuality]:
    """Fit each form on all packages but those of one part, measure on those, and so for every part.

    Parameters
    ----------
    mean
        Mean category probabilities of each track, before calibration, shape (tracks, 3).
    truth, package
        Shape (tracks,).

    Raises
    ------
    UserError
        When there are fewer packages than folds.
    """
    part = package_folds(package, truth, folds)
    result = {}
    for name, fit in FORMS.items():
        calibrated = np.zeros_like(mean)
        for held in range(folds):
            calibrated[part == held] = fit(mean[part != held], truth[part != held])(mean[part == held])
        result[name] = quality(calibrated, truth)
    return result
