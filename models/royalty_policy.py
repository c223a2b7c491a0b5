"""A service's royalty rule for functional content, as versioned data: what a policy file holds."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

import pydantic

from models.taxonomy import FUNCTIONAL_TYPES

FunctionalType = Literal["noise", "nature", "machine", "sound_effect", "ambience", "asmr", "tone", "silence"]
#: ``weight``: in the pool, a stream counts ``stream_weight``. ``exclude``: left out of the pool. ``replace``: left out,
#: and the service plays its own content instead. ``reject``: the service does not take the track.
PoolAction = Literal["weight", "exclude", "replace", "reject"]
#: Until a person has listened: ``pay_as_music`` in full; ``as_labelled`` as if the label were sure; ``hold`` nothing.
ReviewTreatment = Literal["pay_as_music", "as_labelled", "hold"]
ReleaseKind = Literal["musical", "spoken_word"]
#: ``official``: the service's own words. ``press``: a report or another company's help page. ``contract``: the user's
#: own. ``assumption``: no source says so; the file's author chose it.
SourceKind = Literal["official", "press", "contract", "assumption"]

#: The category that each kind of release is mostly of.
CATEGORY_OF_RELEASE: dict[ReleaseKind, str] = {"musical": "music", "spoken_word": "speech"}

_Name = Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
_Words = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
_DdexType = Annotated[str, pydantic.Field(pattern=r"^[A-Z][A-Za-z0-9]*$", max_length=64)]


class Source(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Where a figure comes from."""

    kind: SourceKind
    #: Who says it, and what else is said.
    citation: _Words


class DdexTypes(pydantic.BaseModel, frozen=True, extra="forbid"):
    """DDEX SoundRecordingType by category; null leaves the field empty."""

    music: _DdexType | None
    functional: _DdexType | None
    speech: _DdexType | None


class RoyaltyPolicy(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """One version of a service's rule for functional content; each figure has its source beside it."""

    policy_id: _Name
    #: As a licensor knows it; it stands in the reasons.
    service: _Words
    version: _Name
    #: First and last day in force; without a last day until the next version.
    effective_from: datetime.date
    effective_to: datetime.date | None = None
    source: _Words

    #: Which functional content the rule is about; the rest is paid like music.
    functional_types_in_scope: tuple[FunctionalType, ...]
    functional_types_source: Source

    #: Shortest track in scope that earns royalties, in seconds, and whether exactly that length does.
    min_length_s: float | None = pydantic.Field(default=None, gt=0)
    min_length_inclusive: bool = True
    min_length_source: Source | None = None
    #: A length this near to ``min_length_s`` is taken for exactly that one: lossy codecs add up to 0.05 s of silence.
    length_tolerance_s: float = pydantic.Field(default=0.05, ge=0, le=5)

    #: What a stream of a track in scope counts, relative to a music stream; with ``pool_action: weight`` only.
    stream_weight: float | None = pydantic.Field(default=None, ge=1e-9, le=1)
    stream_weight_source: Source | None = None

    #: A track in scope that stands on such a release is treated as the release is.
    exempt_if_release_is: tuple[ReleaseKind, ...] = ()
    #: Above this share of the release's other labelled tracks, it is such a release.
    release_share_above: float = pydantic.Field(default=0.5, ge=0, lt=1)
    exempt_if_release_is_source: Source | None = None

    #: Fewest streams in 12 months, and fewest unique listeners, for any track; the payout preview applies the first.
    min_streams_12m: int | None = pydantic.Field(default=None, ge=1)
    min_streams_12m_source: Source | None = None
    min_unique_listeners: int | None = pydantic.Field(default=None, ge=1)
    min_unique_listeners_source: Source | None = None

    pool_action: PoolAction
    pool_action_source: Source

    review_treatment: ReviewTreatment
    review_treatment_source: Source

    ddex_sound_recording_type: DdexTypes

    @pydantic.field_validator("functional_types_in_scope", "exempt_if_release_is")
    @classmethod
    def _each_once(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"holds {twice[0]} twice")
        # In one order, so that the order in the file makes no other policy of it.
        return tuple(sorted(values, key=[*FUNCTIONAL_TYPES, *CATEGORY_OF_RELEASE].index))

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> RoyaltyPolicy:
        if self.effective_to is not None and self.effective_to < self.effective_from:
            raise ValueError(f"effective_to {self.effective_to} lies before effective_from {self.effective_from}")
        if (self.pool_action == "weight") != (self.stream_weight is not None):
            raise ValueError(
                f"pool_action {self.pool_action} with stream_weight {self.stream_weight}: give a stream_weight with "
                "pool_action weight, and none with the others"
            )
        figures = {
            "min_length": self.min_length_s,
            "stream_weight": self.stream_weight,
            "exempt_if_release_is": self.exempt_if_release_is or None,
            "min_streams_12m": self.min_streams_12m,
            "min_unique_listeners": self.min_unique_listeners,
        }
        for figure, value in figures.items():
            key = f"{figure}_source"
            if (value is None) != (getattr(self, key) is None):
                mend = f"say in {key} where it comes from" if value is not None else f"leave {key} out too"
                raise ValueError(f"{figure} is {'given' if value is not None else 'not given'}: {mend}")
        return self

    @property
    def name(self) -> str:
        """Its id and version, as the run's counts name it."""
        return f"{self.policy_id} {self.version}"

    def is_in_force(self, date: datetime.date) -> bool:
        """Whether ``date`` lies within the days in force."""
        return self.effective_from <= date and (self.effective_to is None or date <= self.effective_to)
