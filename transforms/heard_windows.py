"""Predictions of windows as bytes, for the way between workers.

There are several to a track, and a runner that keeps them in memory keeps an object and four arrays of each, which take
three times the room; and bytes are what it reads and writes fastest.
"""

from __future__ import annotations

import math
import struct
from typing import Final

import numpy as np

from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from models.window_records import WindowPrediction

#: Start and length in seconds, peak in dBFS, the tone in Hz, which is no number where there is none, and how many bytes
#: at the end tell of a failure.
_HEAD: Final = struct.Struct("<4dq")
_FLOAT: Final = np.dtype("<f4")
_ENDS: Final = np.cumsum([len(CATEGORIES), len(FUNCTIONAL_TYPES), len(CATEGORIES)])


def pack_prediction(prediction: WindowPrediction) -> bytes:
    """Write a prediction as bytes."""
    tone_hz = math.nan if prediction.tone_hz is None else prediction.tone_hz
    failure = (prediction.failure or "").encode()
    arrays = prediction.category, prediction.functional_type, prediction.presence, prediction.embedding
    return b"".join(
        (
            _HEAD.pack(prediction.start_s, prediction.duration_s, prediction.peak_dbfs, tone_hz, len(failure)),
            *(array.astype(_FLOAT, copy=False).tobytes() for array in arrays),
            failure,
        )
    )


def unpack_prediction(packed: bytes) -> WindowPrediction:
    """Read what :func:`pack_prediction` wrote; the arrays cannot be written to."""
    start_s, duration_s, peak_dbfs, tone_hz, failure_bytes = _HEAD.unpack_from(packed)
    end = len(packed) - failure_bytes
    floats = np.frombuffer(packed, _FLOAT, (end - _HEAD.size) // _FLOAT.itemsize, _HEAD.size)
    category, functional_type, presence, embedding = np.split(floats, _ENDS)
    return WindowPrediction(
        start_s=start_s,
        duration_s=duration_s,
        peak_dbfs=peak_dbfs,
        category=category,
        functional_type=functional_type,
        presence=presence,
        embedding=embedding,
        tone_hz=None if math.isnan(tone_hz) else tone_hz,
        failure=packed[end:].decode() or None,
    )
