"""What networks of other sizes cost and, with a training pool, what they can: one table to choose from.

``python benchmarks/network_tradeoff.py --output out/benchmarks`` measures size and speed with random weights.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from models.folded_network import fold_network
from models.litert_export import convert_body
from models.network import EarmarkNetwork, MaskedConvolution, NetworkShape

PRECISIONS = ("float32", "int8_weights", "int8")
HOP_S = 0.02


class SeparableConvolution(tf.keras.layers.Layer):
    """A depth-wise convolution and one over channels, each with batch normalisation, ReLU and mask."""

    def __init__(self, filters, kernel, stride):
        super().__init__()
        self.stride = stride
        self.pad = [[0, 0], [kernel[0] // 2] * 2, [kernel[1] // 2] * 2, [0, 0]]
        self.depthwise = tf.keras.layers.DepthwiseConv2D(kernel, strides=stride, padding="valid", use_bias=False)
        self.depthwise_normalization = tf.keras.layers.BatchNormalization(momentum=0.98, epsilon=1e-3)
        self.convolution = tf.keras.layers.Conv2D(filters, 1, use_bias=False)
        self.normalization = tf.keras.layers.BatchNormalization(momentum=0.98, epsilon=1e-3)

    def call(self, inputs, training=False):
        features, valid_steps = inputs
        features = self.depthwise(tf.pad(features, self.pad))
        features = tf.nn.relu(self.depthwise_normalization(features, training=training))
        features = tf.nn.relu(self.normalization(self.convolution(features), training=training))
        valid_steps = -(-valid_steps // self.stride[0])
        mask = tf.sequence_mask(valid_steps, features.shape[1], features.dtype)
        return features * mask[:, :, tf.newaxis, tf.newaxis], valid_steps


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network to try: channels of the stages as in NetworkShape, their kind, and the frames that it sees at once."""

    name: str
    widths: tuple[int, int, int, int] = (24, 40, 80, 144)
    map_width: int = 256
    separable: bool = False
    #: Further blocks of stride 1 in the last two stages.
    deeper: int = 0
    frames: int = 250

    def network(self, label_gradient=1.0):
        shape = NetworkShape(frames=self.frames, widths=self.widths, map_width=self.map_width)
        network = EarmarkNetwork(shape, label_gradient)
        block = SeparableConvolution if self.separable else MaskedConvolution
        stem, first, second, third = self.widths
        network.stages = [
            MaskedConvolution(stem, (5, 5), (2, 2)),
            block(first, (3, 3), (2, 2)),
            block(second, (3, 3), (2, 2)),
            *(block(second, (3, 3), (1, 1)) for _ in range(1 + self.deeper)),
            block(third, (3, 3), (2, 2)),
            *(block(third, (3, 3), (1, 1)) for _ in range(1 + self.deeper)),
        ]
        network((tf.zeros((2, self.frames, shape.mel_bands)), tf.fill((2,), self.frames)))
        return network


def _scaled(factor):
    return tuple(8 * round(width * factor / 8) for width in (24, 40, 80, 144))


CANDIDATES = (
    Candidate("present"),
    *(Candidate(f"present, width x{f:g}", _scaled(f), 8 * round(256 * f / 8)) for f in (0.5, 0.75, 1.5, 2.0)),
    Candidate("present, one block more per stage", deeper=1),
    Candidate("width x1.5, one block more per stage", _scaled(1.5), 384, deeper=1),
    *(
        Candidate(f"separable, stem {w[0]}, up to {w[3]}", w, 256, separable=True, deeper=1)
        for w in ((16, 32, 64, 128), (24, 64, 128, 256), (32, 96, 192, 384))
    ),
    Candidate("separable, stem 24, up to 256, 3 blocks more", (24, 64, 128, 256), 256, separable=True, deeper=3),
    *(Candidate(f"present, context {f * HOP_S:g} s", frames=f) for f in (50, 125, 500)),
)


def speed(content: bytes, frames: int, least_s: float) -> float:
    """Audio-seconds per processor-second of a LiteRT file on one thread, the best of seven rounds."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    picture = np.random.default_rng(0).standard_normal(given["shape"]).astype(np.float32)
    best, calls = np.inf, 8
    for _ in range(7):
        begun = time.process_time()
        for _ in range(calls):
            interpreter.set_tensor(given["index"], picture)
            interpreter.invoke()
            interpreter.get_tensor(made["index"])
        took = time.process_time() - begun
        best = min(best, took / calls)
        calls = max(8, int(least_s / best))
    return frames * HOP_S / best


def measure(candidate: Candidate, least_s: float) -> dict[str, float | str]:
    folded = fold_network(candidate.network())
    pictures = np.random.default_rng(1).standard_normal((16, folded.frames, folded.mel_bands)).astype(np.float32)
    row = {
        "name": candidate.name,
        "million_multiply_adds_per_audio_s": folded.multiply_adds() / (candidate.frames * HOP_S) / 1e6,
        "parameters": folded.parameters(),
    }
    for precision in PRECISIONS:
        content = convert_body(folded, precision, pictures)
        row[f"{precision}_mb"] = len(content) / 1e6
        row[f"{precision}_audio_s_per_cpu_s"] = speed(content, candidate.frames, least_s)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", required=True)
    parser.add_argument("--least_s", type=float, default=0.15, help="processor time per round")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = [
        "| network | M multiply-adds per audio-s | parameters | float32: audio-s per CPU-s | int8 weights only | int8 | int8 MB |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    rows = []
    for candidate in CANDIDATES:
        row = measure(candidate, arguments.least_s)
        rows.append(row)
        speeds = " | ".join(f"{row[f'{p}_audio_s_per_cpu_s']:,.0f}" for p in PRECISIONS)
        lines.append(
            f"| {row['name']} | {row['million_multiply_adds_per_audio_s']:.1f} | {row['parameters']:,} | {speeds} "
            f"| {row['int8_mb']:.2f} |"
        )
        print(lines[-1], flush=True)
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    report = {"machine": platform.machine(), "cores": os.cpu_count(), "candidates": rows}
    (folder / "network_tradeoff.json").write_text(json.dumps(report, indent=1) + "\n")
    (folder / "network_tradeoff.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
