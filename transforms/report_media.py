"""Samples as what a browser plays and shows: an MP3 and a picture of its spectrum, both as ``data:`` URIs."""

from __future__ import annotations

import base64
import io
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

#: MP3, because every browser plays it, the free builds of Chromium and Safari among them.
_BIT_RATE: Final = 40_000
#: LAME's quality, of 0 to 9. From 7 on it leaves out the search for the best noise shaping, which takes half the time.
_LAME_QUALITY: Final = "7"
_PICTURE_WIDTH, _PICTURE_HEIGHT = 640, 128
#: The range of the picture's axis of frequency, which is logarithmic; ``run_report.css`` places its marks by it.
LOWEST_HZ, HIGHEST_HZ = 60.0, 12_000.0
_FFT_SAMPLES: Final = 2048
#: What the darkest colour stands for, below the loudest point.
_RANGE_DB: Final = 72.0
#: A picture of silence must stay dark: nothing below this level becomes bright.
_LEAST_LOUDEST_DB: Final = -50.0
#: From quiet to loud, ever lighter, so that the picture reads without colour too.
_RAMP: Final = np.array(
    [(13, 17, 35), (28, 44, 92), (38, 90, 140), (47, 143, 150), (115, 190, 130), (214, 222, 120), (255, 250, 220)],
    np.float64,
)  # fmt: skip
#: The same in so many steps as an eye can tell apart, shape (256, 3).
_COLOURS: Final = np.stack(
    [np.interp(np.linspace(0, len(_RAMP) - 1, 256), range(len(_RAMP)), _RAMP[:, i]) for i in range(3)], axis=-1
).round().astype(np.uint8)  # fmt: skip


def mp3_uri(samples: Samples, sample_rate_hz: int) -> str:
    """Encode mono samples of about -1 to 1, shape (n,), at a rate that MP3 has."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as container:
        stream = container.add_stream(
            "libmp3lame", rate=sample_rate_hz, layout="mono", options={"compression_level": _LAME_QUALITY}
        )
        stream.bit_rate = _BIT_RATE
        frame = av.AudioFrame.from_ndarray(np.clip(samples, -1.0, 1.0)[None, :], format="fltp", layout="mono")
        frame.sample_rate = sample_rate_hz
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return _uri("audio/mpeg", out.getvalue())


def spectrogram_uri(samples: Samples, sample_rate_hz: int) -> str:
    """Draw the spectrum over time, from the lowest frequency at the bottom to the highest at the top.

    Parameters
    ----------
    samples
        Mono, about -1 to 1, shape (n,), n > 0.
    """
    from PIL import Image

    loud_db = _spectrum_db(samples, sample_rate_hz)
    loudest = max(float(loud_db.max()), _LEAST_LOUDEST_DB)
    shade = np.clip((loud_db - loudest) / _RANGE_DB + 1.0, 0.0, 1.0) * (len(_COLOURS) - 1)
    out = io.BytesIO()
    Image.fromarray(_COLOURS[shade.round().astype(np.uint8)]).save(out, "WEBP", quality=60, method=2)
    return _uri("image/webp", out.getvalue())


def _spectrum_db(samples: Samples, sample_rate_hz: int) -> npt.NDArray[np.float64]:
    """Power in dB re a full-scale sine, shape (height, width), on a logarithmic axis of frequency, highest first."""
    half = _FFT_SAMPLES // 2
    padded = np.pad(samples.astype(np.float64), (half, half))
    centres = np.linspace(0, samples.size - 1, min(_PICTURE_WIDTH, samples.size)).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[centres]
    window = np.hanning(_FFT_SAMPLES)
    power = (np.abs(np.fft.rfft(frames * window)) * 2 / window.sum()) ** 2
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, _PICTURE_HEIGHT + 1) * _FFT_SAMPLES / sample_rate_hz
    # A row at the top spans many bins of the transform, and shows its loudest; one at the bottom lies between two.
    first = np.minimum(edges[:-1].astype(int), power.shape[1] - 1)
    loudest = np.maximum.reduceat(power, first, axis=1)
    middle = np.minimum((edges[:-1] + edges[1:]) / 2, power.shape[1] - 1.001)
    below = middle.astype(int)
    between = power[:, below] * (1 - (middle - below)) + power[:, below + 1] * (middle - below)
    rows = np.where(np.diff(edges) > 1, loudest, between)[:, ::-1]
    decibels: npt.NDArray[np.float64] = 10 * np.log10(rows.T + 1e-12)
    return decibels


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
