"""The log-mel front end in NumPy: the numbers of :mod:`models.front_end` for workers without TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from models.front_end import WINDOW_SAMPLES, FrontEnd, mel_matrix

Array = npt.NDArray[np.float32]

#: Frames that go through the transform together. Their buffers stay in a core's cache, and below the 128 KiB from which
#: on the C library takes memory from the system and gives it back at every call, which took longer than the transform;
#: and their matrix products are too small for the algebra library to start threads.
_BLOCK_FRAMES: Final = 50
#: Mel bands that are summed by one matrix product.
_BANDS_TOGETHER: Final = 16


class NumpyFrontEnd:
    """Turns windows into level-normalised log-mel pictures, one window at a time.

    One window's spectrum fits into a core's cache and a batch's does not; and what comes out of a window cannot depend
    on its neighbours. Not for several threads at once: it works in buffers of its own.

    Parameters
    ----------
    front_end
        The settings.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        self._settings = front_end
        length, hop, bins = front_end.frame_samples, front_end.hop_samples, front_end.fft_samples // 2 + 1
        self._padded = np.zeros(length + (front_end.frames - 1) * hop, np.float32)
        self._squares = np.empty(WINDOW_SAMPLES, np.float32)
        self._framed = np.lib.stride_tricks.sliding_window_view(self._padded, length)[::hop]
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        self._hann = (hann / np.sqrt(np.sum(hann**2))).astype(np.float32)
        self._block = np.empty((_BLOCK_FRAMES, length), np.float32)
        self._spectrum = np.empty((_BLOCK_FRAMES, bins), np.complex64)
        self._power = np.empty((_BLOCK_FRAMES, bins), np.float32)
        # A triangle covers few bins: neighbouring bands go through a product of their own, over their bins alone.
        mel = mel_matrix(front_end)
        self._bands: list[tuple[slice, slice, Array]] = []
        for first in range(0, front_end.mel_bands, _BANDS_TOGETHER):
            bands = slice(first, first + _BANDS_TOGETHER)
            used = np.flatnonzero(mel[:, bands].any(axis=1))
            reach = slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 1)
            self._bands.append((reach, bands, np.ascontiguousarray(mel[reach, bands])))

    def pictures(self, waveform: Array | Sequence[Array], valid_samples: npt.NDArray[np.int32]) -> Iterator[Array]:
        """Give the picture of each window, without the frames that are not valid.

        Parameters
        ----------
        waveform
            Mono samples at 16 kHz, shape (n, 80000), or n arrays of shape (80000,); float32. What stands behind
            ``valid_samples`` is ignored.
        valid_samples
            How many samples of each window are audio, shape (n,).

        Yields
        ------
        Array
            Shape (valid frames, mel_bands), float32; 1 to ``frames`` frames: those whose centre lies in the audio, and
            never fewer than one.
        """
        for samples, count in zip(waveform, valid_samples, strict=True):
            yield self.picture(samples[: max(0, min(int(count), WINDOW_SAMPLES))])

    def picture(self, samples: Array) -> Array:
        """The picture of up to 80,000 samples, all of them audio."""
        settings, heard = self._settings, self._padded[: samples.size]
        # A value that is no number would spread to the whole window.
        np.copyto(heard, samples)
        with np.errstate(invalid="ignore", over="ignore"):
            total = float(heard.sum())
        if not np.isfinite(total):
            np.copyto(heard, 0.0, where=~np.isfinite(heard))
            total = float(heard.sum())
        self._padded[samples.size :] = 0.0
        if samples.size:
            heard -= np.float32(total / samples.size)
            mean_square = float(np.square(heard, out=self._squares[: samples.size]).sum()) / samples.size
            gain = settings.target_rms / math.sqrt(mean_square + 1e-20)
            heard *= np.float32(min(max(gain, settings.smallest_gain), settings.largest_gain))
        centre = settings.frame_samples // 2
        frames = min(max(-((centre - samples.size) // settings.hop_samples), 1), settings.frames)
        picture = np.empty((frames, settings.mel_bands), np.float32)
        for first in range(0, frames, _BLOCK_FRAMES):
            last = min(first + _BLOCK_FRAMES, frames)
            block, spectrum = self._block[: last - first], self._spectrum[: last - first]
            np.multiply(self._framed[first:last], self._hann, out=block)
            np.fft.rfft(block, settings.fft_samples, out=spectrum)  # type: ignore[arg-type] # stubs know double alone
            parts = spectrum.view(np.float32)
            np.square(parts, out=parts)
            power = np.add(parts[:, 0::2], parts[:, 1::2], out=self._power[: last - first])
            for reach, bands, weights in self._bands:
                np.matmul(power[:, reach], weights, out=picture[first:last, bands])
        picture += np.float32(settings.power_floor)
        np.log(picture, out=picture)
        picture -= np.float32(settings.log_centre)
        picture *= np.float32(1.0 / settings.log_spread)
        return picture
