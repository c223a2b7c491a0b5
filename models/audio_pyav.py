"""The first decoder: libav through PyAV, held to the containers and codecs of music catalogs.

libav also knows play lists, image sequences, network streams and other inputs that open further files. It is given an
open file and nothing else: the demuxers are an allow-list, every protocol is refused, and a demuxer that asks for a
second file is refused too.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Final

import av
import av.error
import numpy as np

from models.audio_containers import mp3_stated_duration_s, walk_ogg_pages, wav_stated_duration_s
from models.audio_resampling import RATES_HZ, Block, ChannelBalance, FrameJoiner, Samples

DEMUXERS: Final = ("mp3", "aac", "mov", "matroska", "ogg", "flac", "wav", "w64", "aiff", "caf", "au")
_PCM: Final = tuple(sorted(name for name in av.codecs_available if name.startswith("pcm_")))
DECODERS: Final = (
    *("mp1float", "mp1", "mp2float", "mp2", "mp3float", "mp3", "aac", "ac3", "eac3", "alac", "flac"),
    *("vorbis", "libvorbis", "opus", "libopus", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt"),
    *_PCM,
)
_OPTIONS: Final = {
    "format_whitelist": ",".join(DEMUXERS),
    "codec_whitelist": ",".join(DECODERS),
    "protocol_whitelist": "none",
    # Bytes for the index of frames that libav makes of an MP3 file as it seeks. Of ten hours it takes 33 MB, and with
    # the default of 1 MB it is thinned out so far that some seeks end at the start of the file.
    "indexmem": str(64 << 20),
}
#: Decoded and thrown away before a span: MP3's bit reservoir, Opus' 80 ms and AAC's overlap are all shorter.
_PRE_ROLL_S: Final = 0.5
#: Near the end of an Ogg file it is longer: packets of the last page get late stamps when reading begins in that page.
_OGG_END_S: Final = 10.0
_OGG_END_PRE_ROLL_S: Final = 4.0
#: How far before the expected end the search for the real one begins, and how far behind it is given up.
_END_SEARCH_S: Final = 1.0
_END_BEYOND_S: Final = 30.0
#: A seek that lands farther before its target is no use: reading straight through costs no more.
_FARTHEST_BEFORE_S: Final = 60.0
#: Random bytes named ``.mp3`` come to a tenth of a percent.
_LEAST_AUDIO_SHARE: Final = 0.05
#: Frames over whose time stamps the rounding to a coarse time base is averaged.
_ROUNDING_FRAMES: Final = 200


class NotReadableError(Exception):
    """A decoder cannot open a file as audio; the message is the decoder's reason, without the path."""


class SeekError(Exception):
    """Seeking gave something odd: the track must be read straight through."""


class _NamedPart:
    """Bytes ``begin`` to ``end`` of an open file, under a name of its suffix alone, which probing looks at."""

    def __init__(self, file: BinaryIO, path: str, begin: int, end: int) -> None:
        self._file, self._begin, self._end = file, begin, end
        self.name = "audio" + Path(path).suffix[:8]
        file.seek(begin)

    def read(self, count: int) -> bytes:
        return self._file.read(max(0, min(count, self._end - self._file.tell())))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: self._begin, os.SEEK_CUR: self._file.tell(), os.SEEK_END: self._end}[whence]
        return self._file.seek(max(self._begin, base + offset)) - self._begin

    def tell(self) -> int:
        return self._file.tell() - self._begin


def _refuse_second_file(*_: Any) -> None:
    raise PermissionError("a demuxer asked for a second file")


def reason_of(error: BaseException) -> str:
    """Return what a library's exception says, without the path that it may carry."""
    strerror = getattr(error, "strerror", None)
    return str(strerror) if strerror else type(error).__name__


@dataclasses.dataclass(slots=True)
class _Opened:
    container: Any
    stream: Any
    file: BinaryIO

    def close(self) -> None:
        self.container.close()
        self.file.close()


class PyavTrack:
    """The audio of one file, read by libav.

    Attributes
    ----------
    stated_duration_s
        Length that the container states, in seconds; None when it states none.
    likely_duration_s
        The same, or a guess from the bit rate: good enough to seek by when it is checked.
    cut
        The file was cut off or cannot be read to its end, though it is not known by how much. Final after a pass
        straight through.
    damaged_packets
        Packets in the last pass straight through that the decoder refused.
    mostly_junk
        Hardly a byte of what was seen is audio: any file holds bytes that look like a frame of MP3 or AAC.
    """

    name = "libav"

    def __init__(self, path: str) -> None:
        self._path = path
        self.balance = ChannelBalance()
        self.damaged_packets = 0
        self._bytes = self._damaged_bytes = 0
        self._cut_by_header = self.cut = False
        self._parts: tuple[tuple[int, int | None], ...] = ((0, None),)
        #: What the file was opened as to look at it, for whoever reads it first.
        self._unread: _Opened | None = self._open()
        try:
            self._look_at(self._unread.container)
        except BaseException:
            self.close()
            raise

    def _look_at(self, container: Any) -> None:
        self._format = str(container.format.name)
        duration = container.duration
        self.likely_duration_s = duration / av.time_base if duration and duration > 0 else None
        self.stated_duration_s = self.likely_duration_s
        self._seekable = True
        with Path(self._path).open("rb") as file:
            if self._format == "mp3":
                self.stated_duration_s = mp3_stated_duration_s(file)
            elif self._format == "wav":
                self.stated_duration_s = wav_stated_duration_s(file) or self.stated_duration_s
            elif self._format == "aac":
                self.stated_duration_s = None
            elif self._format == "ogg":
                pages = walk_ogg_pages(file)
                self._cut_by_header = self.cut = pages.cut
                if len(pages.links) > 1 or not pages.regular:
                    self._seekable, self.stated_duration_s = False, None
                if len(pages.links) > 1:
                    self._parts = tuple(zip(pages.links, (*pages.links[1:], None), strict=True))

    def close(self) -> None:
        """Close the file where nobody came to read it."""
        unread, self._unread = self._unread, None
        if unread is not None:
            unread.close()

    @property
    def mostly_junk(self) -> bool:
        """Tell what the class says of it."""
        bare = self._format in ("mp3", "aac")
        return bare and self._bytes > 0 and self._bytes - self._damaged_bytes < _LEAST_AUDIO_SHARE * self._bytes

    def _open_whole(self) -> _Opened:
        unread, self._unread = self._unread, None
        return self._open() if unread is None else unread

    def _open(self, begin: int = 0, end: int | None = None) -> _Opened:
        file = Path(self._path).open("rb", buffering=0)  # noqa: SIM115 (closed with the container)
        try:
            container = av.open(
                _NamedPart(file, self._path, begin, file.seek(0, os.SEEK_END) if end is None else end),
                "r",
                options=_OPTIONS,
                metadata_errors="replace",
                buffer_size=1 << 16,
                io_open=_refuse_second_file,
            )
        except MemoryError:
            file.close()
            raise
        except Exception as error:
            file.close()
            refused = isinstance(error, av.error.ArgumentError)  # what libav makes of a demuxer off the list
            raise NotReadableError("not an accepted container" if refused else reason_of(error)) from None
        opened = _Opened(container, None, file)
        try:
            stream = container.streams.best("audio")
            if stream is None:
                raise NotReadableError("it has no audio stream")
            if stream.codec_context is None:
                raise NotReadableError("its audio is in a codec that is not decoded")
            rate_hz = stream.codec_context.sample_rate
            if rate_hz and not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
                raise NotReadableError(f"it states a sample rate of {rate_hz} Hz")
            for other in container.streams:
                if other.index != stream.index:
                    other.discard = av.stream.Discard.all
            stream.codec_context.thread_count = 1  # the caller runs one process per core
            opened.stream = stream
            return opened
        except MemoryError:
            opened.close()
            raise
        except Exception as error:
            opened.close()
            raise error if isinstance(error, NotReadableError) else NotReadableError(reason_of(error)) from None

    def blocks(self) -> Iterator[Block]:
        """Give all samples, straight through, from the start; what cannot be decoded is left out."""
        self.damaged_packets = 0
        self._bytes = self._damaged_bytes = 0
        self.cut = self._cut_by_header
        for begin, end in self._parts:
            try:
                opened = self._open(begin, end) if begin or end else self._open_whole()
            except NotReadableError:
                self.cut = True
                continue
            joiner = FrameJoiner(self.balance)
            try:
                for frame in self._frames(opened):
                    yield from joiner.push(frame)
                yield from joiner.flush()
            finally:
                opened.close()

    def _frames(self, opened: _Opened) -> Iterator[av.AudioFrame]:
        packets = opened.container.demux(opened.stream)
        while True:
            try:
                packet = next(packets, None)
            except MemoryError:
                raise
            except Exception:  # the container is broken from here on
                self.damaged_packets += 1
                self.cut = True
                packet = None
            if packet is None:
                return
            self._bytes += packet.size
            try:
                frames = packet.decode()
            except EOFError:
                return
            except MemoryError:
                raise
            except Exception:
                self.damaged_packets += packet.size > 0
                self._damaged_bytes += packet.size
                continue
            for frame in frames:
                if frame.samples > 0 and RATES_HZ[0] <= frame.sample_rate <= RATES_HZ[1]:
                    yield frame

    def open_for_seeking(self) -> SeekingReader:
        """Open a reader of single spans; :class:`SeekError` where seeking cannot be trusted."""
        if not self._seekable or not self.likely_duration_s:
            raise SeekError("no duration to seek by")
        return SeekingReader(self._open_whole(), self.likely_duration_s, self._frames, self.balance)


class SeekingReader:
    """Reads spans of a track by time stamp, relative to its first decoded sample.

    Attributes
    ----------
    rate_hz
        Sample rate of the file, in Hz.
    """

    def __init__(self, opened: _Opened, likely_duration_s: float, frames: Any, balance: ChannelBalance) -> None:
        self._opened, self._frames, self._balance = opened, frames, balance
        self._likely_duration_s = likely_duration_s
        first = next(frames(opened), None)
        if first is None or first.pts is None or not opened.stream.time_base:
            opened.close()
            raise SeekError("no time stamps")
        self._base_pts = first.pts
        self._time_base: Fraction = opened.stream.time_base
        self.rate_hz: int = first.sample_rate
        #: Time stamps are rounded to the time base (1 ms in Matroska), at both ends of a difference.
        self._tolerance = 2 + 2 * float(self._time_base) * self.rate_hz
        #: What that rounding adds to the distance from the first sample, in samples.
        self._rounding = 0.0
        if self._time_base * self.rate_hz > 1:
            try:
                self._rounding = self._mean_rounding(first.samples)
            except SeekError:
                opened.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def _mean_rounding(self, counted: int) -> float:
        offsets: list[float] = []
        for position, frame in self._positioned_frames():
            offsets.append(position - counted)
            counted += frame.samples
            if len(offsets) == _ROUNDING_FRAMES:
                break
        return self._settled(offsets)[1] if offsets else 0.0

    def _seek(self, sample: int) -> None:
        offset = self._base_pts + int(Fraction(sample, self.rate_hz) / self._time_base)
        try:
            self._opened.container.seek(max(offset, 0), stream=self._opened.stream)
        except MemoryError:
            raise
        except Exception as error:
            raise SeekError(reason_of(error)) from None

    def _positioned_frames(self) -> Iterator[tuple[float, av.AudioFrame]]:
        # Whole numbers: fractions took longer than the decoder does for a frame.
        step = self._time_base * self.rate_hz
        samples, stamps, rate_hz = step.numerator, step.denominator, self.rate_hz
        for frame in self._frames(self._opened):
            pts = frame.pts
            if pts is None or frame.sample_rate != rate_hz:
                raise SeekError("time stamps or rate change")
            yield (pts - self._base_pts) * samples / stamps - self._rounding, frame

    def measure_end(self) -> int:
        """Find the number of samples of the track: where the last frame that can be decoded ends."""
        likely = round(self._likely_duration_s * self.rate_hz)
        self._seek(max(0, likely - round(_END_SEARCH_S * self.rate_hz)))
        offsets: list[float] = []
        counted = 0
        for position, frame in self._positioned_frames():
            if position < likely - _FARTHEST_BEFORE_S * self.rate_hz:
                raise SeekError("landed far before the end")
            offsets.append(position - counted)
            counted += frame.samples
            if position > likely + _END_BEYOND_S * self.rate_hz:
                raise SeekError("the audio goes on long after its stated end")
        _, begin = self._settled(offsets)
        return round(begin) + counted

    def reaches(self, second: float) -> bool:
        """Tell whether there is audio at or behind ``second``."""
        sample = round(second * self.rate_hz)
        self._seek(sample)
        return any(position + frame.samples > sample for position, frame in self._positioned_frames())

    def span(self, first: int, end: int) -> Samples:
        """Decode samples ``first`` to ``end`` (fewer only where the track ends), mono, at the rate of the file."""
        ogg_end_s = self._likely_duration_s - _OGG_END_S if self._opened.container.format.name == "ogg" else math.inf
        pre_roll_s = _OGG_END_PRE_ROLL_S if end > ogg_end_s * self.rate_hz else _PRE_ROLL_S
        self._seek(max(0, first - round(pre_roll_s * self.rate_hz)))
        joiner = FrameJoiner(self._balance)
        parts: list[Samples] = []
        offsets: list[float] = []
        counts: list[int] = []  # samples before each frame
        counted = 0
        farthest, last = first - _FARTHEST_BEFORE_S * self.rate_hz, end + self._tolerance
        for position, frame in self._positioned_frames():
            if position < farthest:
                raise SeekError("landed far before the start")
            for block in joiner.push(frame):
                parts.append(block.samples)
            offsets.append(position - counted)
            counts.append(counted)
            counted += frame.samples
            if position >= last:
                break
        parts.extend(block.samples for block in joiner.flush())
        settled, offset = self._settled(offsets)
        begin = round(offset)
        if begin + (counts[settled] if settled < len(counts) else counted) > first:
            raise SeekError("landed behind the start")
        samples = np.concatenate(parts)[first - begin : end - begin]
        if samples.size == 0:
            raise SeekError("nothing there")
        return samples

    def _settled(self, offsets: list[float]) -> tuple[int, float]:
        """From which frame on the samples follow each other without a gap, and where counting them puts sample 0.

        ``offsets`` are the frames' positions less the samples counted before them, which is the same number for all
        when nothing is missing. Coarse time stamps scatter a little, and libav stamps single Vorbis frames late where
        the block size changes; two such frames in a row are a gap. Before the span, the decoder may find its feet.
        """
        if not offsets:
            raise SeekError("nothing there")
        values = np.asarray(offsets)
        ordered = np.sort(values)  # a tenth of what NumPy's median takes for so few
        middle = (ordered[(values.size - 1) // 2] + ordered[values.size // 2]) / 2
        odd = np.abs(values - middle) > self._tolerance
        gaps = np.flatnonzero(odd[1:] & odd[:-1])
        return int(gaps[-1]) + 2 if gaps.size else 0, float(values[~odd].mean()) if not odd.all() else float(values[-1])
