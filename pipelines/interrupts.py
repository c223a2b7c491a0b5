"""Ctrl-C and SIGTERM end a local run at once, whatever its worker threads are doing."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType


class Stopped(BaseException):
    """A signal asked the run to stop. Not an ``Exception``, so that no engine takes it for a failed element."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def stop_on_signals() -> Iterator[None]:
    """End the process with status 128 + signal when SIGINT or SIGTERM comes inside the block.

    The engine's worker threads cannot be interrupted, and Python waits for them at a normal exit; so the process
    leaves without waiting. Nothing is lost by that: tables are published at the very end, in a step that signals
    cannot divide, and decoder processes end with their parent.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Stopped as stopped:
        print(
            f"\nearmark: stopped by {stopped}; nothing was published by halves. Run the same command again.",
            file=sys.stderr,
        )
        sys.stderr.flush()
        os._exit(128 + stopped.number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
