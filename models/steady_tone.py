"""Whether a window is one steady tone and nothing else: a matter of signal, not of a network's opinion."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

#: Samples per frame: half a second at 16 kHz, so that lines 24 bins apart are 47 Hz apart.
_FRAME: Final = 8192
_HOP: Final = _FRAME // 2
_TAPER: Final = np.hanning(_FRAME)
#: A line takes this many bins to each side of its peak; a Hann taper leaves less than 1e-5 of its energy outside.
_HALF_WIDTH: Final = 6
#: Largest share of a frame's energy outside the tone: what lies 40 dB below it, as coding noise does.
_MOST_OUTSIDE: Final = 1e-4
#: Steadiness from frame to frame: as a ratio of frequencies, and of energies (0.5 dB).
_MOST_DETUNED: Final = 0.002
_MOST_ENERGY_RATIO: Final = 10**0.05


def steady_tone_hz(samples: npt.NDArray[np.float32], rate_hz: int) -> float | None:
    """Frequency of the one steady tone that a window is, or None when it is anything else.

    A tone is one spectral line, or a line with overtones at its multiples that are weaker than it: a test tone, a dial
    tone of one pitch, a square wave. Frequency and level stay the same throughout. Chords, beats, vibrato, fades,
    clicks and anything audible beside the tone are no steady tone. Most windows are refused by their first frame, so
    this takes far less time than the front end.

    Parameters
    ----------
    samples
        The window's audio, shape (n,); less than half a second is never a tone.
    rate_hz
        Samples per second.
    """
    if samples.size < _FRAME:
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


def _tone_bin(power: npt.NDArray[np.float64]) -> float | None:
    """Place of the tone that a frame's power spectrum is made of, in bins, or None."""
    peak = int(power.argmax())
    if peak < _HALF_WIDTH or peak >= power.size - _HALF_WIDTH:
        return None
    around = np.log(power[peak - 1 : peak + 2] + 1e-30)
    place = peak + 0.5 * float(around[0] - around[2]) / float(around[0] - 2 * around[1] + around[2])
    left = power.sum()
    allowed = _MOST_OUTSIDE * left
    left -= power[peak - _HALF_WIDTH : peak + _HALF_WIDTH + 1].sum()
    # Lines that are nearer to each other would leave no room for anything else to be seen between them.
    if left > allowed and place >= 4 * _HALF_WIDTH:
        for multiple in range(2, int(power.size / place) + 1):
            middle = round(multiple * place)
            left -= power[middle - _HALF_WIDTH : middle + _HALF_WIDTH + 1].sum()
    return place if left <= allowed else None
