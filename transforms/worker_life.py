"""Processes of a local run end with the process that started them, however that ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import signal
import sys
import threading
import time
from typing import Final

_VARIABLE: Final = "EARMARK_MAIN_PROCESS"
_LOOK_EVERY_S: Final = 0.5
_PR_SET_PDEATHSIG: Final = 1


def announce_main_process() -> None:
    """Tell the worker processes that this process will start which one they belong to."""
    os.environ[_VARIABLE] = str(os.getpid())


def end_with_main_process() -> None:
    """Have this worker process killed when the main process ends; one whose main process is gone ends here.

    Beam's own worker finishes what it has in hand first, hours of decoding it may be, which nobody waits for any more.
    Does nothing where no main process was announced, as on a cluster.
    """
    main = os.environ.get(_VARIABLE)
    if main is None:
        return
    die_with_parent(int(main))
    if sys.platform != "linux":  # whose kernel sees to it
        threading.Thread(target=_watch, args=(int(main),), name="watch-main-process", daemon=True).start()


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent ends, where it can; end when the parent has ended already.

    Linux takes "the parent ended" to mean the thread that started this process.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it was gone before the request above
        os._exit(0)


def _watch(main: int) -> None:
    while os.getppid() == main:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)


def child_processes() -> set[int]:
    """Process ids of this process's children; none where the kernel is not Linux."""
    found: set[int] = set()
    for path in pathlib.Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.update(map(int, path.read_text().split()))
    return found


def kill_child_processes(but: frozenset[int] | set[int] = frozenset()) -> None:
    """Kill this process's children except those in ``but``; none where the kernel is not Linux."""
    for pid in child_processes() - but:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
