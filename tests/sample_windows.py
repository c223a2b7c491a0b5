"""Windows of the sample shard's real audio, as the main job cuts them."""

from __future__ import annotations

import pathlib

import numpy as np

from models.audio_decoding import decode_windows
from models.window_records import DecodedWindow, DecodePlan

AUDIO = pathlib.Path(__file__).parents[1] / "sample" / "audio"
#: Decoding a long file takes longer than all that a test does with a window of it.
_LARGEST_FILE = 400_000


def sample_windows(every: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Samples (n, 80000) and valid samples (n,): up to two windows of every so many of the shorter files."""
    files = [path for path in sorted(AUDIO.glob("*/*")) if path.stat().st_size < _LARGEST_FILE]
    windows: list[DecodedWindow] = []
    for path in files[::every]:
        windows += decode_windows(path, DecodePlan(sampled_windows=2))
    return np.stack([w.samples for w in windows]), np.array([w.valid_samples for w in windows], np.int32)
