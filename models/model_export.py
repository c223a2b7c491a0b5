"""From a trained network to a model folder: the serving graph, its version and its metadata."""

from __future__ import annotations

import hashlib
import json
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.calibration import Calibration
from models.front_end import WINDOW_SAMPLES, FrontEnd, log_mel
from models.network import EarmarkNetwork, masked_pool
from models.saved_model import METADATA_FILE, SAMPLE_RATE_HZ, SIGNATURE, WINDOW_S, ModelMetadata
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES, TAXONOMY_VERSION

Array = npt.NDArray[np.float32]


class ServingModule(tf.Module):
    """Front end and network as one graph of constants, without the training heads.

    Batch normalisation is folded into the convolution before it: the same numbers to rounding, in fewer operations.
    """

    def __init__(self, network: EarmarkNetwork, front_end: FrontEnd) -> None:
        super().__init__()
        self._front_end = front_end
        self._stages = [
            (*_folded(stage.convolution.kernel, stage.normalization), stage.stride[0], stage.pad)
            for stage in network.stages
        ]
        self._collapse = _folded(network.collapse.kernel, network.collapse_normalization)
        self._heads = {
            name: tuple(weight.numpy() for weight in getattr(network, name).weights)
            for name in ("to_embedding", "hidden", "category", "functional_type", "presence")
        }

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, WINDOW_SAMPLES), tf.float32, name="waveform"),
            tf.TensorSpec((None,), tf.int32, name="valid_samples"),
        ]
    )
    def serve(self, waveform: tf.Tensor, valid_samples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Windows in; probabilities and embedding out."""
        picture, valid_steps = log_mel(self._front_end, waveform, valid_samples)
        return self.classify(picture, valid_steps)

    def classify(self, picture: tf.Tensor, valid_steps: tf.Tensor) -> dict[str, tf.Tensor]:
        """Pictures (n, frames, mel_bands) and their valid frames in; probabilities and embedding out."""
        features = picture[..., tf.newaxis]
        for kernel, bias, stride, pad in self._stages:
            before = features
            features = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(tf.pad(features, pad), kernel, stride, "VALID"), bias))
            valid_steps = -(-valid_steps // stride)
            features *= tf.sequence_mask(valid_steps, features.shape[1], tf.float32)[:, :, tf.newaxis, tf.newaxis]
            if before.shape[1:] == features.shape[1:]:
                features = features + before
        steps = features.shape[1]
        flat = tf.reshape(features, (-1, features.shape[2] * features.shape[3]))
        flat = tf.nn.relu(tf.nn.bias_add(tf.matmul(flat, self._collapse[0]), self._collapse[1]))
        sequence = tf.reshape(flat, (-1, steps, flat.shape[1]))
        sequence *= tf.sequence_mask(valid_steps, steps, tf.float32)[:, :, tf.newaxis]
        pooled = masked_pool(sequence, valid_steps)
        latent = self._dense("to_embedding", pooled)
        hidden = tf.nn.relu(self._dense("hidden", tf.concat([pooled, latent], axis=1)))
        return {
            "category": tf.nn.softmax(self._dense("category", hidden)),
            "functional_type": tf.nn.softmax(self._dense("functional_type", hidden)),
            "presence": tf.sigmoid(self._dense("presence", hidden)),
            "embedding": tf.math.l2_normalize(latent, axis=1, epsilon=1e-12),
        }

    def _dense(self, name: str, inputs: tf.Tensor) -> tf.Tensor:
        kernel, bias = self._heads[name]
        return tf.nn.bias_add(tf.matmul(inputs, kernel), bias)

    def weights_sha256(self) -> str:
        """Hash of all weights that are served, whatever the file format."""
        digest = hashlib.sha256()
        arrays = [array for stage in self._stages for array in stage[:2]] + [*self._collapse]
        for array in [*arrays, *(weight for head in self._heads.values() for weight in head)]:
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array, np.float32).tobytes())
        return digest.hexdigest()


def _folded(kernel: Any, normalization: Any) -> tuple[Array, Array]:
    """Kernel and bias that do the work of a kernel followed by batch normalisation."""
    gamma, beta, mean, variance = (
        np.asarray(getattr(normalization, name), np.float64)
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + normalization.epsilon)
    return (np.asarray(kernel, np.float64) * scale).astype(np.float32), (beta - mean * scale).astype(np.float32)


def export_model(
    network: EarmarkNetwork,
    front_end: FrontEnd,
    folder: pathlib.Path,
    model_name: str,
    config_sha256: str,
    data_sha256: str,
) -> ModelMetadata:
    """Write a model folder, not calibrated yet; return its metadata.

    The version is ``<model_name>+<first 8 hex digits of the weights' sha256>``.
    """
    module = ServingModule(network, front_end)
    folder.mkdir(parents=True, exist_ok=True)
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.serve.get_concrete_function()})
    metadata = ModelMetadata(
        model_version=f"{model_name}+{module.weights_sha256()[:8]}",
        taxonomy_version=TAXONOMY_VERSION,
        categories=CATEGORIES,
        functional_types=FUNCTIONAL_TYPES,
        sample_rate_hz=SAMPLE_RATE_HZ,
        window_s=WINDOW_S,
        embedding_size=network.network_shape.embedding_size,
        calibration=Calibration(),
        config_sha256=config_sha256,
        data_sha256=data_sha256,
    )
    write_metadata(folder, metadata)
    return metadata


def write_metadata(folder: pathlib.Path, metadata: ModelMetadata) -> None:
    """Write ``earmark_model.json``."""
    (folder / METADATA_FILE).write_text(json.dumps(metadata.record(), indent=2) + "\n", encoding="utf-8")
