from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from models.front_end import FrontEnd
from models.training import label_losses, learning_rate, spec_masks, teacher_losses, train, weights_in_doubt
from models.training_checkpoint import TrainingCheckpoint
from models.training_config import LossWeights, PolishConfig, PoolConfig, TrainingConfig, read_training_config

REPOSITORY_CONFIG = "configs/training.yaml"


def test_config_file_holds_the_defaults():
    assert read_training_config(REPOSITORY_CONFIG) == TrainingConfig()


def test_hash_is_of_the_settings():
    assert TrainingConfig().sha256() == TrainingConfig().sha256()
    assert TrainingConfig().sha256() != TrainingConfig(seed=1).sha256()


def test_learning_rate_rises_and_falls_to_zero():
    config = TrainingConfig(steps=100, warmup_steps=10, learning_rate=0.01, polish=PolishConfig(steps=0))
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.001)
    assert max(rates) == pytest.approx(0.01)
    assert rates[100] == pytest.approx(0, abs=1e-9)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_the_second_course_warms_up_anew_and_leans():
    polish = PolishConfig(steps=50, learning_rate=0.001, music_in_doubt=0.6, speech_in_doubt=0.5)
    config = TrainingConfig(steps=100, warmup_steps=10, learning_rate=0.01, polish=polish)
    assert learning_rate(config, 99) < 1e-5
    rates = [learning_rate(config, step) for step in range(100, 150)]
    assert rates[0] == pytest.approx(0.0001)
    assert max(rates) == pytest.approx(0.001)
    assert rates[-1] < 1e-5
    np.testing.assert_array_equal(weights_in_doubt(config, 99), [1, 1, 1])
    np.testing.assert_allclose(weights_in_doubt(config, 100), [1.5, 1, 1])


def test_doubt_leans_as_far_as_it_is_told():
    argued = batch(category=tf.constant([-1, -1, -1], tf.int8), presence=tf.constant([[True, True, False]] * 3))
    leaning = tf.math.log(tf.constant([[0.6, 0.4, 1e-9]] * 3))
    lean = tf.constant([1.5, 1.0, 1.0])
    least = -(0.6 * math.log(0.6) + 0.4 * math.log(0.4))
    assert float(label_losses(logits(category=leaning), argued, 0.0, lean)["category"]) == pytest.approx(
        least, abs=1e-4
    )
    assert float(label_losses(logits(category=leaning), argued, 0.0)["category"]) > least + 0.01


def test_masks_zero_bands_and_frames_and_nothing_else():
    tf.keras.utils.set_random_seed(1)
    picture = tf.ones((20, 250, 64))
    masked = spec_masks(TrainingConfig(mask_bands=10, mask_frames=30))(picture).numpy()
    assert set(np.unique(masked)) == {0.0, 1.0}
    assert 0.7 < masked.mean() < 1
    for one in masked:
        assert (one.any(axis=0)).sum() >= 64 - 10
        assert (one.any(axis=1)).sum() >= 250 - 30


def batch(**changes):
    whole = {
        "category": tf.constant([0, 1, -1], tf.int8),
        "functional_type": tf.constant([-1, 3, -1], tf.int8),
        "presence": tf.constant([[True, False, False], [False, True, False], [True, True, False]]),
    }
    return whole | changes


def logits(**changes):
    return {"category": tf.zeros((3, 3)), "functional_type": tf.zeros((3, 8)), "presence": tf.zeros((3, 3))} | changes


def test_windows_that_one_may_argue_about_teach_doubt():
    heard = tf.constant([[True, True, False]] * 3)
    argued = batch(category=tf.constant([-1, -1, -1], tf.int8), presence=heard)
    even, sure = (tf.constant([row] * 3) for row in ([9.0, 9.0, -9.0], [18.0, 0.0, -9.0]))
    assert float(label_losses(logits(category=even), argued, 0.0)["category"]) == pytest.approx(math.log(2), abs=1e-3)
    assert float(label_losses(logits(category=sure), argued, 0.0)["category"]) > 5


def test_windows_without_a_label_do_not_count():
    plain = label_losses(logits(), batch(), 0.0)
    assert float(plain["category"]) == pytest.approx(math.log(3))
    assert float(plain["functional_type"]) == pytest.approx(math.log(8))
    wild = tf.constant([[0.0] * 3, [0.0] * 3, [90.0, -90.0, 5.0]])
    unheard = batch(presence=tf.constant([[True, False, False], [False, True, False], [False, False, False]]))
    assert float(label_losses(logits(category=wild), unheard, 0.0)["category"]) == pytest.approx(math.log(3))
    none = batch(functional_type=tf.constant([-1, -1, -1], tf.int8))
    assert float(label_losses(logits(), none, 0.0)["functional_type"]) == 0


def test_a_perfect_student_has_no_distance():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.05, 0.95, (2, 5, 521)).astype(np.float32)
    embedding = np.repeat(rng.standard_normal((2, 1, 1024)).astype(np.float32), 5, axis=1)
    valid = np.array([[True] * 5, [True] + [False] * 4])
    given = {"segment_valid": tf.constant(valid), "embedding": tf.constant(embedding), "scores": tf.constant(scores)}
    outputs = {
        "segment_embedding": tf.constant(np.where(valid[..., None], embedding, 9.0).astype(np.float32)),
        "segment_scores": tf.constant(
            np.where(valid[..., None], np.log(scores / (1 - scores)), 9.0).astype(np.float32)
        ),
        "mean_embedding": tf.constant(embedding[:, 0]),
    }
    for name, loss in teacher_losses(outputs, given).items():
        assert float(loss) == pytest.approx(0, abs=1e-3), name
    outputs["segment_embedding"] += 1.0
    assert float(teacher_losses(outputs, given)["segment_embedding"]) == pytest.approx(1, abs=1e-3)


def pool(count=24, distil=True):
    """Windows whose category shows in the picture: the lower, middle or upper bands are loud."""
    rng = np.random.default_rng(0)
    category = np.arange(count) % 3
    picture = rng.normal(0, 0.3, (count, 250, 64))
    for place, which in enumerate(category):
        picture[place, :, which * 21 : which * 21 + 21] += 2
    arrays = {
        "log_mel": picture.astype(np.float16),
        "valid_frames": np.full(count, 250, np.int32),
        "category": category.astype(np.int8),
        "functional_type": np.where(category == 1, 0, -1).astype(np.int8),
        "presence": np.eye(3, dtype=bool)[category],
    }
    if distil:
        arrays |= {
            "embedding": rng.random((count, 5, 1024)).astype(np.float16),
            "scores": rng.random((count, 5, 521)).astype(np.float16),
            "segment_valid": np.ones((count, 5), bool),
        }
    return arrays


def config(steps):
    return TrainingConfig(
        steps=steps,
        polish=PolishConfig(steps=0),
        batch=8,
        warmup_steps=2,
        learning_rate=1e-3,
        mask_bands=4,
        mask_frames=5,
        average_decay=0.5,
        bfloat16=False,
        label_gradient=1.0,
        losses=LossWeights(),
    )


def test_training_learns_what_shows():
    tf.keras.utils.set_random_seed(1)
    arrays = pool(distil=False)
    network, history = train(arrays, FrontEnd(), config(25))
    assert history[-1]["step"] == 25
    assert history[-1]["category"] < 0.7 * history[0]["category"]
    outputs = network((tf.constant(arrays["log_mel"], tf.float32), tf.constant(arrays["valid_frames"])))
    assert (outputs["category"].numpy().argmax(axis=1) == arrays["category"]).mean() > 0.9


def test_the_same_seed_gives_the_same_course():
    def course(seed: int) -> list[float]:
        tf.keras.utils.set_random_seed(seed)
        return [step["total"] for step in train(pool(count=8), FrontEnd(), config(2))[1]]

    # Sums over threads round differently, and nothing else does.
    assert course(1) == pytest.approx(course(1), rel=2e-3)


def test_a_training_that_was_cut_off_goes_on(tmp_path, monkeypatch):
    class CutOffError(Exception):
        pass

    def rate(settings, step):
        if step == 4:
            raise CutOffError
        return learning_rate(settings, step)

    checkpoint = TrainingCheckpoint(tmp_path / "work" / "checkpoint.npz")
    arrays = pool(distil=False)
    monkeypatch.setattr("models.training.STEPS_BETWEEN", 3)
    with monkeypatch.context() as patch, pytest.raises(CutOffError):
        patch.setattr("models.training.learning_rate", rate)
        train(arrays, FrontEnd(), config(6), checkpoint)
    began_at = []
    monkeypatch.setattr(
        "models.training.learning_rate", lambda s, step: began_at.append(step) or learning_rate(s, step)
    )
    network, history = train(arrays, FrontEnd(), config(6), checkpoint)
    assert began_at == [3, 4, 5]
    assert [entry["step"] for entry in history] == [1, 2, 3, 4, 5, 6]
    # A training that is done is not done again: the same weights come back.
    again, _ = train(arrays, FrontEnd(), config(6), checkpoint)
    assert began_at == [3, 4, 5]
    for one, other in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pool_config_is_closed():
    with pytest.raises(ValueError, match="extra"):
        PoolConfig(window=3)
