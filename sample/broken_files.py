"""The sample's broken audio files, made from its good ones; ``build_sample.py`` calls this."""

from __future__ import annotations

import pathlib
import struct
import zlib

FOLDER = "audio/broken"


def _wav(pcm: bytes, rate_hz: int, declared_bytes: int | None = None) -> bytes:
    """Make a 16-bit mono WAV file; ``declared_bytes`` lets the header claim more data than there is."""
    size = len(pcm) if declared_bytes is None else declared_bytes
    sizes = (b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16, b"data", size)
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", *sizes) + pcm


def _png() -> bytes:
    """Make a picture of one grey pixel."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(b"\x00\x80")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def _header_only_m4a(whole: bytes) -> bytes:
    """Keep an m4a file up to a few bytes behind the start of its audio data: opens, and decodes to nothing."""
    place = whole.index(b"mdat")
    return whole[: place + 4 + 16]


def write_broken_files(audio: pathlib.Path, attribution: list[tuple[str, ...]]) -> None:
    """Write the broken files below ``audio`` and append a line for each to ``attribution``.

    Parameters
    ----------
    audio
        The shard's ``audio`` folder, with the good files in place.
    attribution
        Lines of (file, title, package, author, licence, change, split); read for the good files' credits.
    """
    credits = {line[0]: line[1:] for line in attribution}
    made: list[tuple[str, bytes, str | None, str]] = []

    theme = "audio/wesnoth/01-main-theme.mp3"
    whole = (audio.parent / theme).read_bytes()
    made.append(("half-a-song.mp3", whole[: len(whole) // 2], theme, "the first half of the bytes of"))

    latin = "audio/lomiri/02-latin.m4a"
    made.append(("header-only.m4a", _header_only_m4a((audio.parent / latin).read_bytes()), latin, "only the header of"))

    genesis = "audio/trackballs/01-genesis.wav"
    unsigned = (audio.parent / genesis).read_bytes()[-11025 * 12 :]
    signed = b"".join(struct.pack("<h", (byte - 128) << 8) for byte in unsigned)
    made.append(
        ("claims-a-minute.wav", _wav(signed, 11025, 60 * 2 * 11025), genesis,
         "the last 12 s as 16 bit, under a header that declares 60 s, from")
    )  # fmt: skip
    made.append(("blink.wav", _wav(signed[: 2 * 220], 11025), genesis, "0.02 s of"))

    made.append(("empty.mp3", b"", None, "an empty file"))
    made.append(("notes.mp3", b"These are the session notes, uploaded in place of the song.\n" * 8, None, "plain text"))
    made.append(("cover.flac", _png(), None, "a PNG picture of one pixel"))

    (audio / "broken").mkdir(parents=True, exist_ok=True)
    for name, content, origin, change in made:
        (audio / "broken" / name).write_bytes(content)
        own = ("", "none", "this project", "CC0-1.0", "", "")
        title, package, author, licence, _, split = own if origin is None else credits[origin]
        words = f"made broken: {change} {origin or ''}".rstrip()
        attribution.append((f"{FOLDER}/{name}", title, package, author, licence, words, split))
