"""Makes audio files in every codec that is promised, with PyAV and soundfile, from samples that the test knows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soundfile

Samples = npt.NDArray[np.float32]

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


@dataclasses.dataclass(frozen=True)
class Codec:
    """One kind of file: suffix, PyAV encoder (None: written with soundfile) and soundfile subtype or sample format."""

    suffix: str
    encoder: str | None = None
    sample_format: str | None = None
    subtype: str | None = None
    lossless: bool = False


CODECS = {
    "mp3": Codec("mp3", "libmp3lame", "fltp"),
    "m4a": Codec("m4a", "aac", "fltp"),
    "aac": Codec("aac", "aac", "fltp"),
    "mp4": Codec("mp4", "aac", "fltp"),
    "alac": Codec("m4a", "alac", "s16p", lossless=True),
    "vorbis": Codec("ogg", None, None, "VORBIS"),
    "opus": Codec("opus", "libopus", "flt"),
    "webm": Codec("webm", "libopus", "flt"),
    "flac": Codec("flac", None, None, "PCM_16", lossless=True),
    "flac24": Codec("flac", None, None, "PCM_24", lossless=True),
    "wav8": Codec("wav", None, None, "PCM_U8", lossless=True),
    "wav16": Codec("wav", None, None, "PCM_16", lossless=True),
    "wav24": Codec("wav", None, None, "PCM_24", lossless=True),
    "wav32": Codec("wav", None, None, "PCM_32", lossless=True),
    "wavfloat": Codec("wav", None, None, "FLOAT", lossless=True),
    "wavdouble": Codec("wav", None, None, "DOUBLE", lossless=True),
    "aiff": Codec("aiff", None, None, "PCM_16", lossless=True),
}


def chirp(seconds: float, rate_hz: int, amplitude: float = 0.4, end_hz: float = 3000.0) -> Samples:
    """A tone that climbs from 100 Hz to ``end_hz``: every moment of it is told from every other."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * (100.0 * t + (end_hz - 100.0) / (2 * seconds) * t * t)
    return (amplitude * np.sin(phase)).astype(np.float32)


def write_audio(path: Path, samples: Samples, rate_hz: int, codec: str, bit_rate: int | None = None) -> Path:
    """Write ``samples``, shape (n,) or (channels, n), as ``codec``; the suffix is added to ``path``."""
    kind = CODECS[codec]
    channels = np.atleast_2d(samples).astype(np.float32)
    path = path.with_name(f"{path.name}.{kind.suffix}")
    if kind.encoder is None:
        with soundfile.SoundFile(path, "w", rate_hz, channels.shape[0], kind.subtype) as out:
            for begin in range(0, channels.shape[1], 65536):  # libsndfile's Vorbis fails on one long write
                out.write(channels[:, begin : begin + 65536].T)
        return path
    with av.open(str(path), "w") as container:
        _encode(container, channels, rate_hz, kind, bit_rate)
    return path


def _encode(
    container: av.container.OutputContainer, channels: Samples, rate_hz: int, kind: Codec, bit_rate: int | None
) -> None:
    layout = LAYOUTS[channels.shape[0]]
    stream = container.add_stream(kind.encoder, rate=rate_hz, layout=layout)
    stream.codec_context.format = kind.sample_format
    if bit_rate:
        stream.codec_context.bit_rate = bit_rate
    stream.codec_context.open()
    resampler = av.AudioResampler(kind.sample_format, layout, rate_hz, stream.codec_context.frame_size or 1024)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), "fltp", layout)
    frame.sample_rate, frame.pts = rate_hz, 0
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


def remux(source: Path, target: Path, repeat: int = 1, **options: str) -> Path:
    """Copy the packets of ``source`` into the container of ``target``, ``repeat`` times end to end."""
    with av.open(str(target), "w", options=options) as out:
        stream = None
        offset = 0
        for _ in range(repeat):
            with av.open(str(source)) as container:
                audio = container.streams.audio[0]
                stream = stream or out.add_stream_from_template(audio)
                end = 0
                for packet in container.demux(audio):
                    if packet.dts is None or (offset and packet.dts < 0):
                        continue
                    end = max(end, packet.pts + (packet.duration or 0))
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    out.mux(packet)
                offset += end
    return target
