"""What a file says of itself, and how loud a few excerpts of it are: what an evaluation slices by."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Final

import av
import numpy as np
import soundfile

from models.audio_decoding import decode_windows
from models.window_records import DecodePlan

#: Excerpts whose level is measured; tracks up to twice as long are heard whole or nearly so.
_EXCERPTS: Final = 3


@dataclasses.dataclass(frozen=True, slots=True)
class AudioFacts:
    """Facts of one audio file; null where they cannot be had.

    Attributes
    ----------
    codec
        libav's name of the codec, such as ``mp3``, ``vorbis`` or ``pcm_s16le``.
    bitrate_kbps
        Of the file, in kb/s: its bytes over its length.
    sample_rate_hz, channels
        As the file states them.
    rms_dbfs
        Root mean square of three excerpts of 5 s of the mono mix, in dB re full scale; -200 for digital silence. It is
        no loudness by the ear's measure.
    """

    codec: str | None
    bitrate_kbps: float | None
    sample_rate_hz: int | None
    channels: int | None
    rms_dbfs: float | None


def audio_facts(path: str, duration_s: float) -> AudioFacts:
    """Measure one file that is known to decode.

    Parameters
    ----------
    path
        A local file.
    duration_s
        Its measured length, in seconds.
    """
    codec, sample_rate_hz, channels = _stated(path)
    size_kbit = Path(path).stat().st_size * 8 / 1000
    return AudioFacts(
        codec, size_kbit / duration_s if duration_s > 0 else None, sample_rate_hz, channels, _rms_dbfs(path)
    )


def _stated(path: str) -> tuple[str | None, int | None, int | None]:
    try:
        with (
            Path(path).open("rb") as file,
            # An open file and no protocol, so that no demuxer opens a second one.
            av.open(file, options={"protocol_whitelist": "none"}, metadata_errors="replace") as container,
        ):
            context = container.streams.best("audio").codec_context
            return str(context.codec.canonical_name), context.sample_rate or None, context.channels or None
    except (av.error.FFmpegError, AttributeError, ValueError):
        pass  # libav cannot read it; the job's second decoder could.
    try:
        stated = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError):
        return None, None, None
    return str(stated.subtype).lower(), int(stated.samplerate), int(stated.channels)


def _rms_dbfs(path: str) -> float | None:
    power = samples = 0.0
    for window in decode_windows(path, DecodePlan(sampled_windows=_EXCERPTS, min_duration_s=0.0)):
        heard = window.samples[: window.valid_samples].astype(np.float64)
        power += float(heard @ heard)
        samples += window.valid_samples
    return max(-200.0, 10 * math.log10(max(power / samples, 1e-20))) if samples else None
