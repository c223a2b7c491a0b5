"""A decoder process: takes requests on standard input and gives windows and a summary for each on standard output.

Started as ``python -m transforms.decoder_child`` by :mod:`transforms.decoder_process`. It is there to be lost: it
limits its own memory and processor time, writes no file, and dies with its parent. It imports only what decoding needs.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from models.audio_decoding import decode_windows
from models.window_records import DecodedWindow, DecodePlan, DecodeSummary
from transforms.allocator import keep_freed_memory
from transforms.decoder_messages import (
    EXIT_OUT_OF_MEMORY,
    HEADER,
    MOST_TEXT_BYTES,
    READY,
    REQUEST,
    BadMessageError,
    pack,
    pack_summary,
    pack_window,
    unpack_plan,
)
from transforms.worker_life import die_with_parent

Decode = Callable[[str, DecodePlan, Sequence[str]], Generator[DecodedWindow, None, DecodeSummary]]

_MIB: Final = 1 << 20


def main(decode: Decode = decode_windows) -> None:
    """Serve until standard input ends; the limits come as JSON in the first argument."""
    limits: dict[str, Any] = json.loads(sys.argv[1])
    die_with_parent(int(limits["parent_pid"]))
    keep_freed_memory()
    requests = sys.stdin.buffer
    # The libraries may print: what they say goes nowhere, and the messages have a descriptor of their own.
    messages = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    _limit_process(int(limits["memory_limit_mb"]))
    try:
        _send(messages, pack(READY, b""))
        while (request := _read_request(requests)) is not None:
            _limit_cpu_time(float(limits["cpu_limit_s"]))
            _serve(request, decode, messages)
    except BrokenPipeError:
        os._exit(0)  # the parent is gone
    except MemoryError:
        os._exit(EXIT_OUT_OF_MEMORY)


def _serve(request: dict[str, Any], decode: Decode, messages: BinaryIO) -> None:
    plan = unpack_plan(request["plan"])
    windows = 0
    decoding = decode(request["path"], plan, tuple(request["decoders"]))
    while True:
        try:
            window = next(decoding)
        except StopIteration as end:
            _send(messages, pack_summary(end.value))
            return
        except MemoryError:
            raise
        except Exception as error:
            message = f"The decoder failed: {type(error).__name__}."
            _send(messages, pack_summary(DecodeSummary(windows, 0.0, error_type="decoder_crash", message=message)))
            return
        for part in pack_window(window):
            _send(messages, part)  # blocks while the parent is not reading
        windows += 1


def _send(messages: BinaryIO, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[messages.write(view) :]


def _read_request(requests: BinaryIO) -> dict[str, Any] | None:
    header = requests.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    kind, length = HEADER.unpack(header)
    if kind != REQUEST or length > MOST_TEXT_BYTES:
        raise BadMessageError("not a request")
    payload = requests.read(length)
    request: dict[str, Any] | None = json.loads(payload) if len(payload) == length else None
    return request


def _limit_process(memory_limit_mb: int) -> None:
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)  # pipes are no files
    if sys.platform == "linux":  # elsewhere the limit of address space is not kept
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + memory_limit_mb * _MIB)


def _limit_cpu_time(seconds: float) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, math.ceil(usage.ru_utime + usage.ru_stime + seconds))


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


if __name__ == "__main__":
    main()
