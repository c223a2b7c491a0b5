"""Training clips through a real lossy codec and back, as every track of a catalog has been."""

from __future__ import annotations

import io
from typing import Final

import av
import numpy as np

from models.synthesis import SAMPLE_RATE_HZ, Samples

#: Encoder, container, and lowest and highest bits per second for 16 kHz mono. The lowest are what 64 kb/s of stereo at
#: 44.1 kHz leave to each channel's lower half; at the highest hardly anything is heard.
CODECS: Final = {
    "mp3": ("libmp3lame", "mp3", 16_000, 96_000),
    "aac": ("aac", "adts", 16_000, 96_000),
    "opus": ("libopus", "ogg", 12_000, 64_000),
}


def through_codec(samples: Samples, codec: str, bits_per_s: int) -> Samples:
    """Encode and decode a clip; the delay of encoder and decoder is taken off.

    Parameters
    ----------
    samples
        Mono at 16 kHz, shape (samples,), not louder than full scale.
    codec
        A key of :data:`CODECS`.
    bits_per_s
        Asked of the encoder, which may choose the nearest rate that its format has.

    Returns
    -------
    ndarray
        As many samples as came in.
    """
    encoder, container, _, _ = CODECS[codec]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(encoder, rate=SAMPLE_RATE_HZ, layout="mono")
        stream.bit_rate = bits_per_s
        # Encoders take frames of a size and sample format of their own.
        fit = av.AudioResampler(
            stream.codec_context.format, "mono", SAMPLE_RATE_HZ, stream.codec_context.frame_size or 1024
        )
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[np.newaxis], np.float32), "fltp", "mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        for part in [*fit.resample(frame), *fit.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    buffer.seek(0)
    heard: list[Samples] = []
    back = av.AudioResampler("fltp", "mono", SAMPLE_RATE_HZ)
    with av.open(buffer) as coded:
        for coded_frame in coded.decode(audio=0):
            heard += [part.to_ndarray()[0] for part in back.resample(coded_frame)]
        heard += [part.to_ndarray()[0] for part in back.resample(None)]
    # AAC without a container tells nobody of its priming; the other two take it off themselves.
    decoded: Samples = np.concatenate([*heard, np.zeros(2048, np.float32)])[1024 if codec == "aac" else 0 :]
    return np.resize(decoded, len(samples)) if len(decoded) < len(samples) else decoded[: len(samples)]


def coded(rng: np.random.Generator, samples: Samples) -> Samples:
    """A clip through a codec and a rate drawn at random."""
    codec = str(rng.choice(list(CODECS)))
    _, _, lowest, highest = CODECS[codec]
    bits_per_s = int(np.exp(rng.uniform(np.log(lowest), np.log(highest))))
    peak = float(np.abs(samples).max(initial=0)) + 1e-9
    return through_codec((samples * (0.8 / peak)).astype(np.float32), codec, bits_per_s) * np.float32(peak / 0.8)
