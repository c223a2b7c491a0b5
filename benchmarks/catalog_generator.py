"""A catalog of any size out of the sample shard.

python benchmarks/catalog_generator.py --output DIR --tracks 1000

**Audio.** Real recordings of ``sample/``, at least 20 s long, looped to ``--seconds`` (3 minutes) with a cross-fade,
each take at a pitch, a gain and an offset of its own, written as stereo in the formats that catalogs hold: MP3, Ogg
(four parts Vorbis, one part Opus), AAC in m4a and FLAC **in equal parts**. No statistic of catalogs' formats is public;
with equal parts none of them decides a figure. Six recordings in ten are music, three functional, one speech. The
sample was made of hard cases, so more tracks than usual are heard in many windows.

**Distinct.** ``--takes`` takes are encoded; further tracks are copies of these whose comment holds the track's number.
So no two files have the same bytes or sha256, and every one is read, hashed and decoded.

**Small.** ``--small`` writes mono at 12 to 32 kbit/s without FLAC, a tenth of the bytes: for ten thousand tracks on one
disk.

A folder that already holds such a catalog is left as it is; one with more tracks serves fewer.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import multiprocessing
import os
import pathlib
import struct
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
import soundfile

ROOT: Final = pathlib.Path(__file__).parents[1]
_RATE_HZ: Final = 44_100
_SHORTEST_SOURCE_S: Final = 20.0
_FADE_S: Final = 0.05
#: What a copy's number takes the place of; libav writes it into the comment of every format as it is.
_MARK: Final = b"copy-00000000"
_CATEGORIES: Final = (
    "music",
    "functional",
    "music",
    "music",
    "functional",
    "music",
    "speech",
    "music",
    "functional",
    "music",
)


@dataclasses.dataclass(frozen=True)
class Format:
    """One way to write a track, by libav's ``encoder`` (``options`` are its own) or, for Vorbis, by libsndfile.

    libsndfile carries Vorbis' reference encoder and takes a ``quality`` from 0 to 1 instead of a rate.
    """

    name: str
    suffix: str
    encoder: str
    kbps: int | None
    sample_format: str
    rate_hz: int = _RATE_HZ
    options: tuple[tuple[str, str], ...] = ()
    layout: str = "stereo"
    quality: float = 0.0


def _vorbis(quality: float, rate_hz: int = _RATE_HZ, layout: str = "stereo") -> Format:
    return Format(f"vorbis q{10 * quality:g}", "ogg", "libsndfile", None, "fltp", rate_hz, (), layout, quality)


_MP3, _OGG, _M4A, _FLAC = "mp3", "ogg", "m4a", "flac"
FORMATS: Final = {
    _MP3: (
        Format("mp3 128", "mp3", "libmp3lame", 128, "fltp"),
        Format("mp3 320", "mp3", "libmp3lame", 320, "fltp"),
        Format("mp3 variable", "mp3", "libmp3lame", 192, "fltp", options=(("abr", "1"),)),
        Format("mp3 256 48 kHz", "mp3", "libmp3lame", 256, "fltp", 48_000),
        Format("mp3 192", "mp3", "libmp3lame", 192, "fltp"),
    ),
    _OGG: (
        _vorbis(0.5),
        _vorbis(0.9),
        _vorbis(0.2),
        Format("opus 128", "opus", "libopus", 128, "flt", 48_000),
        _vorbis(0.6),
    ),
    _M4A: (
        Format("aac 128", "m4a", "aac", 128, "fltp"),
        Format("aac 256", "m4a", "aac", 256, "fltp"),
        Format("aac 192 48 kHz", "m4a", "aac", 192, "fltp", 48_000),
        Format("aac 256", "m4a", "aac", 256, "fltp"),
        Format("aac 96", "m4a", "aac", 96, "fltp"),
    ),
    _FLAC: (
        Format("flac", "flac", "flac", None, "s16"),
        Format("flac", "flac", "flac", None, "s16"),
        Format("flac 48 kHz", "flac", "flac", None, "s16", 48_000),
        Format("flac", "flac", "flac", None, "s16"),
        Format("flac 24 bit", "flac", "flac", None, "s32"),
    ),
}  # fmt: skip
SMALL_FORMATS: Final = {
    _MP3: (Format("mp3 24 mono", "mp3", "libmp3lame", 24, "fltp", 22_050, layout="mono"),),
    _OGG: (
        Format("opus 12 mono", "opus", "libopus", 12, "flt", 48_000, layout="mono"),
        _vorbis(0.0, 22_050, "mono"),
    ),
    _M4A: (Format("aac 24 mono", "m4a", "aac", 24, "fltp", 22_050, layout="mono"),),
}


def sources() -> list[pathlib.Path]:
    """The recordings to make tracks of: whole files of the sample whose category is clear, in the mix of categories."""
    lines = (ROOT / "sample/catalog.jsonl").read_bytes().split(b"\n")
    found: dict[str, list[pathlib.Path]] = {category: [] for category in set(_CATEGORIES)}
    with (ROOT / "sample/expected.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["clear"] != "true" or row["expected_error_type"] or row["expected_functional_type"] == "silence":
                continue
            path = ROOT / "sample" / json.loads(lines[int(row["catalog_line"]) - 1])["audio_uri"]
            if path not in found[row["expected_category"]]:
                found[row["expected_category"]].append(path)
    long_enough = {
        category: [path for path in paths if _duration_s(path) >= _SHORTEST_SOURCE_S]
        for category, paths in found.items()
    }
    most = max(len(paths) for paths in long_enough.values())
    turns = {category: iter(paths * most) for category, paths in long_enough.items()}
    return [next(turns[_CATEGORIES[i % len(_CATEGORIES)]]) for i in range(most)]


def _duration_s(path: pathlib.Path) -> float:
    with av.open(str(path), metadata_errors="replace") as container:
        return (container.duration or 0) / av.time_base


def _decode(path: pathlib.Path, rate_hz: int, layout: str, pitch: float) -> npt.NDArray[np.float32]:
    """Samples of shape (channels, n), played ``pitch`` times as fast."""
    with av.open(str(path), metadata_errors="replace") as container:
        frames = container.decode(container.streams.best("audio"))
        plain = av.AudioResampler("fltp", layout)
        taken = [piece.to_ndarray() for frame in frames for piece in plain.resample(frame)]
        rate_in_hz = container.streams.best("audio").codec_context.sample_rate
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(np.concatenate(taken, axis=1)), "fltp", layout)
    frame.sample_rate = round(rate_in_hz * pitch)
    resampler = av.AudioResampler("fltp", layout, rate_hz)
    return np.concatenate([p.to_ndarray() for p in [*resampler.resample(frame), *resampler.resample(None)]], axis=1)


def _loop(samples: npt.NDArray[np.float32], count: int, offset: int, fade: int) -> npt.NDArray[np.float32]:
    """``count`` samples of an endless loop of ``samples`` from ``offset`` on, its seam cross-faded."""
    ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
    body = samples[:, :-fade].copy()
    body[:, :fade] = body[:, :fade] * ramp + samples[:, -fade:] * (1 - ramp)
    return np.take(body, np.arange(offset, offset + count), axis=1, mode="wrap")


def write_take(path: pathlib.Path, source: pathlib.Path, form: Format, number: int, seconds: float) -> None:
    """Write one take; all that varies follows from its ``number``."""
    random = np.random.default_rng(number)
    samples = _decode(source, form.rate_hz, form.layout, float(random.uniform(0.94, 1.06)))
    looped = _loop(
        samples, round(seconds * form.rate_hz), int(random.integers(samples.shape[1])), round(_FADE_S * form.rate_hz)
    )
    looped *= np.float32(random.uniform(0.5, 0.95) / max(float(np.abs(looped).max()), 1e-6))
    if form.encoder == "libsndfile":
        channels = len(looped)
        with soundfile.SoundFile(
            path, "w", form.rate_hz, channels, "VORBIS", format="OGG", compression_level=1 - form.quality
        ) as file:
            file.comment = _MARK.decode()
            for start in range(0, looped.shape[1], 65_536):  # one long write fails
                file.write(looped[:, start : start + 65_536].T)
        return
    with av.open(str(path), "w") as container:
        container.metadata["comment"] = _MARK.decode()
        stream: Any = container.add_stream(
            form.encoder, rate=form.rate_hz, layout=form.layout, options=dict(form.options)
        )
        stream.codec_context.format = form.sample_format
        if form.kbps is not None:
            stream.codec_context.bit_rate = form.kbps * 1000
        stream.codec_context.open()
        resampler = av.AudioResampler(
            form.sample_format, form.layout, form.rate_hz, stream.codec_context.frame_size or 1024
        )
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(looped), "fltp", form.layout)
        frame.sample_rate, frame.pts = form.rate_hz, 0
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def numbered_copy(content: bytes, number: int) -> bytes:
    """The bytes of a take with ``number`` in its comment: another sha256, the same audio."""
    at = content.index(_MARK)
    copy = bytearray(content)
    copy[at : at + len(_MARK)] = b"copy-%08d" % number
    if content.startswith(b"OggS"):
        page = content.rindex(b"OggS", 0, at)
        segments = content[page + 26]
        end = page + 27 + segments + sum(content[page + 27 : page + 27 + segments])
        copy[page + 22 : page + 26] = bytes(4)
        copy[page + 22 : page + 26] = struct.pack("<I", _ogg_crc(copy[page:end]))
    return bytes(copy)


def _ogg_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = ((value << 1) ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
        table.append(value)
    return table


_OGG_TABLE: Final = _ogg_table()


def _ogg_crc(data: bytes | bytearray) -> int:
    """Checksum of a page whose own field for it holds zeros (RFC 3533)."""
    crc = 0
    for byte in data:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _OGG_TABLE[(crc >> 24) ^ byte]
    return crc


def generate(
    folder: pathlib.Path, tracks: int, seconds: float = 180.0, takes: int = 40, small: bool = False
) -> pathlib.Path:
    """Make the audio where it is not there yet, and a catalog of just ``tracks`` rows beside it.

    Returns
    -------
    pathlib.Path
        The catalog, ``catalog-TRACKS.jsonl``; its ``audio_uri`` are relative to ``folder``.
    """
    (folder / "takes").mkdir(parents=True, exist_ok=True)
    (folder / "audio").mkdir(exist_ok=True)
    formats, recordings = SMALL_FORMATS if small else FORMATS, sources()
    kinds = list(formats)
    jobs = []
    for number in range(min(takes, tracks)):
        forms = formats[kinds[number % len(kinds)]]
        form = forms[number // len(kinds) % len(forms)]
        # Formats take turns at another step than recordings' categories, so that each holds them all.
        source = recordings[(number + number // len(kinds)) % len(recordings)]
        jobs.append((folder / f"takes/{number:04d}-{seconds:g}s.{form.suffix}", source, form, number, seconds))
    missing = [job for job in jobs if not job[0].exists()]
    if missing:
        with multiprocessing.get_context("spawn").Pool(min(len(missing), os.cpu_count() or 1)) as pool:
            pool.starmap(_write_whole, missing, chunksize=1)
    catalog = folder / f"catalog-{tracks}.jsonl"
    contents = [(job[0].read_bytes(), job[2].suffix) for job in jobs]
    with catalog.open("w") as lines:
        for number in range(tracks):
            content, suffix = contents[number % len(contents)]
            uri = f"audio/{number:06d}.{suffix}"
            if not (folder / uri).exists():
                (folder / uri).write_bytes(numbered_copy(content, number))
            row = {
                "track_id": f"t{number:06d}",
                "audio_uri": uri,
                "title": f"Take {number}",
                "duration_ms": round(seconds * 1000),
            }
            lines.write(json.dumps(row) + "\n")
    return catalog


def _write_whole(path: pathlib.Path, *arguments: Any) -> None:
    """Write a take under another name first, so that a killed run leaves no half of one."""
    part = path.with_name(f"part-{path.name}")
    write_take(part, *arguments)
    part.rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--tracks", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--takes", type=int, default=40)
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    print(generate(arguments.output, arguments.tracks, arguments.seconds, arguments.takes, arguments.small))


if __name__ == "__main__":
    main()
