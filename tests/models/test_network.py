from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from models.network import EarmarkNetwork, NetworkShape, masked_pool, multiply_adds

SHAPE = NetworkShape(widths=(4, 6, 8, 10), map_width=12, embedding_size=16)


@pytest.fixture(scope="module")
def network():
    tf.keras.utils.set_random_seed(1)
    built = EarmarkNetwork(SHAPE)
    built(pictures(1), training=True, distil=True)
    return built


def pictures(count, valid=250, seed=0):
    rng = np.random.default_rng(seed)
    picture = rng.standard_normal((count, 250, 64)).astype(np.float32)
    picture[:, valid:] = 0
    return tf.constant(picture), tf.fill((count,), valid)


def test_shapes_and_unit_embedding(network):
    outputs = network(pictures(3), distil=True)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "category": (3, 3), "functional_type": (3, 8), "presence": (3, 3), "embedding": (3, 16),
        "segment_embedding": (3, 5, 1024), "segment_scores": (3, 5, 521), "mean_embedding": (3, 1024),
    }  # fmt: skip
    np.testing.assert_allclose(np.linalg.norm(outputs["embedding"], axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("valid", [1, 5, 30, 31, 249])
def test_padding_is_as_the_end_of_the_file(valid):
    """A network built for just that many frames gives the same as one that is told where the audio ends."""
    tf.keras.utils.set_random_seed(2)
    whole = EarmarkNetwork(SHAPE)
    picture, frames = pictures(2, valid)
    padded = whole((picture, frames))
    cut = EarmarkNetwork(NetworkShape(valid, widths=SHAPE.widths, map_width=12, embedding_size=16))
    cut((picture[:, :valid], frames))
    cut.set_weights(whole.get_weights())
    for name, value in cut((picture[:, :valid], frames)).items():
        np.testing.assert_allclose(value, padded[name], atol=1e-5, err_msg=name)


def test_a_window_does_not_depend_on_its_batch(network):
    picture, frames = pictures(4)
    together = network((picture, frames))
    alone = network((picture[2:3], frames[2:3]))
    for name, value in alone.items():
        np.testing.assert_allclose(value[0], together[name][2], atol=1e-5, err_msg=name)


def test_pooling_knows_only_valid_steps():
    sequence = np.zeros((1, 4, 1), np.float32)
    sequence[0, :, 0] = [1, 3, 100, 100]
    pooled = masked_pool(tf.constant(sequence), tf.constant([2])).numpy()[0]
    np.testing.assert_allclose(pooled, [2, 1, 3], atol=1e-3)


def test_labels_reach_the_body_as_told():
    tf.keras.utils.set_random_seed(3)
    gradients = []
    for share in (1.0, 0.25):
        tf.keras.utils.set_random_seed(3)
        network = EarmarkNetwork(SHAPE, label_gradient=share)
        network(pictures(2))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(pictures(2))["category"][:, 0])
        gradients.append(tape.gradient(loss, network.to_embedding.kernel).numpy())
    np.testing.assert_allclose(gradients[1], gradients[0] * 0.25, rtol=1e-3, atol=1e-6)


def test_shipped_size():
    assert 14e6 < multiply_adds(NetworkShape()) / 5 < 18e6
