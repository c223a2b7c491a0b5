"""The main job's config file: read, checked against one schema, and turned into sentences when it is wrong."""

from __future__ import annotations

import difflib
import pathlib
from typing import Any, Literal

import pydantic
import yaml

from models.decision import DecisionSettings
from models.errors import UserError
from transforms.decoder_pool import DecodeSettings
from transforms.gates import GateSettings


class AudioConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Which audio is read and how much of it (``audio:``)."""

    #: Windows per track under ``sampled`` coverage.
    sampled_windows: int = pydantic.Field(default=6, ge=1, le=100)
    #: A shorter track is the dead letter ``audio_too_short``.
    min_duration_s: float = pydantic.Field(default=0.1, ge=0.05)
    #: A longer track is the dead letter ``audio_too_long``.
    max_duration_s: float = pydantic.Field(default=12 * 3600.0, gt=0)
    #: Let an ``audio_uri`` lead out of the audio root: ``..``, links, absolute paths, other schemes.
    allow_outside_root: bool = False


class ModelConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Which model labels, and how it is run (``model:``)."""

    #: Folder of a model; null for the one that ships with the project.
    folder: str | None = None
    #: Windows per call of the network.
    batch_windows: int = pydantic.Field(default=16, ge=1, le=1024)
    #: Which form of the model labels; ``auto``: see :func:`models.litert_form.choose_runtime`.
    runtime: Literal["auto", "litert", "saved_model"] = "auto"
    #: Threads that the network may use in one worker process.
    threads: int = pydantic.Field(default=1, ge=1, le=64)


class TablesConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How the tables are laid out (``tables:``)."""

    #: A table has one file per this many catalog rows.
    rows_per_file: int = pydantic.Field(default=250_000, ge=1)


class JobConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The whole config file; every key may be left out."""

    coverage: Literal["sampled", "full"] = "sampled"
    audio: AudioConfig = AudioConfig()
    decode: DecodeSettings = DecodeSettings()
    model: ModelConfig = ModelConfig()
    decision: DecisionSettings = DecisionSettings()
    gates: GateSettings = GateSettings()
    tables: TablesConfig = TablesConfig()

    def row_settings(self) -> dict[str, Any]:
        """What a label depends on besides audio, catalog and model; workers, time-outs and gates are no part of it."""
        return self.model_dump(mode="json", include={"coverage", "audio", "decision"})


def load_config(path: str | None) -> JobConfig:
    """Read a config file; None gives the defaults.

    Raises
    ------
    UserError
        When the file is missing, is not YAML, or a key or value is wrong; names file, key, value and mend.
    """
    if path is None:
        return JobConfig()
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: cannot be read ({_reason(error)}); give the path of a YAML file.") from error
    try:
        content = yaml.load(text, _UniqueKeyLoader)  # noqa: S506 - a SafeLoader underneath
    except yaml.YAMLError as error:
        raise UserError(f"--config {path}: is not valid YAML: {' '.join(str(error).split())}.") from error
    if content is None:
        return JobConfig()
    if not isinstance(content, dict):
        raise UserError(
            f"--config {path}: holds a {type(content).__name__}, not keys and values such as 'coverage: full'."
        )
    try:
        return JobConfig.model_validate(content)
    except pydantic.ValidationError as error:
        problems = "; ".join(_sentence(problem) for problem in error.errors()[:3])
        raise UserError(f"--config {path}: {problems}.") from error


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML lets a key stand twice and takes the last; here it is a mistake that would go unnoticed."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is no text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "not UTF-8 text"


def _sentence(problem: Any) -> str:
    """One pydantic problem as ``key: value: what is wrong and the mend``."""
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        close = difflib.get_close_matches(location[-1], known, n=1)
        return f"{key}: no such key; " + (f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}")
    return f"{key}: {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _known_keys(parents: list[str]) -> list[str]:
    model: type[pydantic.BaseModel] = JobConfig
    for parent in parents:
        annotation = model.model_fields[parent].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel)):
            return []
        model = annotation
    return sorted(model.model_fields)
