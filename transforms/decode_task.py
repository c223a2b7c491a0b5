"""One track that is being decoded, between the thread that decodes it and the one that takes its windows."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from models.window_records import DecodedWindow, DecodeSummary

#: Opens the audio: gives the path of a local file, or raises :class:`~transforms.audio_sources.AudioSourceError`.
OpenAudio = Callable[[], AbstractContextManager[str]]


class CancelledDecodeError(Exception):
    """Nobody waits for a track any more."""


class DecodeTask:
    """One track: what opens it, and what was decoded of it and not taken yet.

    Parameters
    ----------
    open_audio
        Opens it.
    queued
        Windows that may wait; whoever decodes is held up by more.
    starts
        As below.
    ready
        Where the task goes for each thing that can be taken.

    Attributes
    ----------
    starts
        First samples of the windows that a later round hears; null for the first round.
    decode_ms
        Time from the first request for it to its end, in milliseconds, waits for the taker included; set at the end.
    processes_lost
        Decoder processes that were lost over it.
    """

    def __init__(
        self,
        open_audio: OpenAudio,
        queued: int,
        starts: tuple[int, ...] | None = None,
        ready: queue.SimpleQueue[DecodeTask] | None = None,
    ) -> None:
        self.open_audio = open_audio
        self.starts = starts
        self._ready = ready
        self._queue: queue.Queue[DecodedWindow | DecodeSummary | BaseException] = queue.Queue(queued)
        self._cancelled = threading.Event()
        self._finished = threading.Event()
        self._summary: DecodeSummary | None = None
        self.decode_ms = 0
        self.processes_lost = 0

    @property
    def finished(self) -> bool:
        """Whether all that is still to be taken is there: taking it does not wait."""
        return self._finished.is_set()

    @property
    def summary(self) -> DecodeSummary:
        """How it ended; only after :meth:`windows` is exhausted."""
        if self._summary is None:
            raise RuntimeError("take all windows first")
        return self._summary

    def windows(self) -> Iterator[DecodedWindow]:
        """Take the windows as they come; waits for them."""
        while self._summary is None:
            if (window := self._given(self._queue.get())) is not None:
                yield window

    def take(self) -> DecodedWindow | None:
        """Take what a place in ``ready`` stood for: a window, or null for the summary, which is set then.

        Raises
        ------
        RuntimeError
            The task was cancelled, so that nobody takes a part of a track for the whole of it.
        """
        try:
            return self._given(self._queue.get_nowait())
        except queue.Empty:
            raise RuntimeError("the decoding of a track was given up") from None

    @property
    def ended(self) -> bool:
        """Whether all windows were taken, and :attr:`summary` is there."""
        return self._summary is not None

    def _given(self, item: DecodedWindow | DecodeSummary | BaseException) -> DecodedWindow | None:
        if isinstance(item, BaseException):
            raise item
        if isinstance(item, DecodedWindow):
            return item
        self._summary = item
        return None

    def cancel(self) -> None:
        """Give it up: its windows are not wanted any more."""
        self._cancelled.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._tell()

    @property
    def cancelled(self) -> bool:
        """Whether it was given up."""
        return self._cancelled.is_set()

    def give(self, window: DecodedWindow) -> None:
        """Hand a window to the taker; waits while too many are waiting.

        Raises
        ------
        CancelledDecodeError
            Nobody will take it.
        """
        self._put(window)

    def finish(self, summary: DecodeSummary) -> None:
        """Hand over the last thing that there is of it; raises as :meth:`give`."""
        self._put(summary)
        self._finished.set()

    def abandon(self) -> None:
        """Say that no more of a cancelled task comes."""
        self._finished.set()

    def fail(self, error: BaseException) -> None:
        """Give it up, and have the taker meet an error."""
        self.cancel()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(error)
        self._finished.set()
        self._tell()

    def _put(self, item: DecodedWindow | DecodeSummary) -> None:
        while not self.cancelled:
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=0.2)
                self._tell()
                return
        raise CancelledDecodeError

    def _tell(self) -> None:
        if self._ready is not None:
            self._ready.put(self)
