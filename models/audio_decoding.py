"""From an audio file to windows of mono samples, and a typed account of how that went.

Bad files never raise: whatever is wrong with one ends up in its :class:`~models.window_records.DecodeSummary`. What can
take the process with it (a decoder that crashes, hangs or eats memory) is the business of the caller's child process.
"""

from __future__ import annotations

import errno
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from models.audio_containers import looks_cut_off
from models.audio_pyav import NotReadableError, PyavTrack, SeekError, SeekingReader, reason_of
from models.audio_resampling import (
    FILTER_REACH,
    Block,
    ChannelBalance,
    SampleRepair,
    Samples,
    SpanResampler,
    common_grid,
    resampled,
    span_resampler,
)
from models.audio_soundfile import SoundfileTrack
from models.audio_windows import WindowCutter, cut_windows, make_window, window_starts
from models.window_records import DecodedWindow, DecodePlan, DecodeSummary

#: Values of ``ErrorType`` that decoding can give (that enumeration lives with the transforms).
EMPTY_AUDIO: Final = "empty_audio"
AUDIO_TOO_SHORT: Final = "audio_too_short"
AUDIO_TOO_LONG: Final = "audio_too_long"
UNREADABLE_AUDIO: Final = "unreadable_audio"
TRUNCATED_AUDIO: Final = "truncated_audio"
DECODER_OUT_OF_MEMORY: Final = "decoder_out_of_memory"

#: Values of ``DecodeSummary.flags``.
TRUNCATED: Final = "truncated"
DECODED_BY_FALLBACK: Final = "decoded_by_fallback"
CHANNELS_CANCEL: Final = "channels_cancel"
ABOVE_FULL_SCALE: Final = "above_full_scale"
NON_FINITE_SAMPLES: Final = "non_finite_samples"

#: The decoders in the order in which they are asked.
LIBAV: Final = "libav"
LIBSNDFILE: Final = "libsndfile"
DECODERS: Final = (LIBAV, LIBSNDFILE)

#: A track counts as truncated when it is shorter than its container says by more than both of these.
_TOLERANCE_S: Final = 1.0
_TOLERANCE_SHARE: Final = 0.02
#: Under ``sampled`` coverage, tracks up to this many times the time to hear are decoded whole: as fast as seeking.
_WHOLE_TIMES: Final = 2

Windows = Generator[DecodedWindow, None, DecodeSummary]


class Track(Protocol):
    """What a decoder offers of an opened file."""

    stated_duration_s: float | None
    likely_duration_s: float | None
    cut: bool
    damaged_packets: int
    balance: ChannelBalance

    @property
    def mostly_junk(self) -> bool:
        """Tell whether hardly a byte of what was seen is audio."""

    def blocks(self) -> Iterator[Block]:
        """Give all samples, from the start."""

    def open_for_seeking(self) -> SeekingReader:
        """Open a reader of spans, or raise :class:`SeekError`."""

    def close(self) -> None:
        """Close what was opened and not read."""


def decode_windows(path: str, plan: DecodePlan, decoders: Sequence[str] = DECODERS) -> Windows:
    """Decode the windows of the audio file at ``path``.

    Parameters
    ----------
    path
        A local file.
    plan
        Which windows, and within which bounds.
    decoders
        The decoders to ask, in order; the next one is asked when one cannot open the file or finds no sample in it.

    Yields
    ------
    DecodedWindow
        In ascending order of ``start_s``.

    Returns
    -------
    DecodeSummary
        How it ended; ``error_type`` is null when nothing went wrong.
    """
    attempt = _Attempt(plan)
    try:
        if Path(path).stat().st_size == 0:
            return attempt.failed(EMPTY_AUDIO, "The file has 0 bytes.")
        return (yield from _ask_decoders(path, plan, decoders, attempt))
    except OSError as error:
        if error.errno == errno.ENOMEM:
            return attempt.failed(DECODER_OUT_OF_MEMORY, "The decoder ran out of memory.")
        return attempt.failed(UNREADABLE_AUDIO, f"The file cannot be read: {reason_of(error)}.")
    except MemoryError:
        return attempt.failed(DECODER_OUT_OF_MEMORY, "The decoder ran out of memory.")


class _Attempt:
    """What is known so far of the decoding of one file."""

    def __init__(self, plan: DecodePlan) -> None:
        self.plan = plan
        self.windows = 0
        self.duration_s = 0.0
        self.stated_duration_s: float | None = None
        self.cut = False
        self.by_fallback = False
        self.channels_cancel = False
        self.repair = SampleRepair()

    def failed(self, error_type: str, message: str) -> DecodeSummary:
        """Sum up an attempt that ended in an error."""
        return self._summary(error_type, message)

    def finished(self) -> DecodeSummary:
        """Sum up an attempt that came to the track's end."""
        return self._summary(None, None)

    def is_truncated(self) -> bool:
        """Tell whether the audio ends well before the container says, or the container shows a cut."""
        stated = self.stated_duration_s or 0.0
        return self.cut or stated - self.duration_s > self._tolerance_s()

    def is_overlong(self) -> bool:
        """Tell whether the audio goes on well behind its stated end, as that of two files in one does."""
        stated = self.stated_duration_s
        return stated is not None and self.duration_s - stated > self._tolerance_s()

    def _tolerance_s(self) -> float:
        return max(_TOLERANCE_S, _TOLERANCE_SHARE * (self.stated_duration_s or 0.0))

    def _summary(self, error_type: str | None, message: str | None) -> DecodeSummary:
        flags = {
            ABOVE_FULL_SCALE: self.repair.found_above_full_scale,
            CHANNELS_CANCEL: self.channels_cancel,
            DECODED_BY_FALLBACK: self.by_fallback,
            NON_FINITE_SAMPLES: self.repair.found_non_finite,
            TRUNCATED: error_type is None and self.is_truncated(),
        }
        return DecodeSummary(
            windows=self.windows,
            duration_s=self.duration_s,
            declared_duration_s=self.stated_duration_s,
            flags=tuple(sorted(flag for flag, is_set in flags.items() if is_set)),
            error_type=error_type,
            message=message,
        )


class _NoSamplesError(Exception):
    """A decoder opened the file and found no sample in it; the message is the reason."""

    def __init__(self, track: Track) -> None:
        super().__init__("hardly any of it is audio" if track.mostly_junk else "no sample could be decoded")


class _TooLongError(Exception):
    """The track is longer than the plan allows."""


def _ask_decoders(path: str, plan: DecodePlan, decoders: Sequence[str], attempt: _Attempt) -> Windows:
    reasons: list[str] = []
    opened: list[Track] = []
    for decoder in decoders:
        try:
            track: Track = PyavTrack(path) if decoder == LIBAV else SoundfileTrack(path)
        except NotReadableError as error:
            reasons.append(f"{decoder}: {error}")
            continue
        attempt.by_fallback = decoder != DECODERS[0]
        attempt.stated_duration_s, attempt.cut = track.stated_duration_s, track.cut
        try:
            yield from _decode_track(track, plan, attempt)
            attempt.cut, attempt.channels_cancel = track.cut, track.balance.cancels
            return _judge_length(attempt)
        except _NoSamplesError as error:
            opened.append(track)
            reasons.append(f"{decoder}: {error}")
            attempt.duration_s = 0.0
        except _TooLongError:
            limit = f"{plan.max_duration_s:g} s"
            return attempt.failed(AUDIO_TOO_LONG, f"The audio is longer than the limit of {limit}.")
        finally:
            track.close()
    attempt.by_fallback = False
    return _judge_silence(path, opened, reasons, attempt)


def _judge_length(attempt: _Attempt) -> DecodeSummary:
    """Judge whether the samples of a track are enough (windows of one that is too short were not given out)."""
    least = attempt.plan.min_duration_s
    if attempt.duration_s >= least:
        if not attempt.windows:  # only in a later round: the first one measured more
            return attempt.failed(TRUNCATED_AUDIO, "The audio ends before the windows that were still to be heard.")
        return attempt.finished()
    found = f"{attempt.duration_s:.3f} s of audio"
    if attempt.is_truncated():
        return attempt.failed(TRUNCATED_AUDIO, f"The file was cut off: only {found} can be decoded.")
    return attempt.failed(AUDIO_TOO_SHORT, f"The file has {found}, and {least:g} s is the least.")


def _judge_silence(path: str, opened: list[Track], reasons: list[str], attempt: _Attempt) -> DecodeSummary:
    """Judge a file that gave no sample: empty, cut off or never audio."""
    stated = max((track.stated_duration_s or 0.0 for track in opened), default=0.0)
    damaged = max((track.damaged_packets for track in opened), default=0)
    with Path(path).open("rb") as file:
        cut_off = looks_cut_off(file) or any(track.cut for track in opened)
    if opened and not cut_off and not damaged and stated < attempt.plan.min_duration_s:
        return attempt.failed(EMPTY_AUDIO, "The file has a header and no audio.")
    if cut_off or (opened and damaged <= 1):  # one damaged packet: the cut went through the first one
        return attempt.failed(TRUNCATED_AUDIO, f"The file was cut off before its audio ({'; '.join(reasons)}).")
    return attempt.failed(UNREADABLE_AUDIO, f"No decoder reads the file ({'; '.join(reasons)}).")


def _decode_track(track: Track, plan: DecodePlan, attempt: _Attempt) -> Iterator[DecodedWindow]:
    if (track.likely_duration_s or 0.0) > plan.max_duration_s and _really_reaches(track, plan.max_duration_s):
        attempt.duration_s = track.likely_duration_s or 0.0
        raise _TooLongError
    for window in _full(track, plan, attempt) if plan.coverage == "full" else _sampled(track, plan, attempt):
        attempt.windows += 1
        yield window


def _really_reaches(track: Track, second: float) -> bool:
    """Tell whether there is audio at ``second``, as a container says: a header may lie, or know no better."""
    try:
        reader = track.open_for_seeking()
        try:
            return reader.reaches(second)
        finally:
            reader.close()
    except SeekError:
        return False  # decoding straight through will tell


def _full(track: Track, plan: DecodePlan, attempt: _Attempt) -> Iterator[DecodedWindow]:
    """Cut windows back to back, or at the places that the plan names, out of all of the track."""
    cutter = WindowCutter(plan, None if plan.starts is None else list(plan.starts))
    for samples in resampled(track.blocks(), plan.sample_rate_hz, attempt.repair):
        if not attempt.windows and cutter.samples_seen + samples.size >= plan.window_samples and track.mostly_junk:
            raise _NoSamplesError(track)
        yield from cutter.push(samples)
        attempt.duration_s = cutter.samples_seen / plan.sample_rate_hz
        if attempt.duration_s > plan.max_duration_s:
            raise _TooLongError
    if not cutter.samples_seen or (not attempt.windows and track.mostly_junk):
        raise _NoSamplesError(track)
    if attempt.duration_s >= plan.min_duration_s:
        yield from cutter.flush()


def _sampled(track: Track, plan: DecodePlan, attempt: _Attempt) -> Iterator[DecodedWindow]:
    whole_s = _WHOLE_TIMES * plan.window_s * (plan.sampled_windows if plan.starts is None else len(plan.starts))
    if (track.likely_duration_s or 0.0) > whole_s:
        try:
            return iter(_by_seeking(track, plan, attempt))
        except (SeekError, NotReadableError):
            pass  # anything odd: read it straight through
    # Where the windows lie is known in a later round, and one pass cuts them.
    return _straight_through(track, plan, attempt, whole_s) if plan.starts is None else _full(track, plan, attempt)


def _by_seeking(track: Track, plan: DecodePlan, attempt: _Attempt) -> list[DecodedWindow]:
    """Decode all windows, or raise :class:`SeekError`: none is given out before all are known to be sound."""
    reader = track.open_for_seeking()
    try:
        total = round(reader.measure_end() * plan.sample_rate_hz / reader.rate_hz)
        attempt.duration_s = total / plan.sample_rate_hz
        if attempt.is_truncated() or attempt.is_overlong():
            raise SeekError("the audio does not end where the container says")
        if attempt.duration_s > plan.max_duration_s:
            raise _TooLongError
        windows = []
        with span_resampler(reader.rate_hz, plan.sample_rate_hz) as resample:
            for start in window_starts(total, plan) if plan.starts is None else plan.starts:
                if start >= total:
                    raise SeekError("a window lies behind the end")
                wanted = min(plan.window_samples, total - start)
                samples = attempt.repair(_span_at_plan_rate(reader, start, wanted, plan, attempt.repair, resample))
                if samples.size < wanted:
                    raise SeekError("a window came out short")
                windows.append(make_window(start, samples, plan))
        if track.mostly_junk:
            raise SeekError("hardly any of it is audio")
        return windows
    finally:
        reader.close()


def _span_at_plan_rate(
    reader: SeekingReader,
    start: int,
    wanted: int,
    plan: DecodePlan,
    repair: SampleRepair,
    resample: SpanResampler,
) -> Samples:
    """Decode ``wanted`` samples from ``start`` on, the same as decoding straight through gives.

    The span begins on the common grid of both rates, so that the resampler's phase is the same, and reaches a little
    over both ends, so that its filter has settled.
    """
    rate_in, rate_out = reader.rate_hz, plan.sample_rate_hz
    grid_in, grid_out = common_grid(rate_in, rate_out)
    reach_in = FILTER_REACH * max(1, -(-rate_in // rate_out))
    reach_out = -(-reach_in * rate_out // rate_in)
    steps = max(0, start - reach_out) // grid_out
    end_in = -(-(start + wanted) * rate_in // rate_out) + reach_in
    samples = repair(reader.span(steps * grid_in, end_in))
    span = resample(samples, at_edge=not steps or samples.size < end_in - steps * grid_in)
    begin = start - steps * grid_out
    return span[begin : begin + wanted]


def _straight_through(track: Track, plan: DecodePlan, attempt: _Attempt, whole_s: float) -> Iterator[DecodedWindow]:
    """Sample windows without seeking: one pass for a short track, one to measure and one to cut for a long one."""
    parts: list[Samples] | None = []
    total = 0
    for samples in resampled(track.blocks(), plan.sample_rate_hz, attempt.repair):
        total += samples.size
        attempt.duration_s = total / plan.sample_rate_hz
        if attempt.duration_s > plan.max_duration_s:
            raise _TooLongError
        if parts is not None:
            parts.append(samples)
            if attempt.duration_s > whole_s + 1.0:  # a guessed length may be a little short
                parts = None
    if not total or track.mostly_junk:
        raise _NoSamplesError(track)
    if attempt.duration_s < plan.min_duration_s:
        return
    stream = resampled(track.blocks(), plan.sample_rate_hz, attempt.repair) if parts is None else iter(parts)
    yield from cut_windows(stream, plan, window_starts(total, plan))
