"""Mutated audio files: case N of a seed is the same bytes and the same name on every machine, whatever comes before it.

python -m tests.fuzz.audio_mutations --seed 20261125 --case 17 --output /tmp    # writes that one file again
"""

from __future__ import annotations

import argparse
import pathlib
import struct
import tempfile
from collections.abc import Callable

import numpy as np

from tests.audio_files import CODECS, chirp, write_audio

Rng = np.random.Generator
SECONDS = 1.2

_ENDINGS = [
    *sorted({f".{codec.suffix}" for codec in CODECS.values()}),
    ".MP3",
    ".m3u8",
    ".txt",
    ".concat",
    "",
    ".mp3.gz",
]
_WORDS = [
    b"\x1b[2J\x1b]0;owned\x07", b"<script>alert(1)</script>", b"'; DROP TABLE track_labels; --",
    b"=cmd|' /C calc'!A0",
    b"\xff\xfe\x00\xd8", b"\xc3\x28\xa0\xa1", b"../../etc/passwd\x00.mp3", b"%s%n%x", b"\xe2\x80\xaegnp.3pm",
    b"A" * 5000,
]  # fmt: skip
#: Four letters behind or in front of which there are sizes, counts, rates and durations.
_MARKS = [
    b"RIFF", b"WAVE", b"fmt ", b"data", b"FORM", b"COMM", b"SSND", b"ftyp", b"moov", b"mvhd", b"trak", b"tkhd",
    b"mdhd",
    b"stbl", b"stsd", b"stts", b"stsz", b"stsc", b"stco", b"mp4a", b"esds", b"alac", b"mdat", b"elst", b"OggS",
    b"vorb",
    b"Opus", b"fLaC", b"ID3\x03", b"Xing", b"Info", b"LAME", b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67",
    b"\x16\x54\xae\x6b",
    b"\x1f\x43\xb6\x75",
]  # fmt: skip
_NUMBERS = [
    0,
    1,
    2,
    7,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFE,
    0xFFFFFFFF,
    2**63 - 1,
    2**64 - 1,
]
_STRANGERS = [
    b"", b"\0", b"\0" * 4096, b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><svg>&y;</svg>",
    b"PK\x03\x04" + b"\0" * 60,
    b"%PDF-1.4\n", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"[playlist]\nFile1=http://127.0.0.1:9/x.mp3\n",
    b"\x1f\x8b\x08" + b"\0" * 30,
]  # fmt: skip


def base_files() -> list[tuple[str, bytes]]:
    """Sound files of every codec that is promised, as suffix and bytes: a chirp, mono or stereo, 8 to 48 kHz."""
    files = []
    with tempfile.TemporaryDirectory() as folder:
        for name, codec in CODECS.items():
            for rate_hz, channels in ((16_000, 1), (48_000 if "opus" in str(codec.encoder) else 44_100, 2)):
                rate_hz = 48_000 if codec.encoder == "libopus" else rate_hz
                samples = np.stack([chirp(SECONDS, rate_hz)] * channels)
                path = write_audio(pathlib.Path(folder) / f"{name}-{channels}", samples, rate_hz, name)
                files.append((path.suffix, path.read_bytes()))
    return files


def mutated(seed: int, case: int, bases: list[tuple[str, bytes]]) -> tuple[str, bytes, str]:
    """Give the name, the bytes and the recipe of a case."""
    rng = np.random.default_rng([seed, case])
    index = int(rng.integers(len(bases)))
    suffix, data = bases[index]
    steps = []
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        name = str(rng.choice(list(MUTATIONS)))
        data = MUTATIONS[name](data, rng, bases)
        steps.append(name)
    if rng.random() < 0.1:
        suffix = str(rng.choice(_ENDINGS))
        steps.append(f"named {suffix or 'without ending'}")
    return f"case-{case:06d}{suffix}", data, f"{bases[index][0]} {index}: {', '.join(steps)}"


def _place(data: bytes, rng: Rng) -> int:
    """A place in a file; half of them are in its head."""
    end = max(1, len(data) if rng.random() < 0.5 else min(len(data), 512))
    return int(rng.integers(end))


def _number(rng: Rng) -> bytes:
    size, order = int(rng.choice([1, 2, 3, 4, 8])), "little" if rng.random() < 0.5 else "big"
    value = int(_NUMBERS[int(rng.integers(len(_NUMBERS)))]) if rng.random() < 0.8 else int(rng.integers(2**63))
    return (value % 256**size).to_bytes(size, order)


def _flip_bits(data: bytes, rng: Rng, _: object) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.choice([1, 3, 10, 100]))):
        if changed:
            changed[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut_off(data: bytes, rng: Rng, _: object) -> bytes:
    return data[: _place(data, rng)]


def _cut_head(data: bytes, rng: Rng, _: object) -> bytes:
    return data[_place(data, rng) :]


def _span(data: bytes, rng: Rng) -> tuple[int, int]:
    begin = _place(data, rng)
    return begin, min(len(data), begin + int(rng.choice([1, 4, 16, 256, 4096])))


def _delete(data: bytes, rng: Rng, _: object) -> bytes:
    begin, end = _span(data, rng)
    return data[:begin] + data[end:]


def _duplicate(data: bytes, rng: Rng, _: object) -> bytes:
    begin, end = _span(data, rng)
    return data[:end] + data[begin:end] * int(rng.choice([1, 2, 50])) + data[end:]


def _blank(data: bytes, rng: Rng, _: object) -> bytes:
    begin, end = _span(data, rng)
    return data[:begin] + bytes([int(rng.choice([0, 255]))]) * (end - begin) + data[end:]


def _insert(data: bytes, rng: Rng, _: object) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.bytes(int(rng.choice([1, 7, 64, 3000]))) + data[at:]


def _overwrite_number(data: bytes, rng: Rng, _: object) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.choice([1, 2, 5]))):
        at, number = _place(data, rng), _number(rng)
        changed[at : at + len(number)] = number
    return bytes(changed)


def _change_field(data: bytes, rng: Rng, _: object) -> bytes:
    """Sizes, rates, channels and durations: a number beside one of the marks that containers have."""
    places = [at for mark in _MARKS if (at := data.find(mark)) >= 0]
    if not places:
        return _overwrite_number(data, rng, _)
    changed = bytearray(data)
    for _ in range(int(rng.choice([1, 1, 2, 4]))):
        at = max(
            0, int(rng.choice(places)) + int(rng.choice([-4, 4, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 34]))
        )
        number = _number(rng)
        changed[at : at + len(number)] = number
    return bytes(changed)


def _splice(data: bytes, rng: Rng, bases: list[tuple[str, bytes]]) -> bytes:
    other = bases[int(rng.integers(len(bases)))][1]
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _embed(data: bytes, rng: Rng, bases: list[tuple[str, bytes]]) -> bytes:
    other = bases[int(rng.integers(len(bases)))][1]
    at = _place(data, rng)
    return data[:at] + other + data[at:]


def _repeat(data: bytes, rng: Rng, _: object) -> bytes:
    return data * int(rng.choice([2, 3, 8]))


def _tag(data: bytes, rng: Rng, _: object) -> bytes:
    """An ID3v2 tag in front, of hostile words and with sizes that may lie."""
    frames = b""
    for name in (b"TIT2", b"TPE1", b"COMM", b"APIC", b"TXXX"):
        word = _WORDS[int(rng.integers(len(_WORDS)))]
        size = len(word) + 1 if rng.random() < 0.7 else int(rng.choice([0, 1, 2**28 - 1, 2**31 - 1]))
        frames += name + struct.pack(">IH", size, 0) + bytes([int(rng.integers(5))]) + word
    size = len(frames) if rng.random() < 0.7 else int(rng.integers(2**28))
    encoded = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([int(rng.choice([2, 3, 4])), 0, int(rng.choice([0, 0x80, 0x40]))]) + encoded + frames + data


def _word(data: bytes, rng: Rng, _: object) -> bytes:
    word, at = _WORDS[int(rng.integers(len(_WORDS)))], _place(data, rng)
    return data[:at] + word + data[at + len(word) :]


def _stranger(data: bytes, rng: Rng, _: object) -> bytes:
    """No audio at all, or audio behind what is none."""
    stranger = _STRANGERS[int(rng.integers(len(_STRANGERS)))]
    return stranger + (data if rng.random() < 0.3 else b"")


def _noise(data: bytes, rng: Rng, _: object) -> bytes:
    return data[: int(rng.choice([0, 4, 12, 44, 200]))] + rng.bytes(int(rng.choice([10, 1000, 20_000])))


MUTATIONS: dict[str, Callable[[bytes, Rng, list[tuple[str, bytes]]], bytes]] = {
    function.__name__.strip("_"): function
    for function in (
        _flip_bits,
        _cut_off,
        _cut_head,
        _delete,
        _duplicate,
        _blank,
        _insert,
        _overwrite_number,
        _change_field,
        _splice,
        _embed,
        _repeat,
        _tag,
        _word,
        _stranger,
        _noise,
    )
}
# What matters most comes more often than its share.
MUTATIONS |= {f"{name} again": MUTATIONS[name] for name in ("change_field", "flip_bits", "overwrite_number")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--case", type=int, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    name, data, recipe = mutated(arguments.seed, arguments.case, base_files())
    (arguments.output / name).write_bytes(data)
    print(f"{arguments.output / name}: {len(data)} bytes, {recipe}")


if __name__ == "__main__":
    main()
