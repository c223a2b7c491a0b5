"""The network: log-mel pictures in; category, type, presence and embedding out.

Plain convolutions, because TensorFlow trains depth-wise ones several times slower on a CPU. Every convolution pads
evenly on both sides and every activation is masked behind the audio, so that padding is as the end of the file.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES

layers = tf.keras.layers

#: Classes and size of the embedding of the teacher.
TEACHER_SCORES = 521
TEACHER_EMBEDDING = 1024
#: Time steps of the network's last map per teacher patch of 0.96 s: 3 steps of 0.32 s.
STEPS_PER_SEGMENT = 3
SEGMENTS = 5


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkShape:
    """Sizes of the network.

    Attributes
    ----------
    frames, mel_bands
        Shape of the log-mel picture; 16 frames of it become one time step.
    widths
        Channels of the stem and of the three stages that follow.
    blocks
        Convolutions of each of those stages; the first of each halves time and frequency.
    map_width
        Channels of the last map, after the frequency axis is gone.
    embedding_size
        Length of the embedding.
    """

    frames: int = 250
    mel_bands: int = 64
    widths: tuple[int, int, int, int] = (24, 40, 80, 144)
    blocks: tuple[int, int, int, int] = (1, 1, 3, 3)
    map_width: int = 256
    embedding_size: int = 128


@tf.keras.utils.register_keras_serializable("earmark")
class MaskedConvolution(tf.keras.layers.Layer):
    """Convolution without bias, batch normalisation, ReLU, and zeros behind the last valid step.

    Parameters
    ----------
    filters
        Channels out.
    kernel
        Size in time and frequency; odd numbers.
    stride
        Step in time and frequency.
    """

    def __init__(self, filters: int, kernel: tuple[int, int], stride: tuple[int, int], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.stride = stride
        self.pad = [[0, 0], [kernel[0] // 2] * 2, [kernel[1] // 2] * 2, [0, 0]]
        self.convolution = layers.Conv2D(filters, kernel, strides=stride, padding="valid", use_bias=False)
        self.normalization = layers.BatchNormalization(momentum=0.98, epsilon=1e-3)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Map (features, valid_steps) to (features, valid_steps) after the stride."""
        features, valid_steps = inputs
        features = self.convolution(tf.pad(features, self.pad))
        features = tf.nn.relu(self.normalization(features, training=training))
        valid_steps = -(-valid_steps // self.stride[0])
        mask = tf.sequence_mask(valid_steps, features.shape[1], features.dtype)
        return features * mask[:, :, tf.newaxis, tf.newaxis], valid_steps


def masked_pool(sequence: tf.Tensor, valid_steps: tf.Tensor) -> tf.Tensor:
    """Mean, standard deviation and maximum over the valid steps: (n, steps, width) -> (n, 3 * width)."""
    mask = tf.sequence_mask(valid_steps, sequence.shape[1], sequence.dtype)[:, :, tf.newaxis]
    count = tf.cast(valid_steps, sequence.dtype)[:, tf.newaxis]
    mean = tf.reduce_sum(sequence * mask, axis=1) / count
    variance = tf.reduce_sum(tf.square(sequence - mean[:, tf.newaxis]) * mask, axis=1) / count
    # What is pooled is behind a ReLU, so the masked zeros never win the maximum.
    return tf.concat([mean, tf.sqrt(variance + 1e-6), tf.reduce_max(sequence * mask, axis=1)], axis=1)


class EarmarkNetwork(tf.keras.Model):
    """The network with its training heads.

    ``call`` gives a dictionary of logits and targets: ``category`` (n, 3), ``functional_type`` (n, 8), ``presence``
    (n, 3), ``embedding`` (n, embedding_size) of unit length, and, with ``distil=True``, ``segment_embedding``
    (n, 5, 1024), ``segment_scores`` (n, 5, 521) and ``mean_embedding`` (n, 1024) for the teacher's outputs.
    """

    def __init__(self, shape: NetworkShape, label_gradient: float = 1.0) -> None:
        super().__init__()
        self.network_shape = shape
        self.label_gradient = label_gradient
        self.stages = [MaskedConvolution(filters, kernel, stride) for filters, kernel, stride in convolutions(shape)]
        self.collapse = layers.Dense(shape.map_width, use_bias=False)
        self.collapse_normalization = layers.BatchNormalization(momentum=0.98, epsilon=1e-3)
        self.dropout = layers.Dropout(0.1)
        self.to_embedding = layers.Dense(shape.embedding_size)
        self.hidden = layers.Dense(128, activation="relu")
        self.category = layers.Dense(len(CATEGORIES))
        self.functional_type = layers.Dense(len(FUNCTIONAL_TYPES))
        self.presence = layers.Dense(len(CATEGORIES))
        self.segment_embedding = layers.Dense(TEACHER_EMBEDDING)
        self.segment_scores = layers.Dense(TEACHER_SCORES)
        self.mean_embedding = layers.Dense(TEACHER_EMBEDDING)

    def build(self, input_shape: Any) -> None:
        """Nothing to do: the parts build themselves at the first call."""
        self.built = True

    def call(
        self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False, distil: bool = False
    ) -> dict[str, tf.Tensor]:
        """Map (log_mel (n, frames, mel_bands), valid_frames (n,)) to the outputs named above."""
        picture, valid_steps = inputs
        features = picture[..., tf.newaxis]
        for stage in self.stages:
            before = features
            features, valid_steps = stage((features, valid_steps), training=training)
            if before.shape[1:] == features.shape[1:]:
                features = features + before
        steps = features.shape[1]
        flat = tf.reshape(features, (-1, steps, features.shape[2] * features.shape[3]))
        flat = tf.nn.relu(self.collapse_normalization(self.collapse(flat), training=training))
        sequence = flat * tf.sequence_mask(valid_steps, steps, flat.dtype)[:, :, tf.newaxis]
        pooled = self.dropout(masked_pool(sequence, valid_steps), training=training)
        latent = self.to_embedding(pooled)
        embedding = tf.math.l2_normalize(latent, axis=1, epsilon=1e-12)
        # Labels are few and come from few packages, the teacher's outputs are many: the labels steer the body gently.
        shared = tf.concat([pooled, latent], axis=1)
        shared = self.label_gradient * shared + tf.stop_gradient((1.0 - self.label_gradient) * shared)
        hidden = self.hidden(shared)
        hidden = self.dropout(hidden, training=training)
        outputs = {
            "category": self.category(hidden),
            "functional_type": self.functional_type(hidden),
            "presence": self.presence(hidden),
            "embedding": embedding,
        }
        if distil:
            segments = tf.reshape(
                sequence[:, : SEGMENTS * STEPS_PER_SEGMENT], (-1, SEGMENTS, STEPS_PER_SEGMENT, sequence.shape[2])
            )
            segments = tf.reduce_mean(segments, axis=2)
            outputs["segment_embedding"] = self.segment_embedding(segments)
            outputs["segment_scores"] = self.segment_scores(segments)
            outputs["mean_embedding"] = self.mean_embedding(embedding)
        return outputs


def convolutions(shape: NetworkShape) -> list[tuple[int, tuple[int, int], tuple[int, int]]]:
    """Filters, kernel and stride of every convolution, in order."""
    listed: list[tuple[int, tuple[int, int], tuple[int, int]]] = []
    for filters, blocks in zip(shape.widths, shape.blocks, strict=True):
        for block in range(blocks):
            listed.append((filters, (3, 3) if listed else (5, 5), (1, 1) if block else (2, 2)))
    return listed


def multiply_adds(shape: NetworkShape) -> int:
    """Multiply-adds of one window through the convolutions and the collapse, without the heads."""
    time, band = shape.frames, shape.mel_bands
    total, channels = 0, 1
    for filters, kernel, stride in convolutions(shape):
        time, band = -(-time // stride[0]), -(-band // stride[1])
        total += time * band * kernel[0] * kernel[1] * channels * filters
        channels = filters
    return total + time * band * channels * shape.map_width
