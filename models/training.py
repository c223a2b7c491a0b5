"""The training loop: a pool of windows in, averaged weights out."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.errors import UserError
from models.front_end import FrontEnd
from models.network import EarmarkNetwork, NetworkShape
from models.taxonomy import CATEGORIES, MUSIC, SPEECH
from models.training_checkpoint import STEPS_BETWEEN, History, TrainingCheckpoint
from models.training_config import TrainingConfig
from models.training_pool import Arrays

_LOG = logging.getLogger(__name__)
#: Teacher outputs that hardly vary are not blown up beyond this.
_LEAST_SPREAD = 0.02


def set_up_tensorflow(config: TrainingConfig) -> None:
    """Seed every generator and choose the arithmetic; call it before any other use of TensorFlow."""
    tf.keras.utils.set_random_seed(config.seed % 2**32)
    if config.bfloat16:
        # Convolutions twice as fast where the processor has bfloat16; without effect elsewhere.
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})


def use_serving_arithmetic() -> None:
    """Go back to float32, in which the model serves, for everything that is traced from here on."""
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": False})


def spec_masks(config: TrainingConfig) -> Any:
    """SpecAugment masks from tensorflow-io: a function of pictures (n, frames, bands).

    Raises
    ------
    UserError
        When tensorflow-io is not installed.
    """
    if not (config.mask_bands or config.mask_frames):
        return lambda pictures: pictures
    try:
        import warnings

        with warnings.catch_warnings():
            # Its native operations do not load with this TensorFlow; the masks are plain TensorFlow.
            warnings.simplefilter("ignore")
            import tensorflow_io as tfio
    except ImportError as error:
        raise UserError("training needs tensorflow-io; run pip install -e '.[train]' in Earmark's folder.") from error

    def mask_one(picture: tf.Tensor) -> tf.Tensor:
        if config.mask_bands:
            picture = tfio.audio.freq_mask(picture, param=config.mask_bands)
        if config.mask_frames:
            picture = tfio.audio.time_mask(picture, param=config.mask_frames)
        return picture

    # One at a time: iterations that overtake each other would draw each other's random numbers.
    return lambda pictures: tf.map_fn(mask_one, pictures, parallel_iterations=1)


class _Averages:
    """Running average of a network's weights."""

    def __init__(self, network: EarmarkNetwork, decay: float) -> None:
        self._pairs = [(variable, tf.Variable(variable, trainable=False)) for variable in network.variables]
        self._decay = decay

    @property
    def variables(self) -> list[Any]:
        """The averages themselves."""
        return [average for _, average in self._pairs]

    def update(self, step: tf.Tensor) -> None:
        """Move the average towards the weights; faster in the first steps."""
        decay = tf.minimum(self._decay, (1.0 + step) / (10.0 + step))
        for variable, average in self._pairs:
            if variable.dtype.is_floating if hasattr(variable.dtype, "is_floating") else "float" in str(variable.dtype):
                average.assign_sub((1.0 - decay) * (average - tf.convert_to_tensor(variable)))

    def put(self) -> None:
        """Give the network the averaged weights."""
        for variable, average in self._pairs:
            if "float" in str(variable.dtype):
                variable.assign(average)


def _masked_mean(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    mask = tf.cast(mask, tf.float32)
    return tf.reduce_sum(values * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)


def label_losses(
    outputs: dict[str, tf.Tensor], batch: dict[str, tf.Tensor], smoothing: float, in_doubt: tf.Tensor | None = None
) -> dict[str, tf.Tensor]:
    """Losses of the three label heads.

    A window without a category, which one may argue about, teaches that it may be any of what is heard in it: it must
    come out in doubt, so that a person gets it. A window without a functional type does not count for the types.

    Parameters
    ----------
    in_doubt
        How much each category weighs in such a window, shape (3,); evenly by default.
    """
    presence = tf.cast(batch["presence"], tf.float32)
    losses = {}
    for name in ("category", "functional_type"):
        label = tf.cast(batch[name], tf.int32)
        wanted = tf.one_hot(tf.maximum(label, 0), outputs[name].shape[1])
        wanted = wanted * (1 - smoothing) + smoothing / outputs[name].shape[1]
        counts = label >= 0
        if name == "category":
            argued = presence if in_doubt is None else presence * in_doubt
            argued /= tf.maximum(tf.reduce_sum(argued, axis=1, keepdims=True), 1e-6)
            wanted = tf.where(counts[:, tf.newaxis], wanted, argued)
            counts = tf.logical_or(counts, tf.reduce_sum(presence, axis=1) > 0)
        entropy = tf.nn.softmax_cross_entropy_with_logits(wanted, outputs[name])
        losses[name] = _masked_mean(entropy, counts)
    losses["presence"] = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(presence, outputs["presence"]))
    return losses


def teacher_losses(outputs: dict[str, tf.Tensor], batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Distances from the teacher: squared error of its standardised embedding, divergence of its scores."""
    valid = tf.cast(batch["segment_valid"], tf.float32)
    error = tf.reduce_mean(tf.square(outputs["segment_embedding"] - batch["embedding"]), axis=2)
    scores = tf.clip_by_value(batch["scores"], 1e-4, 1 - 1e-4)
    entropy = -(scores * tf.math.log(scores) + (1 - scores) * tf.math.log(1 - scores))
    divergence = tf.nn.sigmoid_cross_entropy_with_logits(scores, outputs["segment_scores"]) - entropy
    weights = valid[:, :, tf.newaxis]
    mean = tf.reduce_sum(batch["embedding"] * weights, axis=1) / tf.reduce_sum(weights, axis=1)
    return {
        "segment_embedding": _masked_mean(error, valid),
        "segment_scores": _masked_mean(tf.reduce_sum(divergence, axis=2), valid),
        "mean_embedding": tf.reduce_mean(tf.square(outputs["mean_embedding"] - mean)),
    }


def train(
    pool: Arrays, front_end: FrontEnd, config: TrainingConfig, checkpoint: TrainingCheckpoint | None = None
) -> tuple[EarmarkNetwork, History]:
    """Train a network on a pool of windows.

    Parameters
    ----------
    checkpoint
        Where the training is saved now and then, and goes on from. One that went on draws other masks and dropouts than
        one that was never cut off.

    Returns
    -------
    network
        With its averaged weights.
    history
        Means of every loss over stretches of the training, with the step that each ends at.
    """
    distil = "embedding" in pool
    network = EarmarkNetwork(
        NetworkShape(frames=front_end.frames, mel_bands=front_end.mel_bands), config.label_gradient if distil else 1.0
    )
    example = tf.zeros((2, front_end.frames, front_end.mel_bands)), tf.fill((2,), front_end.frames)
    network(example, distil=distil)
    if distil:
        few = np.sort(np.random.default_rng(config.seed).permutation(len(pool["embedding"]))[:4000])
        valid = pool["segment_valid"][few]
        embedding = pool["embedding"][few][valid].astype(np.float32)
        centre = tf.constant(embedding.mean(axis=0))
        spread = tf.constant(np.maximum(embedding.std(axis=0), _LEAST_SPREAD))
        mean_score = np.clip(pool["scores"][few][valid].astype(np.float32).mean(axis=0), 1e-4, 0.5)
        network.segment_scores.bias.assign(np.log(mean_score / (1 - mean_score)))

    optimizer = tf.keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay, clipnorm=None)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(network.trainable_variables)
    averages = _Averages(network, config.average_decay)
    mask = spec_masks(config)
    weights = config.losses.model_dump()

    @tf.function
    def step(
        batch: dict[str, tf.Tensor], number: tf.Tensor, rate: tf.Tensor, in_doubt: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        batch = dict(batch)
        if distil:
            batch["embedding"] = (tf.cast(batch["embedding"], tf.float32) - centre) / spread
            batch["scores"] = tf.cast(batch["scores"], tf.float32)
        pictures = mask(tf.cast(batch["log_mel"], tf.float32))
        with tf.GradientTape() as tape:
            outputs = network((pictures, batch["valid_frames"]), training=True, distil=distil)
            losses = label_losses(outputs, batch, config.label_smoothing, in_doubt)
            if distil:
                losses |= teacher_losses(outputs, batch)
            total = tf.add_n([weights[name] * loss for name, loss in losses.items()])
        gradients = tape.gradient(total, network.trainable_variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 5.0)
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        averages.update(number)
        return losses | {"total": total}

    variables = [*network.variables, *optimizer.variables, *averages.variables]
    first, history = checkpoint.load(variables) if checkpoint else (0, [])
    gathered: list[dict[str, float]] = []
    report_every = max(1, min(200, config.all_steps // 5))
    order = _order(len(pool["category"]), config)
    for _ in range(first):
        next(order)
    begun = time.monotonic()
    for number in range(first, config.all_steps):
        index = np.sort(next(order))
        batch = {name: tf.constant(array[index]) for name, array in pool.items()}
        rate = tf.constant(learning_rate(config, number), tf.float32)
        losses = step(batch, tf.constant(number, tf.float32), rate, tf.constant(weights_in_doubt(config, number)))
        gathered.append({name: float(loss) for name, loss in losses.items()})
        if (number + 1) % report_every == 0 or number + 1 == config.all_steps:
            means = {name: float(np.mean([g[name] for g in gathered])) for name in gathered[0]}
            history.append({"step": number + 1, **means})
            gathered = []
            text = " ".join(f"{name} {value:.3f}" for name, value in means.items())
            _LOG.info("step %d of %d, %.0f s: %s", number + 1, config.all_steps, time.monotonic() - begun, text)
        if checkpoint and ((number + 1) % STEPS_BETWEEN == 0 or number + 1 == config.all_steps):
            checkpoint.save(number + 1, variables, history)
    averages.put()
    return network, history


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Linear warm-up, then a cosine down to zero at the last step; in each of the two courses."""
    steps, peak = config.steps, config.learning_rate
    if step >= steps and config.polish.steps:
        step, steps, peak = step - steps, config.polish.steps, config.polish.learning_rate
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * share))


def weights_in_doubt(config: TrainingConfig, step: int) -> npt.NDArray[np.float32]:
    """Weights of the categories in a window that one may argue about, shape (3,): relative to functional's 1."""
    weights = np.ones(len(CATEGORIES), np.float32)
    if step >= config.steps:
        for category, share in ((MUSIC, config.polish.music_in_doubt), (SPEECH, config.polish.speech_in_doubt)):
            weights[CATEGORIES.index(category)] = share / (1 - share)
    return weights


def _order(count: int, config: TrainingConfig) -> Any:
    """Indices batch by batch, every window once before any comes again."""
    rng = np.random.default_rng(config.seed + 1)
    left = np.zeros(0, np.int64)
    while True:
        while len(left) < config.batch:
            left = np.concatenate([left, rng.permutation(count)])
        yield left[: config.batch]
        left = left[config.batch :]
