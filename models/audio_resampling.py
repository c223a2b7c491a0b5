"""From a decoder's sample formats, channels and rate to mono float32 at one rate."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import av
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

#: libav's sample formats without the ``p`` of planar: numpy type, offset and full scale.
_FORMATS: Final[dict[str, tuple[np.dtype[Any], float, float]]] = {
    "u8": (np.dtype("u1"), 128.0, 128.0),
    "s16": (np.dtype("i2"), 0.0, 2.0**15),
    "s32": (np.dtype("i4"), 0.0, 2.0**31),
    "s64": (np.dtype("i8"), 0.0, 2.0**63),
    "flt": (np.dtype("f4"), 0.0, 1.0),
    "dbl": (np.dtype("f8"), 0.0, 1.0),
}
#: Sound has no use for other rates, and a forged one would make the resampler's filter as large as memory.
RATES_HZ: Final = (1_000, 768_000)
#: Outgoing samples that one pass of the resampler gives: enough that its fixed cost does not count.
_BATCH_SAMPLES: Final = 16_384
#: Samples of each channel whose mean is taken together: enough that the fixed cost of a call does not count, and few
#: enough that they stay in a core's cache.
_JOINED_SAMPLES: Final = 16_384
#: Samples of the common grid of two rates, at the first of them, that may be filled up with zeros behind a span. The
#: grid of usual rates has at most 882.
_LONGEST_GRID: Final = 4_096
#: Largest sample that may be an overshoot of lossy coding: 12 dB above full scale.
_LOUDEST: Final = 4.0
#: Input on both sides of a span that the resampler's filter reaches over, in samples of the lower of the two rates.
FILTER_REACH: Final = 64


class Block(NamedTuple):
    """Some neighbouring samples of a track, mono, at the rate of the file."""

    rate_hz: int
    samples: Samples


class SampleRepair:
    """Sets samples that are no numbers to zero and clips what no player could play, and remembers that there were any.

    Attributes
    ----------
    found_non_finite
        Whether samples were no numbers.
    found_above_full_scale
        Whether samples lay more than 12 dB above full scale. Lossy coding overshoots by less, and is left as it is. A
        file of floating-point samples in the range of integers is far above: what a listener hears of it is clipped.
    """

    def __init__(self) -> None:
        self.found_non_finite = self.found_above_full_scale = False

    def __call__(self, samples: Samples) -> Samples:
        """Repair the samples where needed."""
        if not samples.size or (samples.min() >= -_LOUDEST and samples.max() <= _LOUDEST):  # false for NaN
            return samples
        finite = np.isfinite(samples)
        if not finite.all():
            self.found_non_finite = True
            samples = np.where(finite, samples, np.float32(0.0))
        if np.abs(samples).max() > _LOUDEST:
            self.found_above_full_scale = True
            samples = samples.clip(-1.0, 1.0)
        return samples


class ChannelBalance:
    """Remembers whether a track's channels cancel each other in their mean: then what is heard is not what is there."""

    def __init__(self) -> None:
        self._channels = self._mean = 0.0

    def observe(self, channels: npt.NDArray[Any], mean: npt.NDArray[Any]) -> None:
        """Take in some samples: ``channels`` of shape (count, channels) and their ``mean`` of shape (count,)."""
        with np.errstate(all="ignore"):
            power = _mean_square(channels), _mean_square(mean)
        if all(math.isfinite(value) for value in power):
            self._channels += power[0] * len(mean)
            self._mean += power[1] * len(mean)

    @property
    def cancels(self) -> bool:
        """Whether the mean is at least 20 dB below the channels. Unrelated channels lose 3 dB, equal ones none."""
        return self._mean < 0.01 * self._channels


def _mean_square(values: npt.NDArray[Any]) -> float:
    flat = values.astype(np.float64).reshape(-1)
    return float(flat @ flat) / max(1, flat.size)


def channel_mean(frame: av.AudioFrame, balance: ChannelBalance | None = None) -> Samples:
    """Average the channels of one decoded frame, as float32 where 1 is full scale.

    libav's own mono mix is 3 dB louder for stereo and weighs the channels of other layouts, so it is not used.
    """
    dtype, offset, full_scale = _FORMATS[frame.format.name.removesuffix("p")]
    number, count = frame.layout.nb_channels, frame.samples
    channels: Sequence[npt.NDArray[Any]]
    if frame.format.is_planar:
        channels = [_plane_samples(plane, dtype, count) for plane in frame.planes[:number]]
    else:
        channels = list(_plane_samples(frame.planes[0], dtype, count * number).reshape(count, number).T)
    # Wide integers are summed in float64, so that 24 bits lose nothing.
    narrow = dtype in (np.dtype("f4"), np.dtype("i2"), np.dtype("u1"))
    work: Any = np.float32 if narrow else np.float64
    if number == 1:
        total = channels[0].astype(work)
    else:  # numpy's own sum over so short an axis takes ten times as long
        total = np.add(channels[0], channels[1], dtype=work)
        for channel in channels[2:]:
            total += channel
        if number == 2:
            total *= 0.5
        else:
            total /= number
        if balance is not None:
            # An eighth of the samples tells as much about the power as all of them.
            few = -(-count // 8)
            balance.observe(np.stack([channel[:few] for channel in channels], axis=1) - offset, total[:few] - offset)
    if offset:
        total -= offset
    if full_scale != 1.0:
        total *= 1.0 / full_scale  # a power of two: the same as a division
    with np.errstate(over="ignore") if work is np.float64 else contextlib.nullcontext():
        return total.astype(np.float32, copy=False)


class FrameJoiner:
    """Averages the channels of neighbouring frames, many frames at a time.

    A frame holds about a thousand samples, and the fixed cost of working on it is larger than that of its samples.
    """

    def __init__(self, balance: ChannelBalance | None = None) -> None:
        self._balance = balance
        self._fifo = av.AudioFifo()
        self._kind: tuple[str, int, int] | None = None

    def push(self, frame: av.AudioFrame) -> Sequence[Block]:
        """Take a frame in, and give what is complete; a frame of another rate or layout completes those before it."""
        # The queue itself compares formats and rates, and would read channels that a later frame lacks.
        kind = frame.format.name, frame.layout.nb_channels, frame.sample_rate
        complete: Sequence[Block] = ()
        if kind != self._kind:
            complete = self.flush()
            self._fifo, self._kind = av.AudioFifo(), kind
        frame.pts = None  # else the queue would insist on stamps without a gap
        self._fifo.write(frame)
        if self._fifo.samples >= _JOINED_SAMPLES:
            complete = (*complete, *self.flush())
        return complete

    def flush(self) -> Sequence[Block]:
        """Give what is left."""
        joined = self._fifo.read()
        if joined is None or self._kind is None:
            return ()
        return (Block(self._kind[2], channel_mean(joined, self._balance)),)


def _plane_samples(plane: Any, dtype: np.dtype[Any], count: int) -> npt.NDArray[Any]:
    return np.frombuffer(plane, dtype=dtype, count=count)


class MonoResampler:
    """Changes the rate of mono blocks with libswresample; sample 0 of the output lies at sample 0 of the input."""

    def __init__(self, rate_in_hz: int, rate_out_hz: int) -> None:
        self._rates = rate_in_hz, rate_out_hz
        self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate_out_hz)
        self._taken = self._given = 0

    def push(self, samples: Samples, zeros: int = 0) -> Samples:
        """Take more samples in, and so many zeros behind them, and give those that are ready."""
        if self._rates[0] == self._rates[1] or not samples.size:
            return samples
        frame = av.AudioFrame("fltp", "mono", samples.size + zeros)
        frame.sample_rate = self._rates[0]
        into = _plane_samples(frame.planes[0], np.dtype("f4"), frame.samples)
        into[: samples.size] = samples
        into[samples.size :] = 0.0
        self._taken += frame.samples
        return self._collect(frame)

    def flush(self) -> Samples:
        """Give the last samples; their sum is then the input's number times the ratio of the rates, rounded."""
        if self._rates[0] == self._rates[1] or not self._taken:
            return np.zeros(0, np.float32)
        given = self._given
        rest = self._collect(None)
        wanted = round(self._taken * self._rates[1] / self._rates[0]) - given
        return rest[:wanted] if rest.size >= wanted else np.pad(rest, (0, wanted - rest.size))

    def _collect(self, frame: av.AudioFrame | None) -> Samples:
        parts = [_plane_samples(f.planes[0], np.dtype("f4"), f.samples) for f in self._resampler.resample(frame)]
        out = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        self._given += out.size
        return out


def resampled(blocks: Iterable[Block], rate_hz: int, repair: SampleRepair) -> Iterator[Samples]:
    """Bring the blocks to ``rate_hz``, finite; a block of another rate than the one before starts a new resampler."""
    resampler = MonoResampler(rate_hz, rate_hz)
    rate_in_hz = rate_hz
    pending: list[Samples] = []
    pending_samples = 0
    for block in blocks:
        if block.rate_hz != rate_in_hz:
            yield repair(resampler.push(repair(_join(pending))))
            yield repair(resampler.flush())
            resampler, rate_in_hz = MonoResampler(block.rate_hz, rate_hz), block.rate_hz
            pending, pending_samples = [], 0
        pending.append(block.samples)
        pending_samples += block.samples.size
        if pending_samples * rate_hz >= _BATCH_SAMPLES * rate_in_hz:
            yield repair(resampler.push(repair(_join(pending))))
            pending, pending_samples = [], 0
    yield repair(resampler.push(repair(_join(pending))))
    yield repair(resampler.flush())


def resample_span(samples: Samples, rate_in_hz: int, rate_out_hz: int) -> Samples:
    """Bring one span of samples to another rate."""
    resampler = MonoResampler(rate_in_hz, rate_out_hz)
    return np.concatenate([resampler.push(samples), resampler.flush()])


class SpanResampler:
    """Brings spans of one track to another rate, one after another, each as :func:`resample_span` would.

    Only samples within the filter's reach of a span's ends are others, unless it is at an edge of the track. All go
    through one resampler, since setting one up takes half as long as a span does. Zeros behind a span push the rest of
    it out and are the run-in of the next one, and each begins on the common grid of both rates, so that the
    resampler's phase is that of a fresh one.
    """

    def __init__(self, rate_in_hz: int, rate_out_hz: int) -> None:
        self._rates = rate_in_hz, rate_out_hz
        self._grid = common_grid(rate_in_hz, rate_out_hz)
        self._resampler = MonoResampler(rate_in_hz, rate_out_hz)
        self._begin = self._given = 0

    def __call__(self, samples: Samples, at_edge: bool) -> Samples:
        """Resample one span; an edge of the track is extended as the resampler does it, and not by zeros."""
        rate_in_hz, rate_out_hz = self._rates
        grid_in, grid_out = self._grid
        if at_edge or rate_in_hz == rate_out_hz or grid_in > _LONGEST_GRID:
            return resample_span(samples, rate_in_hz, rate_out_hz)
        reach = FILTER_REACH * max(1, -(-rate_in_hz // rate_out_hz))
        steps = -(-(samples.size + reach) // grid_in)
        out = self._resampler.push(samples, zeros=steps * grid_in - samples.size)
        skipped = self._begin - self._given
        self._given += out.size
        self._begin += steps * grid_out
        return out[skipped : skipped + round(samples.size * rate_out_hz / rate_in_hz)]


#: Resamplers of spans that wait for the next track of their two rates: setting one up takes as long as four spans do.
_waiting: Final[dict[tuple[int, int], list[SpanResampler]]] = {}
#: How many files' rates have one waiting. A catalog has a few; forged rates must not pile up.
_MOST_WAITING: Final = 8


@contextlib.contextmanager
def span_resampler(rate_in_hz: int, rate_out_hz: int) -> Iterator[SpanResampler]:
    """Lend a resampler of spans, one that other tracks have used before where there is one.

    What it gives of a span does not depend on what it was given before. One that a track left by an exception is thrown
    away, and threads never share one.
    """
    rates = rate_in_hz, rate_out_hz
    try:
        resampler = _waiting.get(rates, []).pop()
    except IndexError:
        resampler = SpanResampler(*rates)
    yield resampler
    if rates not in _waiting and len(_waiting) >= _MOST_WAITING:
        _waiting.pop(next(iter(_waiting)), None)
    _waiting.setdefault(rates, []).append(resampler)


def common_grid(rate_in_hz: int, rate_out_hz: int) -> tuple[int, int]:
    """Return the least numbers of samples, at both rates, that last equally long: spans on this grid keep the phase."""
    divisor = math.gcd(rate_in_hz, rate_out_hz)
    return rate_in_hz // divisor, rate_out_hz // divisor


def peak_dbfs(samples: Samples) -> float:
    """Measure the largest magnitude after the mean is taken off, in dB re full scale, at least -200."""
    if not samples.size:
        return -200.0
    centred = samples.astype(np.float64) - float(samples.mean(dtype=np.float64))
    peak = float(np.abs(centred).max())
    return max(-200.0, 20.0 * math.log10(peak)) if peak > 0 else -200.0


def _join(parts: list[Samples]) -> Samples:
    if not parts:
        return np.zeros(0, np.float32)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
