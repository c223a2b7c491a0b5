"""The LiteRT form of a network: its body as an int8 graph of fixed shape."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.folded_network import FoldedNetwork

Precision = Literal["float32", "int8", "int8_weights"]


def body(network: FoldedNetwork, picture: tf.Tensor) -> tf.Tensor:
    """Pictures (n, frames, mel_bands), all of it audio, to the last map (n, steps, map width)."""
    features = picture[..., tf.newaxis]
    for stage in network.stages:
        before = features
        for convolution in stage:
            pad = [[0, 0], *([size // 2] * 2 for size in convolution.kernel.shape[:2]), [0, 0]]
            features = tf.pad(features, pad) if convolution.kernel.shape[:2] != (1, 1) else features
            if convolution.depthwise:
                features = tf.nn.depthwise_conv2d(
                    features, convolution.kernel, [1, *convolution.stride, 1], "VALID"
                )
            else:
                features = tf.nn.conv2d(features, convolution.kernel, convolution.stride, "VALID")
            features = tf.nn.relu(tf.nn.bias_add(features, convolution.bias))
        if before.shape[1:] == features.shape[1:]:
            features = features + before
    # As a convolution over all bands that are left, so that the number of steps is nowhere written into the graph.
    kernel, bias = network.collapse
    features = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(features, kernel[np.newaxis], 1, "VALID"), bias))
    return features[:, :, 0]


def convert_body(
    network: FoldedNetwork, precision: Precision, pictures: npt.NDArray[np.float32], batch: int = 1
) -> bytes:
    """Convert the body to a LiteRT file for ``batch`` whole windows at a time.

    Parameters
    ----------
    precision
        ``int8``: weights and activations, with scales measured on ``pictures``; ``int8_weights``: activations are
        scaled as they come.
    pictures
        Representative pictures of whole windows, shape (n, frames, mel_bands).
    """
    shape = (batch, network.frames, network.mel_bands)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="picture")])
    def serve(picture: tf.Tensor) -> tf.Tensor:
        return body(network, picture)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], tf.Module())
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: (
            [pictures[start : start + batch]] for start in range(0, len(pictures) - batch + 1, batch)
        )
    return bytes(converter.convert())
