"""The LiteRT form of a network: pictures of any length in, probabilities and embedding out, in one small file."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.errors import UserError
from models.folded_network import Convolution, FoldedNetwork
from models.front_end import FrontEnd
from models.litert_form import LITERT_FILE, LitertForm
from models.network import EarmarkNetwork, NetworkShape
from models.saved_model import ModelMetadata

#: ``float32``; ``int8_weights``: int8 weights per channel, activations scaled as they come; ``int8``: activations by
#: scales that were measured on representative pictures.
Precision = Literal["float32", "int8_weights", "int8"]


def convolve(features: tf.Tensor, stage: Sequence[Convolution]) -> tf.Tensor:
    """Run the convolutions of one stage, each with even padding, bias and ReLU."""
    for convolution in stage:
        height, width = convolution.kernel.shape[:2]
        if height > 1 or width > 1:
            features = tf.pad(features, [[0, 0], [height // 2] * 2, [width // 2] * 2, [0, 0]])
        if convolution.depthwise:
            features = tf.nn.depthwise_conv2d(features, convolution.kernel, [1, *convolution.stride, 1], "VALID")
        else:
            features = tf.nn.conv2d(features, convolution.kernel, convolution.stride, "VALID")
        features = tf.nn.relu(tf.nn.bias_add(features, convolution.bias))
    return features


def classify_picture(network: FoldedNetwork, picture: tf.Tensor) -> dict[str, tf.Tensor]:
    """One picture (1, frames, mel_bands, 1) in; probabilities and embedding out.

    All frames are audio: a window that is cut short is a shorter picture, for the network pads an end with zeros, which
    is what its masks leave behind the audio. So no mask is needed, and a short window costs less.
    """
    features = picture
    for stage in network.stages:
        before = features
        features = convolve(features, stage)
        # Strides go for both axes, and that of time may be unknown.
        if before.shape[2:] == features.shape[2:]:
            features = features + before
    kernel, bias = network.collapse
    kernel = kernel.reshape(1, features.shape[2], features.shape[3], bias.size)
    sequence = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(features, kernel, 1, "VALID"), bias))
    mean = tf.reduce_mean(sequence, (1, 2), keepdims=True)
    variance = tf.reduce_mean(tf.math.squared_difference(sequence, mean), (1, 2), keepdims=True)
    pooled = [mean, tf.sqrt(variance + 1e-6), tf.reduce_max(sequence, (1, 2), keepdims=True)]
    flat = tf.reshape(tf.concat(pooled, axis=3), (1, 3 * bias.size))

    def dense(name: str, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.bias_add(tf.matmul(inputs, network.heads[name][0]), network.heads[name][1])

    latent = dense("to_embedding", flat)
    hidden = tf.nn.relu(dense("hidden", tf.concat([flat, latent], axis=1)))
    return {
        "category": tf.nn.softmax(dense("category", hidden)),
        "functional_type": tf.nn.softmax(dense("functional_type", hidden)),
        "presence": tf.sigmoid(dense("presence", hidden)),
        "embedding": tf.math.l2_normalize(latent, axis=1, epsilon=1e-12),
    }


def convert(
    network: FoldedNetwork,
    precision: Precision = "int8_weights",
    pictures: npt.NDArray[np.float32] | None = None,
) -> bytes:
    """Convert a network to a LiteRT file that takes one picture at a time, of any number of frames.

    Parameters
    ----------
    precision
        Of weights and activations.
    pictures
        Representative pictures of whole windows, shape (n, frames, mel_bands); for ``int8`` alone.
    """
    module = tf.Module()
    module.serve = tf.function(
        lambda picture: classify_picture(network, picture),
        input_signature=[tf.TensorSpec((1, None, network.mel_bands, 1), tf.float32, name="picture")],
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.serve.get_concrete_function()], module)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "int8":
        if pictures is None:
            raise ValueError("int8 activations need representative pictures")
        converter.representative_dataset = lambda: ([picture[np.newaxis, ..., np.newaxis]] for picture in pictures)
    return bytes(converter.convert())


def add_litert_form(
    folder: pathlib.Path, metadata: ModelMetadata, network: FoldedNetwork, front_end: FrontEnd
) -> ModelMetadata:
    """Write the LiteRT file into a model folder; return the metadata that name it, for ``write_metadata``."""
    content = convert(network)
    path = folder / LITERT_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    form = LitertForm(LITERT_FILE, hashlib.sha256(content).hexdigest(), front_end)
    return dataclasses.replace(metadata, litert=form)


def network_of_weights(path: pathlib.Path, front_end: FrontEnd, shape: NetworkShape | None = None) -> EarmarkNetwork:
    """The trained network whose weights a training left in ``network_weights.npz``.

    Parameters
    ----------
    path
        Holds ``network.get_weights()`` in order, with the heads for the teacher or without.
    shape
        Sizes of that network; the usual ones by default.

    Raises
    ------
    UserError
        When the file cannot be read or its arrays do not fit the network.
    """
    try:
        with np.load(path) as archive:
            weights = [archive[name] for name in archive.files]
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); give the network_weights.npz of a training.") from error
    shape = shape or NetworkShape(frames=front_end.frames, mel_bands=front_end.mel_bands)
    example = tf.zeros((1, front_end.frames, front_end.mel_bands)), tf.fill((1,), front_end.frames)
    for distil in (True, False):
        network = EarmarkNetwork(shape)
        network(example, distil=distil)
        if [array.shape for array in network.get_weights()] == [array.shape for array in weights]:
            network.set_weights(weights)
            return network
    raise UserError(f"{path}: holds the weights of a network of other sizes; give those of this version's training.")
