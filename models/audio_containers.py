"""What a file's bytes say about it without decoding: its container, its stated length, whether it was cut off.

libav's own duration does for most containers. It is no statement for MP3 (guessed from the bit rate when the file's
size and its Xing header disagree, which is just the case of a cut file) nor for WAV (clipped to the file's size) nor
for raw AAC (always guessed), and of a chain of Ogg streams it sees only the last. These are read here, a few bytes at
a time.
"""

from __future__ import annotations

import dataclasses
import os
import struct
from typing import BinaryIO, Final

_XING_FRAMES_PRESENT: Final = 1
_MPEG_RATES_HZ: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MP3_SEARCH_BYTES: Final = 64 * 1024
#: PCM, float, A-law, mu-law and "extensible": a frame of samples has a fixed number of bytes.
_WAV_PLAIN_FORMATS: Final = (1, 3, 6, 7, 0xFFFE)
#: Programs that write into a pipe state about 2 or 4 GiB.
_WAV_UNKNOWN_BYTES: Final = 0x7FFF0000
_MOST_CHUNKS: Final = 1000
_OGG_HEADER_BYTES: Final = 27
_OGG_FIRST: Final = 2


def id3v2_bytes(file: BinaryIO) -> int:
    """Return the length of the ID3v2 tags at the start of ``file``, in bytes; 0 when there is none."""
    offset = 0
    while True:
        file.seek(offset)
        header = file.read(10)
        if len(header) < 10 or header[:3] != b"ID3" or max(header[6:10]) > 0x7F:
            return offset
        size = (header[6] << 21) | (header[7] << 14) | (header[8] << 7) | header[9]
        offset += 10 + size + (10 if header[5] & 0x10 else 0)


def mp3_stated_duration_s(file: BinaryIO) -> float | None:
    """Read the length that the Xing, Info or VBRI header of an MP3 file states, in seconds; None without one."""
    file.seek(id3v2_bytes(file))
    data = file.read(_MP3_SEARCH_BYTES)
    start = 0
    while (start := data.find(b"\xff", start)) >= 0:
        frame = data[start : start + 256]
        start += 1
        if len(frame) < 60 or frame[1] & 0xE6 != 0xE2:  # eleven sync bits and layer III
            continue
        version, rate_index = (frame[1] >> 3) & 3, (frame[2] >> 2) & 3
        if version == 1 or rate_index == 3 or frame[2] >> 4 in (0, 15):
            continue
        rate_hz = _MPEG_RATES_HZ[version][rate_index]
        mono = frame[3] >> 6 == 3
        side_info_bytes = (17 if mono else 32) if version == 3 else (9 if mono else 17)
        frames = _vbr_header_frames(frame, 4 + side_info_bytes)
        if frames is None:
            return None  # the first frame is audio: the file states nothing
        samples_per_frame = 1152 if version == 3 else 576
        return frames * samples_per_frame / rate_hz if frames else None
    return None


def _vbr_header_frames(frame: bytes, xing_at: int) -> int | None:
    if frame[xing_at : xing_at + 4] in (b"Xing", b"Info"):
        flags, frames = struct.unpack_from(">II", frame, xing_at + 4)
        return int(frames) if flags & _XING_FRAMES_PRESENT else 0
    if frame[36:40] == b"VBRI":
        return int(struct.unpack_from(">I", frame, 36 + 14)[0])
    return None


def wav_stated_duration_s(file: BinaryIO) -> float | None:
    """Read the length that the headers of a WAV file of plain samples state, in seconds; None without one."""
    file.seek(0)
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
        return None
    offset = 12
    wide_bytes = bytes_per_s = 0
    for _ in range(_MOST_CHUNKS):
        file.seek(offset)
        chunk = file.read(8 + 40)
        if len(chunk) < 8:
            return None
        name, length = chunk[:4], int(struct.unpack_from("<I", chunk, 4)[0])
        if name == b"ds64" and len(chunk) >= 24:
            wide_bytes = int(struct.unpack_from("<Q", chunk, 16)[0])
        elif name == b"fmt " and len(chunk) >= 24:
            kind, _, rate_hz, _, frame_bytes = struct.unpack_from("<HHIIH", chunk, 8)
            bytes_per_s = rate_hz * frame_bytes if kind in _WAV_PLAIN_FORMATS else 0
        elif name == b"data":
            stated = wide_bytes if length == 0xFFFFFFFF else length if length < _WAV_UNKNOWN_BYTES else 0
            return stated / bytes_per_s if bytes_per_s and stated else None
        offset += 8 + length + (length & 1)
    return None


@dataclasses.dataclass(frozen=True, slots=True)
class OggPages:
    """What the page headers of an Ogg file say.

    Attributes
    ----------
    regular
        Every page follows the one before.
    links
        Where in the file each set of streams begins, in bytes. Files put end to end are a chain of several: time stamps
        start anew in each, and the sample rate may be another.
    cut
        The last page is not whole.
    """

    regular: bool
    links: tuple[int, ...]
    cut: bool


def walk_ogg_pages(file: BinaryIO) -> OggPages:
    """Read the page headers of an Ogg file, and nothing between them."""
    size = file.seek(0, os.SEEK_END)
    offset = 0
    links: list[int] = []
    in_headers = False
    while offset < size:
        file.seek(offset)
        header = file.read(_OGG_HEADER_BYTES + 255)
        if header[:4] != b"OggS":
            return OggPages(regular=False, links=tuple(links), cut=b"OggS".startswith(header[:4]))
        if len(header) < _OGG_HEADER_BYTES or len(header) < _OGG_HEADER_BYTES + header[26]:
            return OggPages(regular=True, links=tuple(links), cut=True)
        first = bool(header[5] & _OGG_FIRST)
        if first and not in_headers:  # the first pages of all streams of a set stand together
            links.append(offset)
        in_headers = first
        offset += _OGG_HEADER_BYTES + header[26] + sum(header[_OGG_HEADER_BYTES : _OGG_HEADER_BYTES + header[26]])
    return OggPages(regular=True, links=tuple(links), cut=offset > size)


def looks_cut_off(file: BinaryIO) -> bool:
    """Tell whether a file that no decoder opens is the beginning of one: its header states more bytes than it has."""
    size = file.seek(0, os.SEEK_END)
    tags = id3v2_bytes(file)
    if tags > 0 and tags >= size:
        return True
    file.seek(0)
    head = file.read(12)
    if head[:4] in (b"RIFF", b"RF64", b"FORM"):
        order = ">" if head[:4] == b"FORM" else "<"
        return size < 12 or 8 + struct.unpack_from(order + "I", head, 4)[0] > size
    if head[4:8] == b"ftyp":
        return _mp4_boxes_end(file, size) > size
    if head[:4] == b"fLaC":
        return _flac_metadata_end(file, size) > size
    if head[:4] == b"OggS":
        return walk_ogg_pages(file).cut
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _ebml_elements_end(file, size) > size
    return False


def _mp4_boxes_end(file: BinaryIO, size: int) -> int:
    offset = 0
    while offset < size:
        file.seek(offset)
        header = file.read(16)
        if len(header) < 8:
            return size + 1
        box = int(struct.unpack_from(">I", header)[0])
        if box == 1 and len(header) == 16:
            box = int(struct.unpack_from(">Q", header, 8)[0])
        if box < 8:  # 0: up to the end of the file; the rest is not valid
            return offset if box else size
        offset += box
    return offset


def _flac_metadata_end(file: BinaryIO, size: int) -> int:
    offset = 4
    while offset <= size:
        file.seek(offset)
        header = file.read(4)
        if len(header) < 4:
            return size + 1
        offset += 4 + int.from_bytes(header[1:], "big")
        if header[0] & 0x80:
            break
    return offset


def _ebml_elements_end(file: BinaryIO, size: int) -> int:
    """Find the end of the top-level elements; the size of a live stream's segment is unknown and counts as whole."""
    offset = 0
    while offset < size:
        file.seek(offset)
        header = file.read(12)
        id_bytes = 9 - header[0].bit_length()
        if not 1 <= id_bytes <= 4 or len(header) <= id_bytes:
            return size if len(header) > id_bytes else size + 1
        size_bytes = 9 - header[id_bytes].bit_length()
        field = header[id_bytes : id_bytes + size_bytes]
        if size_bytes > 8 or len(field) < size_bytes:
            return size + 1
        length = int.from_bytes(field, "big") & ((1 << (7 * size_bytes)) - 1)
        if length == (1 << (7 * size_bytes)) - 1:
            return size
        offset += id_bytes + size_bytes + length
    return offset
