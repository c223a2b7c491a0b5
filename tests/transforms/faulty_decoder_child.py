"""A decoder process that goes wrong in the way that the file's name asks for; other files it decodes.

A name that begins with ``later`` asks for the fault in rounds behind the first only.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import signal
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from models.audio_decoding import LIBSNDFILE, decode_windows
from models.window_records import DecodedWindow, DecodePlan, DecodeSummary
from transforms import decoder_child


def faulty_decode(
    path: str, plan: DecodePlan, decoders: Sequence[str]
) -> Generator[DecodedWindow, None, DecodeSummary]:
    return (yield from decode_with_fault(Path(path).name.partition("-")[0], path, plan, decoders))


def decode_with_fault(
    fault: str, path: str, plan: DecodePlan, decoders: Sequence[str]
) -> Generator[DecodedWindow, None, DecodeSummary]:
    if fault.startswith("later"):
        fault = fault.removeprefix("later") if plan.starts is not None else ""
    if fault == "half":
        yield next(decode_windows(path, plan, decoders))
        ctypes.string_at(0)
    if fault == "short":
        return (yield from decode_windows(path, dataclasses.replace(plan, starts=(10**9,)), decoders))
    if fault == "latesegfault":
        for window in decode_windows(path, plan, decoders):
            yield window
            if window.start_s > 0:
                ctypes.string_at(0)
    if fault == "segfault" or (fault == "firstdecoder" and tuple(decoders) != (LIBSNDFILE,)):
        ctypes.string_at(0)
    elif fault == "abort":
        os.abort()
    elif fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "spin":
        while True:
            pass
    elif fault == "sleep":
        time.sleep(600)
    elif fault == "bomb":
        hoard = []
        while True:
            hoard.append(bytearray(8 << 20))
    elif fault == "nativebomb":  # a C library that does not look at what malloc gives it
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        while True:
            ctypes.memset(libc.malloc(ctypes.c_size_t(8 << 20)), 1, 8 << 20)
            time.sleep(0.03)
    elif fault == "garbage":
        for descriptor in range(3, 10):
            try:
                os.write(descriptor, b"what is this? " * 1000)
            except OSError:
                continue
    elif fault == "silent":
        os._exit(0)
    elif fault == "raise":
        raise RuntimeError("a bug")
    elif fault == "print":
        print("noise on standard output", flush=True)
        os.write(1, b"more of it")
        sys.stderr.write("and here")
    return (yield from decode_windows(path, plan, decoders))


if __name__ == "__main__":
    decoder_child.main(faulty_decode)
