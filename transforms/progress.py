"""How far a local run is: workers count into small files, the main process adds them up and shows them.

Files work the same for threads and for worker processes on one machine. A run on a cluster has its engine's own page
for this and leaves the counting out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TextIO

import apache_beam as beam

from transforms.records import RowTally

_WRITE_EVERY_S = 0.3


class CountProgress(beam.DoFn):
    """Pass elements through and count them for :class:`ProgressDisplay`; a tally counts as all its rows.

    Parameters
    ----------
    directory
        A folder on the machine of the workers and the main process.
    what
        Name of the count, such as ``rows_read``.
    """

    def __init__(self, directory: str, what: str) -> None:
        super().__init__()
        self._directory = directory
        self._what = what

    def setup(self) -> None:
        """Name this instance's file."""
        self._path = pathlib.Path(self._directory) / f"{self._what}.{os.getpid()}-{uuid.uuid4().hex}"
        self._count = 0
        self._written_at_s = 0.0

    def process(self, element: Any) -> Iterator[Any]:
        """Pass one element through."""
        yield element
        self._count += element.rows if isinstance(element, RowTally) else 1
        if time.monotonic() - self._written_at_s > _WRITE_EVERY_S:
            self._write()

    def finish_bundle(self) -> None:
        """Write the count."""
        self._write()

    def _write(self) -> None:
        # A count that cannot be written is no reason to fail a run.
        with contextlib.suppress(OSError):
            # Named after the whole file: the instances of one count share what stands before the suffix.
            beside = self._path.with_name(f"{self._path.name}.new")
            beside.write_text(f"{self._what} {self._count}")
            beside.replace(self._path)
        self._written_at_s = time.monotonic()


def read_counts(directory: str) -> Counter[str]:
    """The counts of all workers, summed by name."""
    counts: Counter[str] = Counter()
    for path in pathlib.Path(directory).glob("*"):
        if path.suffix != ".new":
            with contextlib.suppress(OSError, ValueError):
                what, count = path.read_text().split()
                counts[what] += int(count)
    return counts


@dataclasses.dataclass(frozen=True, slots=True)
class ProgressView:
    """What a person is told at one moment.

    Attributes
    ----------
    done, total
        In the current phase; ``total`` is null while it is not known.
    """

    phase: str
    done: int
    total: int | None
    dead_letters: int

    @classmethod
    def of(cls, counts: Counter[str]) -> ProgressView:
        """The phase that the counts say the run is in."""
        dead = counts["dead_letters"]
        if counts["rows_judged"]:
            return cls("writing tables", counts["rows_judged"], counts["rows_identified"], dead)
        if counts["audio_to_hear_again"]:
            again = counts["audio_to_hear_again"]
            return cls("hearing more of doubtful audio", counts["audio_heard_again"], again, dead)
        if counts["audio_decoded"] or counts["audio_found"]:
            return cls("labelling audio files", counts["audio_decoded"], counts["audio_found"] or None, dead)
        if counts["rows_identified"]:
            # All rows were read, and no more than a few are valid ahead of the audio that is looked for. How many of
            # them a run with --previous looks for is not known before its end.
            total = max(counts["rows_valid"], counts["rows_read"] - dead) if counts["rows_valid"] else None
            return cls("finding audio of rows", counts["rows_identified"], total, dead)
        return cls("reading catalog rows", counts["rows_read"], None, dead)

    def line(self, done_since: int, since_s: float) -> str:
        """One line of text: done, total, rate, time left, dead letters.

        Parameters
        ----------
        done_since, since_s
            How many were done in the last ``since_s`` seconds of this phase: the rate. Below one second there is none.
        """
        text = f"{self.phase}: {self.done:,}" + (f" of {self.total:,}" if self.total else "")
        rate = done_since / since_s if since_s >= 1 else 0.0
        if rate > 0:
            text += f", {rate:,.1f}/s"
        if self.total and rate > 0:
            left_s = round((self.total - self.done) / rate)
            text += f", about {left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02} left"
        return f"{text}, {self.dead_letters:,} dead letters so far"


class ProgressDisplay:
    """Shows the counts while a run lasts: a line that renews itself on a terminal, a line every ``every_s`` elsewhere.

    Parameters
    ----------
    directory
        The folder that :class:`CountProgress` writes to.
    every_s
        Seconds between lines when ``stream`` is no terminal.
    """

    def __init__(self, directory: str, stream: TextIO | None = None, every_s: float = 10.0) -> None:
        self._directory = directory
        self._stream = stream if stream is not None else sys.stderr
        self._terminal = self._stream.isatty()
        self._every_s = 0.5 if self._terminal else every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> ProgressDisplay:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._terminal:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()

    def _show(self) -> None:
        phase, began_s, began_at = "", time.monotonic(), 0
        while not self._stop.wait(self._every_s):
            view = ProgressView.of(read_counts(self._directory))
            if view.phase != phase:
                phase, began_s, began_at = view.phase, time.monotonic(), view.done
            line = view.line(view.done - began_at, time.monotonic() - began_s)
            self._stream.write(f"\r\x1b[2K{line}" if self._terminal else f"{line}\n")
            self._stream.flush()
