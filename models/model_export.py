"""From a trained network to a model folder: the serving graph, its version and its metadata."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import tensorflow as tf

from models.calibration import Calibration
from models.folded_network import fold_network
from models.front_end import WINDOW_SAMPLES, FrontEnd, log_mel
from models.litert_export import add_litert_form, convolve
from models.network import EarmarkNetwork, masked_pool
from models.saved_model import METADATA_FILE, SAMPLE_RATE_HZ, SIGNATURE, WINDOW_S, ModelMetadata
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES, TAXONOMY_VERSION


class ServingModule(tf.Module):
    """Front end and network as one graph of constants, without the training heads.

    Batch normalisation is folded into the convolution before it: the same numbers to rounding, in fewer operations.
    """

    def __init__(self, network: EarmarkNetwork, front_end: FrontEnd) -> None:
        super().__init__()
        self._front_end = front_end
        self.folded = fold_network(network)

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
        for stage in self.folded.stages:
            before = features
            features = convolve(features, stage)
            for convolution in stage:
                valid_steps = -(-valid_steps // convolution.stride[0])
            features *= tf.sequence_mask(valid_steps, features.shape[1], tf.float32)[:, :, tf.newaxis, tf.newaxis]
            if before.shape[1:] == features.shape[1:]:
                features = features + before
        steps = features.shape[1]
        kernel, bias = self.folded.collapse
        flat = tf.reshape(features, (-1, features.shape[2] * features.shape[3]))
        flat = tf.nn.relu(tf.nn.bias_add(tf.matmul(flat, kernel), bias))
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
        kernel, bias = self.folded.heads[name]
        return tf.nn.bias_add(tf.matmul(inputs, kernel), bias)


def export_model(
    network: EarmarkNetwork,
    front_end: FrontEnd,
    folder: pathlib.Path,
    model_name: str,
    config_sha256: str,
    data_sha256: str,
) -> ModelMetadata:
    """Write a model folder with both forms of the model, not calibrated yet; return its metadata.

    The version is ``<model_name>+<first 8 hex digits of the weights' sha256>``.
    """
    module = ServingModule(network, front_end)
    metadata = save_module(
        module,
        folder,
        f"{model_name}+{module.folded.sha256()[:8]}",
        network.network_shape.embedding_size,
        config_sha256,
        data_sha256,
    )
    metadata = add_litert_form(folder, metadata, module.folded, front_end)
    write_metadata(folder, metadata)
    return metadata


def save_module(
    module: Any, folder: pathlib.Path, model_version: str, embedding_size: int, config_sha256: str, data_sha256: str
) -> ModelMetadata:
    """Write a module with a ``serve`` function as a SavedModel; return the metadata of a model not calibrated yet."""
    folder.mkdir(parents=True, exist_ok=True)
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.serve.get_concrete_function()})
    return ModelMetadata(
        model_version=model_version,
        taxonomy_version=TAXONOMY_VERSION,
        categories=CATEGORIES,
        functional_types=FUNCTIONAL_TYPES,
        sample_rate_hz=SAMPLE_RATE_HZ,
        window_s=WINDOW_S,
        embedding_size=embedding_size,
        calibration=Calibration(),
        config_sha256=config_sha256,
        data_sha256=data_sha256,
    )


def write_metadata(folder: pathlib.Path, metadata: ModelMetadata) -> None:
    """Write ``earmark_model.json``."""
    (folder / METADATA_FILE).write_text(json.dumps(metadata.record(), indent=2) + "\n", encoding="utf-8")
