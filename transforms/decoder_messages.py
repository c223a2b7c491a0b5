"""The messages between the worker and its decoder processes: a kind, a length, and that many bytes.

Nothing is unpickled: a decoder that a file has taken over must not get further than its own process.
"""

from __future__ import annotations

import dataclasses
import json
import math
import struct
from typing import Any, Final

import numpy as np

from models.window_records import DecodedWindow, DecodePlan, DecodeSummary

HEADER: Final = struct.Struct("<cI")
READY: Final = b"R"
REQUEST: Final = b"D"
WINDOW: Final = b"W"
SUMMARY: Final = b"S"
_WINDOW_HEAD: Final = struct.Struct("<ddI")
#: Limit of a message that is no window, in bytes.
MOST_TEXT_BYTES: Final = 1 << 16

#: Exit status of a decoder process that ran out of memory where it could no longer say so.
EXIT_OUT_OF_MEMORY: Final = 78


class BadMessageError(Exception):
    """The other side sent what is no message."""


def window_bytes(plan: DecodePlan) -> int:
    """Return the length of a window's message under ``plan``, in bytes."""
    return _WINDOW_HEAD.size + 4 * plan.window_samples


def pack(kind: bytes, payload: bytes) -> bytes:
    """Put a message together."""
    return HEADER.pack(kind, len(payload)) + payload


def unpack_plan(fields: dict[str, Any]) -> DecodePlan:
    """Make the plan of a request, whose fields came as JSON."""
    starts = fields["starts"]
    return DecodePlan(**{**fields, "starts": None if starts is None else tuple(starts)})


def pack_window(window: DecodedWindow) -> tuple[bytes, memoryview]:
    """Give the message of a window in two parts, the second of them its samples, uncopied."""
    head = _WINDOW_HEAD.pack(window.start_s, window.peak_dbfs, window.valid_samples)
    samples = np.ascontiguousarray(window.samples, "<f4").data.cast("B")
    return HEADER.pack(WINDOW, len(head) + samples.nbytes) + head, samples


def unpack_window(payload: bytes | bytearray, plan: DecodePlan) -> DecodedWindow:
    """Take the message of a window apart; its samples stay where they are in ``payload``."""
    if len(payload) != window_bytes(plan):
        raise BadMessageError("a window of the wrong length")
    start_s, peak, valid = _WINDOW_HEAD.unpack_from(payload)
    samples = np.frombuffer(payload, "<f4", offset=_WINDOW_HEAD.size).astype(np.float32, copy=False)
    finite = math.isfinite(start_s) and math.isfinite(peak) and bool(np.isfinite(samples).all())
    if not (finite and 0 < valid <= samples.size):
        raise BadMessageError("a window with values out of range")
    return DecodedWindow(start_s, samples, valid, peak)


def pack_summary(summary: DecodeSummary) -> bytes:
    """Put the message of a summary together."""
    return pack(SUMMARY, json.dumps(dataclasses.asdict(summary)).encode())


def unpack_summary(payload: bytes | bytearray) -> DecodeSummary:
    """Take the message of a summary apart."""
    try:
        fields: dict[str, Any] = json.loads(payload)
        summary = DecodeSummary(**{**fields, "flags": tuple(str(flag) for flag in fields["flags"])})
        sound = isinstance(summary.windows, int) and math.isfinite(float(summary.duration_s))
        sound &= summary.declared_duration_s is None or math.isfinite(float(summary.declared_duration_s))
        sound &= all(text is None or isinstance(text, str) for text in (summary.error_type, summary.message))
    except (ValueError, TypeError, KeyError) as error:
        raise BadMessageError("a summary that cannot be read") from error
    if not sound:
        raise BadMessageError("a summary with values out of range")
    return summary
