"""How loud a track is, in LUFS by ITU-R BS.1770-4, and bringing it to a loudness."""

from __future__ import annotations

import numpy as np
import pyloudnorm

from models.evaluation_samples import RATE_HZ, Samples

#: The standard's measuring block: nothing shorter has a loudness.
SHORTEST_S = 0.4


def loudness_lufs(samples: Samples) -> float:
    """Gated loudness of a track of shape (samples,) or (samples, channels), at least ``SHORTEST_S`` long.

    Returns
    -------
    float
        In LUFS; minus infinity for silence.
    """
    return float(pyloudnorm.Meter(RATE_HZ).integrated_loudness(np.asarray(samples, np.float64)))


def at_loudness(samples: Samples, target_lufs: float) -> Samples:
    """The track at a loudness, clipped at full scale where it takes that.

    Clipping takes loudness away, so that the gain is found in a few steps; a track with few loud moments may stay
    below the target.

    Returns
    -------
    numpy.ndarray
        Of the same shape, within -1 to 1.
    """
    gain_db = target_lufs - loudness_lufs(samples)
    clipped: Samples = samples
    for _ in range(8):
        clipped = np.clip(samples * 10 ** (gain_db / 20), -1, 1)
        error_db = target_lufs - loudness_lufs(clipped)
        if abs(error_db) < 0.1:
            break
        gain_db += float(np.clip(1.3 * error_db, -12, 12))
    return clipped
