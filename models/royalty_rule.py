"""The royalty rule itself: a label, the release around the track, and a policy give one treatment."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from models.royalty_policy import CATEGORY_OF_RELEASE, RoyaltyPolicy
from models.taxonomy import FUNCTIONAL, MUSIC

PENDING_REVIEW: Final = "pending_review"
ROYALTY_CLASSES: Final = ("music", "functional", "speech", PENDING_REVIEW)

#: Measured lengths are kept to this many digits of a second.
_DIGITS: Final = 6


@dataclasses.dataclass(frozen=True, slots=True)
class RoyaltyFacts:
    """What of a label matters for royalties: the columns of ``track_labels`` of the same names.

    Attributes
    ----------
    duration_s
        Measured length in seconds.
    """

    category: str
    functional_type: str | None
    decision: str
    duration_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class ReleaseContext:
    """How many labelled tracks of a release are of each category."""

    music: int = 0
    functional: int = 0
    speech: int = 0

    @property
    def tracks(self) -> int:
        """All of them."""
        return self.music + self.functional + self.speech

    def without(self, category: str) -> ReleaseContext:
        """The release without one track of ``category``: a track is no witness of what surrounds it."""
        return dataclasses.replace(self, **{category: getattr(self, category) - 1})


#: The context of a track without a ``release_id``, and of one that is alone on its release.
NO_RELEASE: Final = ReleaseContext()


@dataclasses.dataclass(frozen=True, slots=True)
class Treatment:
    """What a policy makes of a track: the columns of ``royalty_treatments`` of the same names."""

    royalty_class: str
    eligible: bool
    ineligible_reason: str | None
    stream_weight: float
    ddex_sound_recording_type: str | None

    def columns(self) -> dict[str, Any]:
        """As columns of the table."""
        # Not by asdict, which copies deeply and takes most of the time.
        return {name: getattr(self, name) for name in self.__slots__}


def treat(facts: RoyaltyFacts, others: ReleaseContext, policy: RoyaltyPolicy) -> Treatment:
    """Apply a policy to a track.

    Parameters
    ----------
    facts
        The track's label.
    others
        The other labelled tracks of its release.
    policy
        The policy.

    Returns
    -------
    Treatment
        ``stream_weight`` is 0 when the track is not eligible, else above 0 and at most 1.
    """
    if facts.decision == "review":
        return _pending(facts, others, policy)
    ddex_type = getattr(policy.ddex_sound_recording_type, facts.category)
    royalty_class = _class(facts, others, policy)
    weight, reason = _payment(facts, royalty_class, policy)
    return Treatment(royalty_class, reason is None, reason, weight, ddex_type)


def _pending(facts: RoyaltyFacts, others: ReleaseContext, policy: RoyaltyPolicy) -> Treatment:
    """A track whose label is in doubt; the DDEX field, on which a licensor acts, stays empty meanwhile."""
    if policy.review_treatment == "hold":
        reason = (
            f"{policy.service} holds this track's royalties until a person has listened to it: its label is in doubt."
        )
        return Treatment(PENDING_REVIEW, False, reason, 0.0, None)
    if policy.review_treatment == "pay_as_music":
        return Treatment(PENDING_REVIEW, True, None, 1.0, None)
    weight, why = _payment(facts, _class(facts, others, policy), policy)
    if why is not None:
        why += " The label is in doubt; a person will listen to the track."
    return Treatment(PENDING_REVIEW, why is None, why, weight, None)


def _class(facts: RoyaltyFacts, others: ReleaseContext, policy: RoyaltyPolicy) -> str:
    """The category, or that of the release for a functional track that follows its release."""
    if facts.category != FUNCTIONAL or not _in_scope(facts, policy):
        return facts.category
    counts = {
        CATEGORY_OF_RELEASE[kind]: getattr(others, CATEGORY_OF_RELEASE[kind]) for kind in policy.exempt_if_release_is
    }
    if not sum(counts.values()) or sum(counts.values()) <= policy.release_share_above * others.tracks:
        return FUNCTIONAL
    # The larger part names the release; a tie is music.
    return max(counts, key=lambda category: (counts[category], category == MUSIC))


def _payment(facts: RoyaltyFacts, royalty_class: str, policy: RoyaltyPolicy) -> tuple[float, str | None]:
    """The weight of a stream, and the reason when it earns nothing."""
    if royalty_class != FUNCTIONAL or not _in_scope(facts, policy):
        return 1.0, None
    content = f"functional content ({str(facts.functional_type).replace('_', ' ')})"
    match policy.pool_action:
        case "exclude":
            return 0.0, f"{policy.service} leaves {content} out of the royalty pool."
        case "replace":
            return 0.0, f"{policy.service} replaces {content} with its own and leaves it out of the royalty pool."
        case "reject":
            return 0.0, f"{policy.service} does not accept {content}."
    if not _is_long_enough(facts.duration_s, policy):
        words = "of at least" if policy.min_length_inclusive else "longer than"
        return 0.0, (
            f"{policy.service} pays {content} only for tracks {words} {policy.min_length_s:g} s, and this one is "
            f"{_seconds(facts.duration_s)} s long."
        )
    if policy.stream_weight is None:
        raise AssertionError("a policy that weights has a weight")
    return policy.stream_weight, None


def _in_scope(facts: RoyaltyFacts, policy: RoyaltyPolicy) -> bool:
    return facts.functional_type in policy.functional_types_in_scope


def _is_long_enough(duration_s: float, policy: RoyaltyPolicy) -> bool:
    if policy.min_length_s is None:
        return True
    # Rounded, so that 119.95 is exactly a tolerance of 0.05 below 120.
    above_s = round(duration_s - policy.min_length_s, _DIGITS)
    if abs(above_s) <= policy.length_tolerance_s:
        return policy.min_length_inclusive
    return above_s > 0


def _seconds(duration_s: float) -> str:
    return f"{duration_s:.3f}".rstrip("0").rstrip(".")
