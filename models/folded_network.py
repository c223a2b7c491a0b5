"""A trained network as plain arrays: batch normalisation folded away, no training heads, no framework's objects."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

#: Dense layers after pooling, in order of use.
HEADS = ("to_embedding", "hidden", "category", "functional_type", "presence")


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A convolution with bias and ReLU, padded evenly with zeros on both sides.

    Attributes
    ----------
    kernel
        Shape (time, frequency, channels in, channels out), depth-wise (time, frequency, channels, 1); sizes are odd.
    bias
        Shape (channels out,).
    stride
        Step in time and frequency.
    depthwise
        Whether every channel has a kernel of its own.
    """

    kernel: Array
    bias: Array
    stride: tuple[int, int] = (1, 1)
    depthwise: bool = False


@dataclasses.dataclass(frozen=True)
class FoldedNetwork:
    """All that is served of a network.

    Attributes
    ----------
    stages
        Convolutions of each stage; what goes into a stage is added to what comes out where the shapes agree.
    collapse
        Kernel (bands left * channels, map width) and bias (map width,) of the layer that ends the frequency axis.
    heads
        Kernel and bias by the names of ``HEADS``.
    frames, mel_bands
        Shape of a whole window's picture.
    """

    stages: tuple[tuple[Convolution, ...], ...]
    collapse: tuple[Array, Array]
    heads: dict[str, tuple[Array, Array]]
    frames: int
    mel_bands: int

    def multiply_adds(self) -> int:
        """Multiply-adds of one window through the convolutions and the collapse, without the heads."""
        time, band, total = self.frames, self.mel_bands, 0
        for convolution in (convolution for stage in self.stages for convolution in stage):
            time, band = -(-time // convolution.stride[0]), -(-band // convolution.stride[1])
            total += time * band * convolution.kernel.size
        return total + time * self.collapse[0].size

    def arrays(self) -> list[Array]:
        """All weights, in the order in which they are used."""
        convolutions = [array for stage in self.stages for c in stage for array in (c.kernel, c.bias)]
        return [*convolutions, *self.collapse, *(array for head in self.heads.values() for array in head)]

    def sha256(self) -> str:
        """Hash of all weights, whatever the file format."""
        digest = hashlib.sha256()
        for array in self.arrays():
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array, np.float32).tobytes())
        return digest.hexdigest()


def fold_network(network: Any) -> FoldedNetwork:
    """Fold a trained :class:`~models.network.EarmarkNetwork`, or one with the same attributes.

    A stage with ``depthwise`` and ``depthwise_normalization`` has a depth-wise convolution before ``convolution``; the
    stride is then the depth-wise one's.
    """
    stages: list[tuple[Convolution, ...]] = []
    for stage in network.stages:
        kernel, bias = fold(stage.convolution.kernel, stage.normalization)
        if hasattr(stage, "depthwise"):
            # Keras keeps depth-wise kernels as (time, frequency, channels, 1): the scale belongs to the third axis.
            first, first_bias = fold(np.swapaxes(stage.depthwise.kernel, 2, 3), stage.depthwise_normalization)
            depthwise = Convolution(np.swapaxes(first, 2, 3), first_bias, tuple(stage.stride), depthwise=True)
            stages.append((depthwise, Convolution(kernel, bias)))
        else:
            stages.append((Convolution(kernel, bias, tuple(stage.stride)),))
    shape = network.network_shape
    collapse_kernel, collapse_bias = fold(network.collapse.kernel, network.collapse_normalization)
    return FoldedNetwork(
        stages=tuple(stages),
        collapse=(collapse_kernel, collapse_bias),
        heads={name: tuple(weight.numpy() for weight in getattr(network, name).weights) for name in HEADS},
        frames=shape.frames,
        mel_bands=shape.mel_bands,
    )


def fold(kernel: Any, normalization: Any) -> tuple[Array, Array]:
    """Kernel and bias that do the work of a kernel followed by batch normalisation; output channels come last."""
    gamma, beta, mean, variance = (
        np.asarray(getattr(normalization, name), np.float64)
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + normalization.epsilon)
    return (np.asarray(kernel, np.float64) * scale).astype(np.float32), (beta - mean * scale).astype(np.float32)
