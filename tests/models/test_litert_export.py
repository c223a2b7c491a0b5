from __future__ import annotations

import hashlib

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from models.errors import UserError
from models.folded_network import fold_network
from models.front_end import FrontEnd
from models.litert_export import classify_picture, convert, network_of_weights
from models.litert_form import LITERT_FILE
from models.litert_model import load_litert_model
from models.model_export import export_model
from models.network import EarmarkNetwork, NetworkShape
from models.saved_model import check_model_folder, load_model

SHAPE = NetworkShape(widths=(8, 8, 16, 16), map_width=24, embedding_size=16)


@pytest.fixture(scope="module")
def network():
    """A network whose batch normalisation has seen something, so that folding it matters."""
    tf.keras.utils.set_random_seed(5)
    built = EarmarkNetwork(SHAPE)
    rng = np.random.default_rng(5)
    for _ in range(8):
        built((tf.constant(rng.normal(0.2, 0.9, (4, 250, 64)), tf.float32), tf.fill((4,), 250)), training=True)
    return built


def picture(frames, seed=0):
    return np.random.default_rng(seed).normal(0.2, 0.9, (1, frames, 64)).astype(np.float32)


def wanted_of(network, cut):
    padded = np.zeros((1, 250, 64), np.float32)
    padded[:, : cut.shape[1]] = cut
    outputs = network((tf.constant(padded), tf.constant([cut.shape[1]])))
    logits = {name: outputs[name] for name in ("category", "functional_type", "presence")}
    return {
        "category": tf.nn.softmax(logits["category"]).numpy(),
        "functional_type": tf.nn.softmax(logits["functional_type"]).numpy(),
        "presence": tf.sigmoid(logits["presence"]).numpy(),
        "embedding": outputs["embedding"].numpy(),
    }


@pytest.mark.parametrize("frames", [1, 2, 7, 31, 124, 249, 250])
def test_a_shorter_picture_is_a_masked_one(network, frames):
    cut = picture(frames)
    found = classify_picture(fold_network(network), tf.constant(cut[..., np.newaxis]))
    for name, value in wanted_of(network, cut).items():
        np.testing.assert_allclose(found[name].numpy(), value, atol=2e-5, err_msg=name)


def run(content, cut):
    interpreter = Interpreter(model_content=content, num_threads=1)
    return interpreter.get_signature_runner()(picture=cut[..., np.newaxis])


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("int8_weights", 0.03)])
def test_converted_networks_agree_at_every_length(network, precision, tolerance):
    content = convert(fold_network(network), precision)
    for frames in (3, 100, 250):
        found = run(content, picture(frames))
        for name, value in wanted_of(network, picture(frames)).items():
            np.testing.assert_allclose(found[name], value, atol=tolerance, err_msg=name)


def test_scales_from_pictures_are_possible_too(network):
    pictures = np.concatenate([picture(250, seed) for seed in range(8)])
    found = run(convert(fold_network(network), "int8", pictures), picture(250))
    assert np.sum(found["embedding"] * wanted_of(network, picture(250))["embedding"]) > 0.9
    with pytest.raises(ValueError, match="representative pictures"):
        convert(fold_network(network), "int8")


class Separable(tf.keras.layers.Layer):
    """A stage of a depth-wise and a plain convolution, with the attributes that folding looks for."""

    def __init__(self, filters, stride):
        super().__init__()
        self.stride = stride
        self.depthwise = tf.keras.layers.DepthwiseConv2D(3, strides=stride, use_bias=False)
        self.depthwise_normalization = tf.keras.layers.BatchNormalization(momentum=0.5)
        self.convolution = tf.keras.layers.Conv2D(filters, 1, use_bias=False)
        self.normalization = tf.keras.layers.BatchNormalization(momentum=0.5)

    def call(self, inputs, training=False):
        features, steps = inputs
        features = self.depthwise(tf.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]]))
        features = tf.nn.relu(self.depthwise_normalization(features, training=training))
        features = tf.nn.relu(self.normalization(self.convolution(features), training=training))
        return features, -(-steps // self.stride[0])


def test_depthwise_stages_are_folded():
    tf.keras.utils.set_random_seed(6)
    network = EarmarkNetwork(SHAPE)
    network.stages = [network.stages[0], *(Separable(f, (2, 2)) for f in (8, 12, 16))]
    for seed in range(4):
        network((tf.constant(picture(250, seed)), tf.constant([250])), training=True)
    found = classify_picture(fold_network(network), tf.constant(picture(250)[..., np.newaxis]))
    np.testing.assert_allclose(found["embedding"].numpy(), wanted_of(network, picture(250))["embedding"], atol=2e-5)


def test_an_exported_folder_holds_both_forms_of_one_network(network, tmp_path):
    metadata = export_model(network, FrontEnd(), tmp_path / "model", "tiny", "0" * 64, "1" * 64)
    assert check_model_folder(tmp_path / "model") == metadata
    content = (tmp_path / "model" / LITERT_FILE).read_bytes()
    assert metadata.litert is not None
    assert hashlib.sha256(content).hexdigest() == metadata.litert.sha256
    waveform = np.random.default_rng(1).standard_normal((3, 80_000)).astype(np.float32) * 0.1
    valid_samples = np.array([80_000, 30_000, 500], np.int32)
    outputs = load_litert_model(tmp_path / "model").predict(waveform, valid_samples)
    for name, value in load_model(tmp_path / "model").predict(waveform, valid_samples).items():
        np.testing.assert_allclose(outputs[name], value, atol=0.03, err_msg=name)


def test_the_same_network_gives_the_same_file(network):
    assert convert(fold_network(network)) == convert(fold_network(network))


@pytest.mark.parametrize("distil", [True, False])
def test_the_weights_that_a_training_keeps_make_the_same_network(tmp_path, distil):
    trained = EarmarkNetwork(SHAPE)
    trained((tf.constant(picture(250)), tf.constant([250])), distil=distil)
    np.savez(tmp_path / "network_weights.npz", *trained.get_weights())
    again = network_of_weights(tmp_path / "network_weights.npz", FrontEnd(), SHAPE)
    assert fold_network(again).sha256() == fold_network(trained).sha256()


def test_weights_of_other_sizes_are_refused(tmp_path):
    path = tmp_path / "network_weights.npz"
    with pytest.raises(UserError, match="cannot be read"):
        network_of_weights(path, FrontEnd(), SHAPE)
    np.savez(path, np.zeros(3))
    with pytest.raises(UserError, match="other sizes"):
        network_of_weights(path, FrontEnd(), SHAPE)
