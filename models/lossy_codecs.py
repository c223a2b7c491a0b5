"""Writing one track in the codecs that catalogs hold, through real encoders: libav's by PyAV, and libsndfile's."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any, Final

import av
import numpy as np
import soundfile

from models.evaluation_samples import RATE_HZ, Samples


@dataclasses.dataclass(frozen=True, slots=True)
class CodecSetting:
    """One way to write a track.

    Attributes
    ----------
    name
        Of the setting; in file names.
    codec
        For the manifest's column.
    suffix
        Of the file, with its dot.
    bitrate_kbps
        Asked of the encoder; None where the sound decides.
    encoder
        libav's name; None for libsndfile.
    sample_format, rate_hz
        What that encoder takes.
    subtype
        libsndfile's word for the coding.
    """

    name: str
    codec: str
    suffix: str
    bitrate_kbps: int | None = None
    encoder: str | None = None
    sample_format: str = "fltp"
    rate_hz: int = RATE_HZ
    subtype: str = "PCM_16"


#: Vorbis comes from libsndfile, which carries the format's reference encoder; libav's own one is a poor stand-in.
CODEC_SETTINGS: Final = (
    CodecSetting("mp3_64", "mp3", ".mp3", 64, "libmp3lame"),
    CodecSetting("mp3_128", "mp3", ".mp3", 128, "libmp3lame"),
    CodecSetting("mp3_320", "mp3", ".mp3", 320, "libmp3lame"),
    CodecSetting("aac_96", "aac", ".m4a", 96, "aac"),
    CodecSetting("opus_64", "opus", ".opus", 64, "libopus", "flt", 48_000),
    CodecSetting("vorbis", "vorbis", ".ogg", subtype="VORBIS"),
    CodecSetting("flac", "flac", ".flac"),
    CodecSetting("wav", "wav", ".wav"),
)
FLAC: Final = CODEC_SETTINGS[6]


def write_audio(path: pathlib.Path, samples: Samples, setting: CodecSetting = FLAC) -> None:
    """Write a track of shape (samples,) or (samples, channels), one or two of them, at ``RATE_HZ``."""
    track = np.asarray(samples[:, None] if samples.ndim == 1 else samples)
    if setting.encoder is not None:
        _write_with_libav(path, track, setting)
        return
    with soundfile.SoundFile(path, "w", RATE_HZ, track.shape[1], setting.subtype) as file:
        # libsndfile's Vorbis fails on one long write.
        for start in range(0, len(track), 65_536):
            file.write(track[start : start + 65_536])


def _write_with_libav(path: pathlib.Path, track: Samples, setting: CodecSetting) -> None:
    layout = "mono" if track.shape[1] == 1 else "stereo"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(setting.encoder, rate=setting.rate_hz, layout=layout)
        stream.codec_context.format = setting.sample_format
        stream.codec_context.bit_rate = (setting.bitrate_kbps or 128) * 1000
        stream.codec_context.open()
        frame_size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(setting.sample_format, layout, setting.rate_hz, frame_size)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(track.T, np.float32), "fltp", layout)
        frame.sample_rate, frame.pts = RATE_HZ, 0
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
