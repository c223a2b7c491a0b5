"""The teacher that training may learn from: YAMNet, built from an .npz file of its weights.

YAMNet is a MobileNet of the first kind over log-mel patches of 0.96 s; it gives 521 AudioSet scores and an embedding
of 1024 numbers. The weights are no part of this project: ``--teacher`` names a folder that holds them.
"""

from __future__ import annotations

import hashlib
import pathlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.errors import UserError

PATCH_FRAMES: Final = 96
MEL_BANDS: Final = 64
PATCH_SAMPLES: Final = 15_360
#: The last frame of a patch reaches this far beyond it.
OVERHANG: Final = 240
#: Stride and filters of the depth-wise separable blocks that follow the first convolution.
_BLOCKS: Final = ((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *((1, 512),) * 5, (2, 1024), (1, 1024))


def find_teacher(folder: str) -> str:
    """Path of the one ``.npz`` file in a teacher's folder.

    Raises
    ------
    UserError
        When there is none or more than one.
    """
    found = sorted(pathlib.Path(folder).glob("*.npz"))
    if len(found) != 1:
        raise UserError(f"--teacher {folder}: holds {len(found)} .npz files, want the one with the teacher's weights.")
    return str(found[0])


class Teacher:
    """Scores and embeddings of windows, patch by patch.

    Parameters
    ----------
    folder
        Holds an ``.npz`` with ``<layer>/kernel`` and ``<layer>/bias`` for ``conv_1``, ``depthwise_2`` to
        ``depthwise_14``, ``pointwise_2`` to ``pointwise_14`` and ``scores``.
    """

    def __init__(self, folder: str) -> None:
        path = find_teacher(folder)
        self.sha256 = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
        with np.load(path) as stored:
            weights = {name: stored[name].astype(np.float32) for name in stored.files}
        names = ["conv_1", *(f"{kind}_{n}" for n in range(2, 15) for kind in ("depthwise", "pointwise")), "scores"]
        for name in names:
            for part in ("kernel", "bias"):
                if f"{name}/{part}" not in weights:
                    raise UserError(
                        f"--teacher {folder}: {path} lacks {name}/{part}; it does not hold YAMNet's weights."
                    )
        self._weights = {name: tf.constant(value) for name, value in weights.items()}
        self._mel = tf.signal.linear_to_mel_weight_matrix(MEL_BANDS, 257, 16_000, 125.0, 7500.0)
        self._run: Any = tf.function(self.forward, reduce_retracing=True)

    def patches(self, waveform: tf.Tensor, segments: int) -> tf.Tensor:
        """Back-to-back log-mel patches: (n, samples) -> (n * segments, 96, 64, 1)."""
        wanted = segments * PATCH_SAMPLES + OVERHANG
        waveform = waveform[:, :wanted]
        magnitude = tf.abs(tf.signal.stft(waveform, frame_length=400, frame_step=160, fft_length=512))
        log_mel = tf.math.log(tf.tensordot(magnitude, self._mel, 1) + 0.001)
        return tf.reshape(log_mel[:, : segments * PATCH_FRAMES], (-1, PATCH_FRAMES, MEL_BANDS, 1))

    def forward(self, waveform: tf.Tensor, segments: int) -> tuple[tf.Tensor, tf.Tensor]:
        """As :meth:`predict`, from tensor to tensors; for building graphs."""
        weights = self._weights
        x = tf.nn.conv2d(self.patches(waveform, segments), weights["conv_1/kernel"], 2, "SAME")
        x = tf.nn.relu6(x + weights["conv_1/bias"])
        for number, (stride, _) in enumerate(_BLOCKS, start=2):
            kernel = tf.reshape(weights[f"depthwise_{number}/kernel"], (3, 3, -1, 1))
            x = tf.nn.depthwise_conv2d(x, kernel, (1, stride, stride, 1), "SAME")
            x = tf.nn.relu6(x + weights[f"depthwise_{number}/bias"])
            x = tf.nn.conv2d(x, weights[f"pointwise_{number}/kernel"], 1, "SAME")
            x = tf.nn.relu6(x + weights[f"pointwise_{number}/bias"])
        embedding = tf.reduce_mean(x, axis=(1, 2))
        scores = tf.sigmoid(tf.matmul(embedding, weights["scores/kernel"]) + weights["scores/bias"])
        return (
            tf.reshape(tf.cast(embedding, tf.float32), (-1, segments, embedding.shape[1])),
            tf.reshape(tf.cast(scores, tf.float32), (-1, segments, scores.shape[1])),
        )

    def predict(
        self, waveform: npt.NDArray[np.float32], segments: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Embeddings (n, segments, 1024) and scores (n, segments, 521) of patches of 0.96 s, back to back.

        Parameters
        ----------
        waveform
            Mono samples at 16 kHz, shape (n, samples), at least ``segments`` patches and 15 ms long.
        """
        embedding, scores = self._run(tf.constant(waveform, tf.float32), segments)
        return embedding.numpy(), scores.numpy()
