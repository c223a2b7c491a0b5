"""What holds of the rule for every track, release and policy."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.royalty_policy import RoyaltyPolicy
from models.royalty_rule import NO_RELEASE, ROYALTY_CLASSES, ReleaseContext, RoyaltyFacts, treat
from models.taxonomy import FUNCTIONAL_TYPES

SOURCE = {"kind": "contract", "citation": "section 4"}
COUNTS = st.integers(0, 20)
RELEASES = st.builds(ReleaseContext, COUNTS, COUNTS, COUNTS)


@st.composite
def policies(draw: st.DrawFn, **fixed: Any) -> RoyaltyPolicy:
    fields: dict[str, Any] = {
        "policy_id": "p", "service": "A Service", "version": "1", "effective_from": datetime.date(2024, 1, 1),
        "source": "x", "functional_types_source": SOURCE, "pool_action_source": SOURCE,
        "review_treatment_source": SOURCE,
        "ddex_sound_recording_type": {"music": "Musical", "functional": None, "speech": "Spoken"},
        "functional_types_in_scope": draw(st.lists(st.sampled_from(FUNCTIONAL_TYPES), unique=True)),
        "min_length_s": draw(st.none() | st.floats(1, 600)),
        "min_length_inclusive": draw(st.booleans()),
        "length_tolerance_s": draw(st.floats(0, 5)),
        "exempt_if_release_is": draw(st.lists(st.sampled_from(["musical", "spoken_word"]), unique=True)),
        "release_share_above": draw(st.floats(0, 0.99)),
        "pool_action": draw(st.sampled_from(["weight", "exclude", "replace", "reject"])),
        "review_treatment": draw(st.sampled_from(["pay_as_music", "as_labelled", "hold"])),
    } | fixed  # fmt: skip
    fields["stream_weight"] = draw(st.floats(0.001, 1)) if fields["pool_action"] == "weight" else None
    for figure, key in (("min_length_s", "min_length"), ("stream_weight",) * 2, ("exempt_if_release_is",) * 2):
        fields[f"{key}_source"] = SOURCE if fields[figure] else None
    return RoyaltyPolicy.model_validate(fields)


@st.composite
def tracks(draw: st.DrawFn) -> RoyaltyFacts:
    category = draw(st.sampled_from(["music", "functional", "speech"]))
    functional_type = draw(st.sampled_from(FUNCTIONAL_TYPES)) if category == "functional" else None
    return RoyaltyFacts(category, functional_type, draw(st.sampled_from(["auto", "review"])), draw(st.floats(0.1, 4e4)))


@given(tracks(), RELEASES, policies())
@settings(max_examples=150)
def test_what_is_paid_and_what_is_said_agree(track, release, policy):
    treatment = treat(track, release, policy)
    assert treatment.royalty_class in ROYALTY_CLASSES
    assert (treatment.royalty_class == "pending_review") == (track.decision == "review")
    assert treatment.eligible == (treatment.stream_weight > 0) == (treatment.ineligible_reason is None)
    assert 0 <= treatment.stream_weight <= 1
    if treatment.ineligible_reason is not None:
        assert treatment.ineligible_reason.startswith("A Service ")
        assert treatment.ineligible_reason.endswith(".")
        assert "_" not in treatment.ineligible_reason


@given(tracks(), RELEASES, policies())
@settings(max_examples=100)
def test_only_functional_content_and_doubt_ever_cost_anything(track, release, policy):
    if track.category != "functional" and track.decision == "auto":
        treatment = treat(track, release, policy)
        assert (treatment.royalty_class, treatment.stream_weight) == (track.category, 1.0)
        assert treatment == treat(track, NO_RELEASE, policy)


@given(tracks(), RELEASES, policies(), st.floats(0, 1e4))
@settings(max_examples=100)
def test_a_longer_track_is_never_paid_less(track, release, policy, more_s):
    longer = RoyaltyFacts(track.category, track.functional_type, track.decision, track.duration_s + more_s)
    assert treat(longer, release, policy).stream_weight >= treat(track, release, policy).stream_weight


@given(tracks(), RELEASES, policies(exempt_if_release_is=["musical"]), COUNTS)
@settings(max_examples=100)
def test_more_music_around_a_track_never_costs_it_anything(track, release, policy, more):
    richer = dataclasses.replace(release, music=release.music + more)
    assert treat(track, richer, policy).stream_weight >= treat(track, release, policy).stream_weight
