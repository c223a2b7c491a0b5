"""The baseline of every comparison: the teacher's embedding with linear heads, in a model folder like any other.

It learns from the same pool of windows as the network, so that a difference between the two is one of the networks and
not of the data.
"""

from __future__ import annotations

import hashlib
import logging
import pathlib
from typing import Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.front_end import WINDOW_SAMPLES
from models.model_export import save_module, write_metadata
from models.network import SEGMENTS, TEACHER_EMBEDDING
from models.saved_model import ModelMetadata
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from models.teacher_network import OVERHANG, PATCH_SAMPLES, Teacher
from models.training_pool import TEACHER_RMS, Arrays

_LOG = logging.getLogger(__name__)
_HEADS: Final = {"category": len(CATEGORIES), "functional_type": len(FUNCTIONAL_TYPES), "presence": len(CATEGORIES)}
_EPOCHS: Final = 12
_BATCH: Final = 256
#: Weight decay of the heads: 3,072 features from a few hundred recordings would otherwise be learnt by heart.
_WEIGHT_DECAY: Final = 0.03


def pooled_features(embedding: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Mean, standard deviation and maximum over the valid patches: (n, 5, 1024) and (n, 5) -> (n, 3072)."""
    weights = tf.cast(valid, tf.float32)[:, :, tf.newaxis]
    count = tf.reduce_sum(weights, axis=1)
    mean = tf.reduce_sum(embedding * weights, axis=1) / count
    variance = tf.reduce_sum(tf.square(embedding - mean[:, tf.newaxis]) * weights, axis=1) / count
    # YAMNet's embedding is behind a ReLU: zeros never win.
    return tf.concat([mean, tf.sqrt(variance + 1e-6), tf.reduce_max(embedding * weights, axis=1)], axis=1)


def fit_heads(pool: Arrays, seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """Fit the linear heads on the pool's teacher embeddings.

    Returns
    -------
    dict
        ``centre`` and ``spread`` (3072,) of the features, and for each head ``<name>/kernel`` and ``<name>/bias``.
    """
    count = len(pool["category"])
    features = np.empty((count, 3 * TEACHER_EMBEDDING), np.float16)
    for start in range(0, count, 1000):
        part = slice(start, start + 1000)
        embedding = tf.constant(pool["embedding"][part].astype(np.float32))
        features[part] = pooled_features(embedding, tf.constant(pool["segment_valid"][part])).numpy()
    sample = features[:: max(1, count // 10_000)].astype(np.float32)
    centre, spread = sample.mean(axis=0), np.maximum(sample.std(axis=0), 0.02)
    tf.keras.utils.set_random_seed(seed % 2**32)
    layers = {name: tf.keras.layers.Dense(size) for name, size in _HEADS.items()}
    for layer in layers.values():
        layer.build((None, 3 * TEACHER_EMBEDDING))
    variables = [v for layer in layers.values() for v in layer.trainable_variables]
    steps = _EPOCHS * -(-count // _BATCH)
    rate = tf.keras.optimizers.schedules.CosineDecay(1e-3, steps)
    optimizer = tf.keras.optimizers.AdamW(rate, weight_decay=_WEIGHT_DECAY)
    optimizer.build(variables)

    @tf.function
    def step(inputs: tf.Tensor, category: tf.Tensor, functional_type: tf.Tensor, presence: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            total = tf.reduce_mean(
                tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(presence, tf.float32), layers["presence"](inputs))
            )
            for name, label in (("category", category), ("functional_type", functional_type)):
                known = tf.cast(label >= 0, tf.float32)
                wanted = tf.maximum(tf.cast(label, tf.int32), 0)
                entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, layers[name](inputs))
                total += tf.reduce_sum(entropy * known) / tf.maximum(tf.reduce_sum(known), 1.0)
        optimizer.apply_gradients(zip(tape.gradient(total, variables), variables, strict=True))
        return total

    rng = np.random.default_rng(seed + 2)
    for epoch in range(_EPOCHS):
        order = rng.permutation(count)
        losses = []
        for start in range(0, count, _BATCH):
            index = np.sort(order[start : start + _BATCH])
            inputs = (features[index].astype(np.float32) - centre) / spread
            labels = (pool[name][index] for name in ("category", "functional_type", "presence"))
            losses.append(float(step(tf.constant(inputs), *map(tf.constant, labels))))
        _LOG.info("heads: epoch %d of %d, loss %.3f", epoch + 1, _EPOCHS, np.mean(losses))
    fitted = {"centre": centre.astype(np.float32), "spread": spread.astype(np.float32)}
    for name, layer in layers.items():
        fitted[f"{name}/kernel"], fitted[f"{name}/bias"] = (
            np.asarray(v, np.float32) for v in (layer.kernel, layer.bias)
        )
    return fitted


class BaselineModule(tf.Module):
    """Teacher and heads as one graph with the signature of every Earmark model."""

    def __init__(self, teacher: Teacher, heads: dict[str, npt.NDArray[np.float32]]) -> None:
        super().__init__()
        self._teacher = teacher
        self._heads = heads

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, WINDOW_SAMPLES), tf.float32, name="waveform"),
            tf.TensorSpec((None,), tf.int32, name="valid_samples"),
        ]
    )
    def serve(self, waveform: tf.Tensor, valid_samples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Windows in; probabilities and embedding out."""
        heard = tf.maximum(valid_samples, 1)
        waveform = waveform * tf.sequence_mask(heard, WINDOW_SAMPLES, tf.float32)
        # The level at which the teacher heard the pool.
        rms = tf.sqrt(tf.reduce_sum(tf.square(waveform), axis=1) / tf.cast(heard, tf.float32))
        levelled = tf.clip_by_value(waveform * (TEACHER_RMS / tf.maximum(rms, 1e-5))[:, tf.newaxis], -1.0, 1.0)
        embedding, _ = self._teacher.forward(levelled, SEGMENTS)
        # A window without a whole patch still counts with its first one; see ``teacher_segments``.
        ends = (np.arange(SEGMENTS) + 1) * PATCH_SAMPLES + OVERHANG
        valid = tf.logical_or(heard[:, tf.newaxis] >= ends, np.arange(SEGMENTS) == 0)
        features = (pooled_features(embedding, valid) - self._heads["centre"]) / self._heads["spread"]
        scores = {name: features @ self._heads[f"{name}/kernel"] + self._heads[f"{name}/bias"] for name in _HEADS}
        weights = tf.cast(valid, tf.float32)[:, :, tf.newaxis]
        return {
            "category": tf.nn.softmax(scores["category"]),
            "functional_type": tf.nn.softmax(scores["functional_type"]),
            "presence": tf.sigmoid(scores["presence"]),
            "embedding": tf.math.l2_normalize(tf.reduce_sum(embedding * weights, axis=1), axis=1, epsilon=1e-12),
        }


def export_baseline(
    teacher: Teacher,
    heads: dict[str, npt.NDArray[np.float32]],
    folder: pathlib.Path,
    config_sha256: str,
    data_sha256: str,
) -> ModelMetadata:
    """Write the baseline's model folder, not calibrated yet; return its metadata."""
    digest = hashlib.sha256(teacher.sha256.encode())
    for name in sorted(heads):
        digest.update(heads[name].tobytes())
    metadata = save_module(
        BaselineModule(teacher, heads),
        folder,
        f"baseline-yamnet+{digest.hexdigest()[:8]}",
        TEACHER_EMBEDDING,
        config_sha256,
        data_sha256,
    )
    write_metadata(folder, metadata)
    return metadata
