"""Networks to choose from: the present one in other widths and depths, separable ones, and other contexts."""

import dataclasses

import tensorflow as tf

from models.network import EarmarkNetwork, MaskedConvolution, NetworkShape

HOP_S = 0.02


class SeparableConvolution(tf.keras.layers.Layer):
    """A depth-wise convolution and one over channels, each with batch normalisation and ReLU; masked like the others.

    ``models.folded_network`` knows the names of its parts.
    """

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
    """A network to try: channels and convolutions of its stages, their kind, and the frames that it sees at once."""

    name: str
    widths: tuple[int, int, int, int] = (24, 40, 80, 144)
    blocks: tuple[int, int, int, int] = (1, 1, 2, 2)
    map_width: int = 256
    separable: bool = False
    frames: int = 250

    def network(self, label_gradient: float = 1.0) -> EarmarkNetwork:
        shape = NetworkShape(frames=self.frames, widths=self.widths, map_width=self.map_width)
        network = EarmarkNetwork(shape, label_gradient)
        stages = []
        for filters, blocks in zip(self.widths, self.blocks, strict=True):
            for block in range(blocks):
                kind = SeparableConvolution if self.separable and stages else MaskedConvolution
                stages.append(kind(filters, (3, 3) if stages else (5, 5), (1, 1) if block else (2, 2)))
        network.stages = stages
        network((tf.zeros((2, self.frames, shape.mel_bands)), tf.fill((2,), self.frames)))
        return network


def _scaled(factor: float) -> tuple[int, int, int, int]:
    stem, first, second, third = (8 * round(width * factor / 8) for width in (24, 40, 80, 144))
    return stem, first, second, third


_SMALL, _MIDDLE, _LARGE = (16, 32, 64, 128), (24, 64, 128, 256), (32, 96, 192, 384)
CANDIDATES = (
    Candidate("plain"),
    *(Candidate(f"plain, width x{f:g}", _scaled(f), map_width=8 * round(32 * f)) for f in (0.5, 0.75, 1.5, 2.0)),
    Candidate("plain, blocks 1 1 3 3", blocks=(1, 1, 3, 3)),
    Candidate("plain, blocks 1 2 3 3", blocks=(1, 2, 3, 3)),
    Candidate("plain, width x1.5, blocks 1 1 3 3", _scaled(1.5), (1, 1, 3, 3), 384),
    Candidate("plain, width x1.25, blocks 1 2 3 3", _scaled(1.25), (1, 2, 3, 3)),
    *(Candidate(f"separable, up to {w[3]}", w, (1, 1, 3, 3), separable=True) for w in (_SMALL, _MIDDLE, _LARGE)),
    Candidate("separable, up to 256, blocks 1 1 5 5", _MIDDLE, (1, 1, 5, 5), separable=True),
    *(Candidate(f"plain, context {f * HOP_S:g} s", frames=f) for f in (50, 125, 500)),
)
