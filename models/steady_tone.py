"""Whether a window is one steady tone and nothing else: a matter of signal, not of a network's opinion."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

#: Samples per frame: half a second at 16 kHz, so that lines 24 bins apart are 47 Hz apart.
_FRAME: Final = 8192
_HOP: Final = _FRAME // 2
_TAPER: Final = np.hanning(_FRAME)
_NARROW_TAPER: Final = _TAPER.astype(np.float32)
#: A line takes this many bins to each side of its peak; a Hann taper leaves less than 1e-5 of its energy outside.
_HALF_WIDTH: Final = 6
#: Largest share of a frame's energy outside the tone: what lies 40 dB below it, as coding noise does.
_MOST_OUTSIDE: Final = 1e-4
#: The same for a first look in single precision: far above its rounding.
_MOST_OUTSIDE_AT_A_GLANCE: Final = 2 * _MOST_OUTSIDE
#: Steadiness from frame to frame: as a ratio of frequencies, and of energies (0.5 dB).
_MOST_DETUNED: Final = 0.002
_MOST_ENERGY_RATIO: Final = 10**0.05


def steady_tone_hz(samples: npt.NDArray[np.float32], rate_hz: int) -> float | None:
    """Frequency of the one steady tone that a window is, or None when it is anything else.

    A tone is one spectral line, or a line with overtones at its multiples that are weaker than it: a test tone, a dial
    tone of one pitch, a square wave. Frequency and level stay the same throughout. Chords, beats, vibrato, fades,
    clicks and anything audible beside the tone are no steady tone. Most windows are refused by a look at their first
    frame in single precision, which takes a tenth of the front end's time.

    Parameters
    ----------
    samples
        The window's audio, shape (n,); less than half a second is never a tone.
    rate_hz
        Samples per second.
    """
    if samples.size < _FRAME or not _may_be_tone(samples[:_FRAME]):
        return None
    starts = [*range(0, samples.size - _FRAME, _HOP), samples.size - _FRAME]
    first_bin, first_energy = 0.0, 0.0
    for start in starts:
        frame = samples[start : start + _FRAME].astype(np.float64)
        # The mean under the taper: the plain one of a low tone is that of a broken period.
        power = np.abs(np.fft.rfft((frame - frame @ _TAPER / _TAPER.sum()) * _TAPER)) ** 2
        found = _tone_bin(power)
        if found is None:
            return None
        energy = float(power.sum())
        if not first_bin:
            first_bin, first_energy = found, energy
        ratio = energy / first_energy
        if abs(found / first_bin - 1) > _MOST_DETUNED or not 1 / _MOST_ENERGY_RATIO <= ratio <= _MOST_ENERGY_RATIO:
            return None
    return first_bin * rate_hz / _FRAME


def _may_be_tone(frame: npt.NDArray[np.float32]) -> bool:
    """Tell whether a frame is worth an exact look."""
    tapered = (frame - frame @ _NARROW_TAPER / _NARROW_TAPER.sum()) * _NARROW_TAPER
    parts = np.fft.rfft(tapered).view(np.float32)
    np.square(parts, out=parts)
    return _tone_bin(parts[0::2] + parts[1::2], _MOST_OUTSIDE_AT_A_GLANCE) is not None


def _tone_bin(power: npt.NDArray[np.floating[Any]], most_outside: float = _MOST_OUTSIDE) -> float | None:
    """Place of the tone that a frame's power spectrum is made of, in bins, or None."""
    peak = int(power.argmax())
    if peak < _HALF_WIDTH or peak >= power.size - _HALF_WIDTH:
        return None
    # A parabola through the logarithms of the peak and its neighbours. A click's spectrum is flat, and has no summit.
    log_below, log_peak, log_above = (float(log) for log in np.log(power[peak - 1 : peak + 2] + 1e-30))
    curvature = log_below - 2 * log_peak + log_above
    if not curvature < 0:
        return None
    place = peak + 0.5 * (log_below - log_above) / curvature
    below = np.concatenate([[0.0], np.cumsum(power, dtype=np.float64)])
    allowed = most_outside * below[-1]
    left = below[-1] - (below[peak + _HALF_WIDTH + 1] - below[peak - _HALF_WIDTH])
    # Lines that are nearer to each other would leave no room for anything else to be seen between them.
    if left > allowed and place >= 4 * _HALF_WIDTH:
        middles = np.rint(np.arange(2, int(power.size / place) + 1) * place).astype(np.intp)
        left -= (below[np.minimum(middles + _HALF_WIDTH + 1, power.size)] - below[middles - _HALF_WIDTH]).sum()
    return place if left <= allowed else None
