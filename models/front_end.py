"""The log-mel front end: one TensorFlow graph for training and serving, level-normalised and blind to padding."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import tensorflow as tf

SAMPLE_RATE_HZ: Final = 16_000
WINDOW_S: Final = 5.0
WINDOW_SAMPLES: Final = 80_000


@dataclasses.dataclass(frozen=True, slots=True)
class FrontEnd:
    """Settings of the front end; part of the model, so a change means new weights.

    Attributes
    ----------
    frame_samples, hop_samples, fft_samples
        Length of the Hann window, distance of frames and length of the transform, in samples at 16 kHz.
    mel_bands, lowest_hz, highest_hz
        Triangular bands, evenly spaced on the HTK mel scale between the two frequencies.
    target_rms
        Root mean square that a window is brought to, full scale being 1.
    largest_gain, smallest_gain
        Bounds of the factor that does it, so that noise 60 dB down is not blown up to full level.
    power_floor
        Added to each band's power before the logarithm; 1 is the power density of noise with variance 1.
    log_centre, log_spread
        Subtracted from the natural logarithm, and divided by, so that usual values lie in about -2 to 2.
    """

    frame_samples: int = 512
    hop_samples: int = 320
    fft_samples: int = 512
    mel_bands: int = 64
    lowest_hz: float = 50.0
    highest_hz: float = 7800.0
    target_rms: float = 0.1
    largest_gain: float = 1000.0
    smallest_gain: float = 0.1
    power_floor: float = 1e-7
    log_centre: float = -7.0
    log_spread: float = 4.0

    @property
    def frames(self) -> int:
        """Frames of a whole window."""
        return -(-WINDOW_SAMPLES // self.hop_samples)


def mel_matrix(front_end: FrontEnd) -> npt.NDArray[np.float32]:
    """Weights from the power spectrum to mel bands, shape (fft_samples // 2 + 1, mel_bands).

    Triangles with a peak of 1, straight in Hz, as ``librosa.filters.mel(htk=True, norm=None)`` has them; TensorFlow's
    own matrix has triangles that are straight in mel.
    """

    def to_mel(frequency_hz: float) -> float:
        return float(2595.0 * np.log10(1.0 + frequency_hz / 700.0))

    edges_mel = np.linspace(to_mel(front_end.lowest_hz), to_mel(front_end.highest_hz), front_end.mel_bands + 2)
    edges_hz = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    bins_hz = np.arange(front_end.fft_samples // 2 + 1) * SAMPLE_RATE_HZ / front_end.fft_samples
    rising = (bins_hz[:, np.newaxis] - edges_hz[:-2]) / (edges_hz[1:-1] - edges_hz[:-2])
    falling = (edges_hz[2:] - bins_hz[:, np.newaxis]) / (edges_hz[2:] - edges_hz[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


def log_mel(front_end: FrontEnd, waveform: tf.Tensor, valid_samples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Turn windows into level-normalised log-mel pictures.

    Parameters
    ----------
    waveform
        Mono samples at 16 kHz, shape (n, 80000), float32; what stands behind ``valid_samples`` is ignored.
    valid_samples
        How many samples of each window are audio, shape (n,), int32.

    Returns
    -------
    log_mel
        Shape (n, frames, mel_bands), float32; zero in frames that are not valid.
    valid_frames
        Shape (n,), int32, 1 to ``frames``: frames whose centre lies in the audio, and never fewer than one.
    """
    import tensorflow as tf

    count = tf.clip_by_value(valid_samples, 0, WINDOW_SAMPLES)
    is_audio = tf.sequence_mask(count, WINDOW_SAMPLES, tf.float32)
    samples_heard = tf.maximum(tf.cast(count, tf.float32), 1.0)[:, tf.newaxis]
    # A value that is no number would spread to the whole window.
    waveform = tf.where(tf.math.is_finite(waveform), waveform, 0.0) * is_audio
    offset = tf.reduce_sum(waveform, axis=1, keepdims=True) / samples_heard
    waveform = (waveform - offset) * is_audio
    mean_square = tf.reduce_sum(tf.square(waveform), axis=1, keepdims=True) / samples_heard
    gain = front_end.target_rms / tf.sqrt(mean_square + 1e-20)
    waveform = waveform * tf.clip_by_value(gain, front_end.smallest_gain, front_end.largest_gain)

    behind = front_end.frame_samples + (front_end.frames - 1) * front_end.hop_samples - WINDOW_SAMPLES
    framed = tf.signal.frame(tf.pad(waveform, [[0, 0], [0, behind]]), front_end.frame_samples, front_end.hop_samples)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(front_end.frame_samples) / front_end.frame_samples)
    # Dividing by the window's energy makes noise of variance v come out with density v, whatever the frame length.
    hann = (hann / np.sqrt(np.sum(hann**2))).astype(np.float32)
    spectrum = tf.signal.rfft(framed * hann, [front_end.fft_samples])
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    bands = tf.tensordot(power, tf.constant(mel_matrix(front_end)), 1)
    picture = (tf.math.log(bands + front_end.power_floor) - front_end.log_centre) / front_end.log_spread

    centre = front_end.frame_samples // 2
    valid_frames = tf.clip_by_value(-((centre - count) // front_end.hop_samples), 1, front_end.frames)
    mask = tf.sequence_mask(valid_frames, front_end.frames, picture.dtype)
    return picture * mask[:, :, tf.newaxis], valid_frames


def settings_record(front_end: FrontEnd) -> dict[str, Any]:
    """The settings as JSON-ready values, for hashes and the model's metadata."""
    return dataclasses.asdict(front_end)
