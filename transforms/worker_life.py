"""Worker processes of a local run end with the process that started them, however that ends."""

from __future__ import annotations

import os
import threading
import time
from typing import Final

_VARIABLE: Final = "EARMARK_MAIN_PROCESS"
_LOOK_EVERY_S: Final = 0.5
_watching = threading.Lock()


def announce_main_process() -> None:
    """Tell the worker processes that this process will start which one they belong to."""
    os.environ[_VARIABLE] = str(os.getpid())


def end_with_main_process() -> None:
    """Watch from now on whether the main process lives; leave at once when it does not.

    Beam's own worker finishes what it has in hand first, hours of decoding it may be, which nobody waits for any more.
    Does nothing in the main process itself and on a cluster.
    """
    main = os.environ.get(_VARIABLE)
    if main is None or int(main) != os.getppid() or not _watching.acquire(blocking=False):
        return
    threading.Thread(target=_watch, args=(int(main),), name="watch-main-process", daemon=True).start()


def _watch(main: int) -> None:
    while os.getppid() == main:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)
