"""The main job's config file: read, checked against one schema, and turned into sentences when it is wrong."""

from __future__ import annotations

import difflib
import errno
import pathlib
from typing import Any, Literal, TypeVar

import pydantic
import pydantic_core
import yaml

from models.decision import DecisionSettings
from models.errors import UserError
from models.saved_model import ModelMetadata
from models.strict_yaml import load_strictly
from models.window_records import DecodePlan
from transforms.audio_comparison import UnchangedBy
from transforms.catalog_settings import CatalogSettings
from transforms.decoder_pool import DecodeSettings
from transforms.gates import GateSettings
from transforms.publish_manifest import ROW_SETTINGS
from transforms.report_settings import ReportSettings

Settings = TypeVar("Settings", bound=pydantic.BaseModel)
#: Bound of ``audio.max_sampled_windows``: a decoder process holds the windows of one round at once.
_MOST_SAMPLED_WINDOWS = 300


class AudioConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Which audio is read and how much of it (``audio:``)."""

    #: Windows in which ``sampled`` coverage hears each track at first.
    sampled_windows: int = pydantic.Field(default=3, ge=1, le=100)
    #: Windows in which it hears a track at most, in further rounds of three times as many, while the label is not
    #: settled. The same as ``sampled_windows``: no further round.
    max_sampled_windows: int = pydantic.Field(default=27, ge=1, le=_MOST_SAMPLED_WINDOWS, validate_default=True)
    #: A shorter track is the dead letter ``audio_too_short``.
    min_duration_s: float = pydantic.Field(default=0.1, ge=0.05)
    #: A longer track is the dead letter ``audio_too_long``.
    max_duration_s: float = pydantic.Field(default=12 * 3600.0, gt=0)
    #: Let an ``audio_uri`` lead out of the audio root: ``..``, links, absolute paths, other schemes.
    allow_outside_root: bool = False

    @pydantic.field_validator("max_sampled_windows")
    @classmethod
    def _is_a_number_of_rounds(cls, most: int, info: pydantic.ValidationInfo) -> int:
        first = info.data.get("sampled_windows")
        if first is None:  # that one is refused already
            return most
        allowed = [first * 3**power for power in range(6) if first * 3**power <= _MOST_SAMPLED_WINDOWS]
        if most not in allowed:
            raise pydantic_core.PydanticCustomError(
                "windows_of_no_round",
                "is not audio.sampled_windows ({first}) times a power of 3; give {allowed}, the first of which means a "
                "fixed number of windows",
                {"first": first, "allowed": ", ".join(map(str, allowed))},
            )
        return most


class ModelConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Which model labels, and how it is run (``model:``)."""

    #: Folder of a model; null for the one that ships with the project.
    folder: str | None = None
    #: Label with a model that was not promoted, or was changed since.
    allow_unpromoted: bool = False
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


class IncrementalConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """When a label is carried forward from ``--previous`` (``incremental:``)."""

    #: What says that a track's audio is unchanged. ``storage``: an equal ``audio_etag`` in the catalog, or else size
    #: and times of the file; its bytes where those differ. ``sha256``: its bytes alone.
    unchanged_by: UnchangedBy = "storage"
    #: A run with fewer labels than this share of those of the largest of the 31 newest is not carried from.
    least_share_of_largest: float = pydantic.Field(default=0.5, ge=0, le=1)


class WorkersConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """What the stages that decode and classify ask of their workers (``workers:``), as Beam resource hints.

    Dataflow heeds them (right fitting); a local run does not.
    """

    #: Least memory of a worker, such as ``8GB``.
    min_ram: str | None = pydantic.Field(default=None, pattern=r"^[0-9]+(\.[0-9]+)?[ ]?[KMGTP]i?B$")
    #: A GPU, such as ``type:nvidia-tesla-t4;count:1;install-nvidia-driver``.
    accelerator: str | None = pydantic.Field(default=None, pattern=r"^type:[^;]+;count:[0-9]+(;[^;]+)*$")

    def resource_hints(self) -> dict[str, str]:
        """The hints that are set, by Beam's names."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


class JobConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The whole config file; every key may be left out."""

    coverage: Literal["sampled", "full"] = "sampled"
    catalog: CatalogSettings = CatalogSettings()
    audio: AudioConfig = AudioConfig()
    decode: DecodeSettings = DecodeSettings()
    model: ModelConfig = ModelConfig()
    decision: DecisionSettings = DecisionSettings()
    gates: GateSettings = GateSettings()
    tables: TablesConfig = TablesConfig()
    incremental: IncrementalConfig = IncrementalConfig()
    workers: WorkersConfig = WorkersConfig()
    report: ReportSettings = ReportSettings()

    def row_settings(self) -> dict[str, Any]:
        """What a label depends on besides audio, catalog and model."""
        return self.model_dump(mode="json", include=set(ROW_SETTINGS))


def decode_plan(config: JobConfig, model: ModelMetadata) -> DecodePlan:
    """Which windows are decoded: as the model needs them, as many as the config says."""
    audio = config.audio
    return DecodePlan(
        sample_rate_hz=model.sample_rate_hz,
        window_s=model.window_s,
        coverage=config.coverage,
        sampled_windows=audio.sampled_windows,
        max_sampled_windows=audio.max_sampled_windows,
        min_duration_s=audio.min_duration_s,
        max_duration_s=audio.max_duration_s,
    )


def load_config(path: str | None) -> JobConfig:
    """Read the main job's config file; see :func:`load_settings`."""
    return load_settings(path, JobConfig)


def load_settings(path: str | None, schema: type[Settings]) -> Settings:
    """Read a config file; None gives the defaults.

    Parameters
    ----------
    path
        A YAML file, local or on any file system that Beam reads.
    schema
        What its keys are.

    Raises
    ------
    UserError
        When the file is missing, is not YAML, or a key or value is wrong; names file, key, value and mend.
    """
    if path is None:
        return schema()
    try:
        text = _read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: cannot be read ({_reason(error)}); give the path of a YAML file.") from error
    try:
        content = load_strictly(text)
    except yaml.YAMLError as error:
        raise UserError(f"--config {path}: is not valid YAML: {' '.join(str(error).split())}.") from error
    if content is None:
        return schema()
    if not isinstance(content, dict):
        raise UserError(
            f"--config {path}: holds a {type(content).__name__}, not keys and values such as 'coverage: full'."
        )
    try:
        return schema.model_validate(content)
    except pydantic.ValidationError as error:
        problems = "; ".join(_sentence(problem, schema) for problem in error.errors()[:3])
        raise UserError(f"--config {path}: {problems}.") from error


def _read(path: str) -> str:
    if "://" not in path:
        return pathlib.Path(path).read_text(encoding="utf-8")
    from apache_beam.io.filesystems import FileSystems

    try:
        with FileSystems.open(path) as stream:
            content = bytes(stream.read())
    except Exception as error:  # a storage client's own errors have no common class
        raise OSError(errno.EIO, " ".join(str(error).split())[:300]) from error
    return content.decode("utf-8")


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "not UTF-8 text"


def _sentence(problem: Any, schema: type[pydantic.BaseModel]) -> str:
    """One pydantic problem as ``key: value: what is wrong and the mend``."""
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] == "extra_forbidden":
        known = _known_keys(location[:-1], schema)
        close = difflib.get_close_matches(location[-1], known, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else f"; known here: {', '.join(known)}" if known else ""
        return f"{key}: no such key{hint}"
    return f"{key}: {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _known_keys(parents: list[str], schema: type[pydantic.BaseModel]) -> list[str]:
    model = schema
    for parent in parents:
        annotation = model.model_fields[parent].annotation if parent in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel)):
            return []
        model = annotation
    return sorted(model.model_fields)
