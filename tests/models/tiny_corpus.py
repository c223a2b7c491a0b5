"""A corpus of a dozen short synthetic recordings, with its manifest, for tests of training."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile

from models import synthesis, synthetic_music

SOUNDS = {
    ("music", "pop"): lambda rng: synthetic_music.melody(rng, 96_000),
    ("functional", "noise"): lambda rng: synthesis.moving_noise(rng, 96_000),
    ("functional", "sfx"): lambda rng: synthesis.taps(rng, 20_000),
    ("speech", "prompt"): lambda rng: synthetic_music.sung_voice(rng, synthesis.drops(rng, 30_000), 32_000),
    ("functional", "silence"): lambda rng: np.zeros(32_000, np.float32),
}


def write_corpus(folder: Path) -> Path:
    """Write two recordings of each sound to each split; return the manifest."""
    rows = []
    for split in ("train", "dev"):
        for place, ((label, subtype), make) in enumerate(SOUNDS.items()):
            for copy in range(2):
                name = f"{split}-{subtype}-{copy}.flac"
                soundfile.write(folder / name, make(np.random.default_rng((place, copy, split == "dev"))), 16_000)
                rows.append([name, label, subtype, split, f"{split}-{label}"])
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "subtype", "split", "package"], *rows])
    return manifest


def write_teacher(folder: Path) -> Path:
    """Write an ``.npz`` with the shapes of the teacher and random weights; return its folder."""
    from models.teacher_network import _BLOCKS

    rng = np.random.default_rng(0)
    weights, channels = {"conv_1/kernel": (3, 3, 1, 32), "conv_1/bias": (32,)}, 32
    for number, (_, filters) in enumerate(_BLOCKS, start=2):
        weights |= {f"depthwise_{number}/kernel": (3, 3, channels, 1), f"depthwise_{number}/bias": (channels,)}
        weights |= {f"pointwise_{number}/kernel": (1, 1, channels, filters), f"pointwise_{number}/bias": (filters,)}
        channels = filters
    weights |= {"scores/kernel": (channels, 521), "scores/bias": (521,)}
    arrays = {
        name: rng.normal(0, (2 / np.prod(shape[:-1])) ** 0.5 if len(shape) > 1 else 0.01, shape)
        for name, shape in weights.items()
    }
    np.savez(folder / "teacher.npz", **{name: array.astype(np.float16) for name, array in arrays.items()})
    return folder
