"""Where the windows of a track lie, and how decoded samples are cut into them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from models.audio_resampling import Samples, peak_dbfs
from models.window_records import DecodedWindow, DecodePlan

#: A last window with less audio than this is left out, unless it is the only one.
SHORTEST_TAIL_S: Final = 0.1


def window_starts(total_samples: int, plan: DecodePlan, round_index: int = 0) -> list[int]:
    """Place the windows that a round of ``sampled`` coverage hears: their first samples, ascending.

    A track that holds the windows of the last round side by side is cut into as many equal parts as a round counts
    windows, and each window lies in the middle of its part. Each round has three times the parts of the one before,
    and the middle third of a part has the part's middle: what was heard stays in its place, and only the other two
    thirds are new. A shorter track is cut into windows back to back, the last of them cut short by the track's end;
    the rounds hear an even choice of those, nested in the same way, and at last all of them.

    Parameters
    ----------
    total_samples
        Length of the track at ``plan.sample_rate_hz``.
    round_index
        Which round, from 0 on. One that has nothing new to hear, or that ``plan`` does not have, gets no windows.
    """
    counts = plan.round_windows
    if round_index >= len(counts):
        return []
    size, most = plan.window_samples, counts[-1]
    if total_samples >= most * size:
        places = [(2 * i + 1) * total_samples // (2 * most) - size // 2 for i in range(most)]
        whole = most
    else:
        tail = SHORTEST_TAIL_S * plan.sample_rate_hz
        places = [start for start in range(0, total_samples, size) if start == 0 or total_samples - start >= tail]
        whole = total_samples // size
    chosen = _even_choice(len(places), whole, counts[round_index])
    if round_index:
        chosen -= _even_choice(len(places), whole, counts[round_index - 1])
    return [places[i] for i in sorted(chosen)]


def _even_choice(places: int, whole: int, count: int) -> set[int]:
    """Choose ``count`` of the ``whole`` places that hold a whole window, or all places when those are too few.

    The middle of part i of n is also the middle of part 3i + 1 of 3n, so a choice of three times as many holds this
    one. A window that the track's end cuts short says less, so it is chosen only with all the others.
    """
    if count >= whole:
        return set(range(places))
    return {(2 * i + 1) * whole // (2 * count) for i in range(count)}


def make_window(first_sample: int, samples: Samples, plan: DecodePlan) -> DecodedWindow:
    """Make a window of ``samples``, with zeros behind them when they are fewer than a window's."""
    padded = np.zeros(plan.window_samples, np.float32)
    padded[: samples.size] = samples
    return DecodedWindow(first_sample / plan.sample_rate_hz, padded, samples.size, peak_dbfs(samples))


class WindowCutter:
    """Cuts a stream of samples into windows, holding no more than one window and one part of the stream.

    Attributes
    ----------
    samples_seen
        Samples taken in so far.
    """

    def __init__(self, plan: DecodePlan, starts: list[int] | None = None) -> None:
        """Windows at ``starts`` (ascending), or back to back when that is None."""
        self._plan = plan
        size = plan.window_samples
        self._starts: Iterator[int] = itertools.count(0, size) if starts is None else iter(starts)
        self._next: int | None = next(self._starts, None)
        self._held = np.zeros(0, np.float32)
        self._held_from = 0
        self.samples_seen = 0

    def push(self, samples: Samples) -> Iterator[DecodedWindow]:
        """Take samples in and give the windows that they complete."""
        self._held = np.concatenate([self._held, samples]) if self._held.size else samples
        self.samples_seen += samples.size
        while self._next is not None and self.samples_seen >= self._next + self._plan.window_samples:
            begin = self._next - self._held_from
            yield make_window(self._next, self._held[begin : begin + self._plan.window_samples], self._plan)
            self._next = next(self._starts, None)
        self._forget()

    def flush(self) -> Iterator[DecodedWindow]:
        """Give the windows that the end of the track cuts short."""
        while self._next is not None and self._next < self.samples_seen:
            rest = self._held[self._next - self._held_from :]
            if self._next == 0 or rest.size >= SHORTEST_TAIL_S * self._plan.sample_rate_hz:
                yield make_window(self._next, rest[: self._plan.window_samples], self._plan)
            self._next = next(self._starts, None)

    def _forget(self) -> None:
        keep_from = self.samples_seen if self._next is None else min(self._next, self.samples_seen)
        if keep_from > self._held_from:
            self._held = self._held[keep_from - self._held_from :].copy()
            self._held_from = keep_from


def cut_windows(parts: Iterable[Samples], plan: DecodePlan, starts: list[int]) -> Iterator[DecodedWindow]:
    """Cut the windows at ``starts`` out of a track that comes in parts."""
    cutter = WindowCutter(plan, starts)
    for part in parts:
        yield from cutter.push(part)
    yield from cutter.flush()
