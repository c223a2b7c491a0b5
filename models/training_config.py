"""The training job's settings, as ``configs/training.yaml`` gives them."""

from __future__ import annotations

import hashlib
import json
import pathlib
from typing import Any

import pydantic
import yaml

from models.errors import UserError


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DrawShares(_Strict):
    """How often each kind of sound is drawn; relative weights."""

    functional_recording: float = pydantic.Field(default=0.31, ge=0)
    music_recording: float = pydantic.Field(default=0.26, ge=0)
    speech_recording: float = pydantic.Field(default=0.22, ge=0)
    functional_synthetic: float = pydantic.Field(default=0.10, ge=0)
    music_synthetic: float = pydantic.Field(default=0.08, ge=0)
    bowls: float = pydantic.Field(default=0.015, ge=0)
    cafe_talk: float = pydantic.Field(default=0.02, ge=0)
    shop_music: float = pydantic.Field(default=0.02, ge=0)
    music_stretched: float = pydantic.Field(default=0.015, ge=0)
    sung_voice: float = pydantic.Field(default=0.02, ge=0)
    babble: float = pydantic.Field(default=0.025, ge=0)


class PoolConfig(_Strict):
    """The windows that training draws from.

    Attributes
    ----------
    windows
        Number of windows of 5 s or less.
    mixed_share
        Share of the windows that get a second sound mixed in.
    short_share
        Share of the windows that are cut short, log-uniformly between 0.3 and 5 s.
    speed_share
        Share of the clips that are played faster or slower.
    coded_share
        Share of the windows that go through a lossy codec.
    """

    windows: int = pydantic.Field(default=80_000, ge=8)
    mixed_share: float = pydantic.Field(default=0.5, ge=0, le=1)
    short_share: float = pydantic.Field(default=0.2, ge=0, le=1)
    speed_share: float = pydantic.Field(default=0.6, ge=0, le=1)
    coded_share: float = pydantic.Field(default=0.25, ge=0, le=1)
    shares: DrawShares = DrawShares()


class LossWeights(_Strict):
    """Weights of the parts of the loss; the last three count only with a teacher."""

    category: float = pydantic.Field(default=1.0, ge=0)
    functional_type: float = pydantic.Field(default=0.4, ge=0)
    presence: float = pydantic.Field(default=0.3, ge=0)
    segment_embedding: float = pydantic.Field(default=1.0, ge=0)
    segment_scores: float = pydantic.Field(default=0.25, ge=0)
    mean_embedding: float = pydantic.Field(default=0.5, ge=0)


class PolishConfig(_Strict):
    """The second course, at a lower rate, in which doubt leans to the side where a mistake costs less.

    Attributes
    ----------
    steps
        Steps after those of the first course; 0 leaves the second one out.
    learning_rate
        Its peak.
    music_in_doubt, speech_in_doubt
        Target of music, or of speech, in a window that may be that or functional. Above 0.5, so that music which is
        hardly louder than the rain is called music while the doubt about it stays: called functional, it would cost a
        musician.
    """

    steps: int = pydantic.Field(default=2000, ge=0)
    learning_rate: float = pydantic.Field(default=8e-4, gt=0)
    music_in_doubt: float = pydantic.Field(default=0.6, ge=0.5, lt=1)
    speech_in_doubt: float = pydantic.Field(default=0.55, ge=0.5, lt=1)


class TrainingConfig(_Strict):
    """Everything that decides what comes out of a training, besides the manifest and the teacher.

    Attributes
    ----------
    model_name
        Start of the model's version.
    seed
        Of the draw of windows, the first weights and the order of the steps.
    steps, batch
        Length of the training, in steps of ``batch`` windows.
    learning_rate, warmup_steps, weight_decay
        AdamW: the peak after a linear warm-up, falling to zero along a cosine.
    polish
        A second course of the same kind.
    average_decay
        Of the running average of the weights, which is what is shipped.
    label_gradient
        Share of the label heads' gradient that reaches the body when there is a teacher.
    label_smoothing
        Probability that the category's targets give away to the other two.
    mask_bands, mask_frames
        Widest SpecAugment mask, in mel bands and in frames of 20 ms.
    bfloat16
        Use bfloat16 for convolutions where the processor has it.
    processes
        Processes that draw windows.
    """

    model_name: str = pydantic.Field(default="earmark-1.1.0", pattern=r"^[a-z0-9][a-z0-9.-]*$")
    seed: int = pydantic.Field(default=20261122, ge=0)
    pool: PoolConfig = PoolConfig()
    steps: int = pydantic.Field(default=9000, ge=1)
    batch: int = pydantic.Field(default=64, ge=2)
    learning_rate: float = pydantic.Field(default=3e-3, gt=0)
    warmup_steps: int = pydantic.Field(default=200, ge=0)
    polish: PolishConfig = PolishConfig()
    weight_decay: float = pydantic.Field(default=0.02, ge=0)
    average_decay: float = pydantic.Field(default=0.998, ge=0, lt=1)
    label_gradient: float = pydantic.Field(default=0.3, ge=0, le=1)
    label_smoothing: float = pydantic.Field(default=0.03, ge=0, lt=1)
    mask_bands: int = pydantic.Field(default=10, ge=0, le=40)
    mask_frames: int = pydantic.Field(default=30, ge=0, le=200)
    losses: LossWeights = LossWeights()
    bfloat16: bool = True
    processes: int = pydantic.Field(default=2, ge=1, le=64)

    @property
    def all_steps(self) -> int:
        """Steps of both courses."""
        return self.steps + self.polish.steps

    def sha256(self) -> str:
        """Hash of the settings, whatever the order and the comments of the file."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


def read_training_config(path: str) -> TrainingConfig:
    """Read a config file.

    Raises
    ------
    UserError
        Names the file, the key, its value and what is wrong with it.
    """
    try:
        record: Any = yaml.safe_load(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: cannot be read ({error}); give a YAML file.") from error
    except yaml.YAMLError as error:
        raise UserError(f"--config {path}: is no YAML ({' '.join(str(error).split())}).") from error
    if record is None:
        record = {}
    if not isinstance(record, dict):
        raise UserError(f"--config {path}: holds {type(record).__name__}, but keys with values are expected.")
    try:
        return TrainingConfig.model_validate(record)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        given = "" if first["type"] == "extra_forbidden" else f" is {first['input']!r}"
        problem = "no such key" if first["type"] == "extra_forbidden" else first["msg"]
        raise UserError(f"--config {path}: {key}{given}: {problem}.") from error
