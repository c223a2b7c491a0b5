"""What the decoder gives and what the model gives back, window by window."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt


@dataclasses.dataclass(frozen=True, slots=True)
class DecodePlan:
    """Which windows of a track to decode, and within which bounds.

    Attributes
    ----------
    sample_rate_hz
        Rate of the samples that come out, in Hz.
    window_s
        Length of a window, in seconds.
    coverage
        ``sampled``: at most ``sampled_windows`` windows, spread evenly over the track. ``full``: windows back to back.
    sampled_windows
        Number of windows of a track that the first round hears under ``sampled`` coverage.
    max_sampled_windows
        Number of windows of a track after the last round: ``sampled_windows`` times a power of 3. Null: as many as the
        first round hears, so there is no other.
    starts
        First samples of the windows to decode, ascending, in place of those of the first round: what a later round
        hears. Null: the first round.
    min_duration_s
        A shorter track is ``audio_too_short``.
    max_duration_s
        A longer track is ``audio_too_long``.
    """

    sample_rate_hz: int = 16_000
    window_s: float = 5.0
    coverage: str = "sampled"
    sampled_windows: int = 6
    max_sampled_windows: int | None = None
    starts: tuple[int, ...] | None = None
    min_duration_s: float = 0.1
    max_duration_s: float = 12 * 3600.0

    @property
    def window_samples(self) -> int:
        """Samples in one window."""
        return round(self.window_s * self.sample_rate_hz)

    @property
    def round_windows(self) -> tuple[int, ...]:
        """Number of windows that a long track has been heard in after each round, such as 3, 9, 27."""
        counts = [self.sampled_windows]
        while self.coverage == "sampled" and 3 * counts[-1] <= (self.max_sampled_windows or 0):
            counts.append(3 * counts[-1])
        return tuple(counts)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class DecodedWindow:
    """One window of one track.

    Attributes
    ----------
    start_s
        Where it starts in the track, in seconds.
    samples
        Mono samples, shape (window_samples,), float32, about -1 to 1, finite; zeros behind ``valid_samples``.
    valid_samples
        How many samples are audio; fewer than ``window_samples`` only at the end of a track.
    peak_dbfs
        Largest magnitude after the window's mean is taken off, in dB re full scale; -200 for digital silence.
    """

    start_s: float
    samples: npt.NDArray[np.float32]
    valid_samples: int
    peak_dbfs: float


@dataclasses.dataclass(frozen=True, slots=True)
class DecodeSummary:
    """How the decoding of one file ended.

    Attributes
    ----------
    windows
        Number of windows that were given out.
    duration_s
        Measured length of what can be decoded, in seconds.
    declared_duration_s
        Length that the container states; null when it states none.
    flags
        ``truncated`` when the audio ends well before the container says, ``decoded_by_fallback`` when only the second
        decoder could read it, ``non_finite_samples`` when samples that are no numbers were set to zero,
        ``above_full_scale`` when samples far above it were clipped, ``channels_cancel`` when the channels cancel each
        other in the mix.
    error_type, message
        Null when ``windows`` > 0; otherwise the typed cause (an ``ErrorType`` value) and a sentence. Both are set too
        when the decoder failed after some windows were out: the track is then labelled from those.
    """

    windows: int
    duration_s: float
    declared_duration_s: float | None = None
    flags: tuple[str, ...] = ()
    error_type: str | None = None
    message: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class WindowPrediction:
    """What the model says of one window.

    Attributes
    ----------
    start_s, duration_s
        Where the window lies in the track and how much of it is audio, in seconds.
    peak_dbfs
        As in :class:`DecodedWindow`.
    category
        Probabilities in the order of ``CATEGORIES``, shape (3,), summing to 1.
    functional_type
        Probabilities in the order of ``FUNCTIONAL_TYPES``, shape (8,), given that the window is functional.
    presence
        Probability that each category is heard at all, shape (3,); they need not sum to 1.
    embedding
        Unit-length vector, shape (embedding_size,), float32.
    tone_hz
        Frequency of the one steady tone that the window is by its signal; None for anything else.
    failure
        What classifying the window met, such as ``ZeroDivisionError (float division by zero)``: the arrays are then
        zeros that stand for nothing, and the audio is a dead letter. None for a prediction.
    """

    start_s: float
    duration_s: float
    peak_dbfs: float
    category: npt.NDArray[np.float32]
    functional_type: npt.NDArray[np.float32]
    presence: npt.NDArray[np.float32]
    embedding: npt.NDArray[np.float32]
    tone_hz: float | None = None
    failure: str | None = None
