"""Worked cases under the policies that ship, as a licensor would ask them."""

from __future__ import annotations

import datetime

import pytest

from models.policy_files import policies_in_force
from models.royalty_policy import RoyaltyPolicy
from models.royalty_rule import NO_RELEASE, ReleaseContext, RoyaltyFacts, Treatment, treat

DAY = datetime.date(2026, 1, 31)
SPOTIFY, DEEZER, CONTRACT = (policies_in_force([name], DAY)[0] for name in ("spotify", "deezer", "example-contract"))
MUSIC_ALBUM = ReleaseContext(music=11)
NOISE_ALBUM = ReleaseContext(functional=29)
AUDIOBOOK = ReleaseContext(speech=20, music=1)


def noise(duration_s: float, *, functional_type: str = "noise", decision: str = "auto") -> RoyaltyFacts:
    return RoyaltyFacts("functional", functional_type, decision, duration_s)


def song(duration_s: float = 200.0, *, decision: str = "auto") -> RoyaltyFacts:
    return RoyaltyFacts("music", None, decision, duration_s)


def with_changes(policy: RoyaltyPolicy, **changes: object) -> RoyaltyPolicy:
    return RoyaltyPolicy.model_validate({**policy.model_dump(), **changes})


def paid(treatment: Treatment) -> tuple[str, bool, float]:
    return treatment.royalty_class, treatment.eligible, treatment.stream_weight


# 1-3: noise at Spotify's boundary of two minutes, which two minutes exactly reach.


def test_noise_of_119_9_s_is_too_short_for_spotify():
    treatment = treat(noise(119.9), NOISE_ALBUM, SPOTIFY)
    assert paid(treatment) == ("functional", False, 0.0)
    assert treatment.ineligible_reason == (
        "Spotify pays functional content (noise) only for tracks of at least 120 s, and this one is 119.9 s long."
    )


def test_noise_of_120_0_s_earns_a_fifth_at_spotify():
    assert paid(treat(noise(120.0), NOISE_ALBUM, SPOTIFY)) == ("functional", True, 0.2)


def test_noise_of_120_1_s_earns_a_fifth_at_spotify():
    assert paid(treat(noise(120.1), NOISE_ALBUM, SPOTIFY)) == ("functional", True, 0.2)


@pytest.mark.parametrize(("duration_s", "eligible"), [(119.9, False), (120.0, False), (120.1, True)])
def test_the_other_reading_of_the_boundary_is_one_key_away(duration_s, eligible):
    treatment = treat(noise(duration_s), NOISE_ALBUM, with_changes(SPOTIFY, min_length_inclusive=False))
    assert treatment.eligible is eligible
    if not eligible:
        assert "longer than 120 s" in treatment.ineligible_reason


@pytest.mark.parametrize(
    ("duration_s", "inclusive", "eligible"),
    [(119.95, True, True), (119.949, True, False), (120.05, False, False), (120.051, False, True)],
)
def test_a_length_within_the_tolerance_is_the_boundary_itself(duration_s, inclusive, eligible):
    policy = with_changes(SPOTIFY, min_length_inclusive=inclusive)
    assert treat(noise(duration_s), NOISE_ALBUM, policy).eligible is eligible


# 4: an interlude follows its album.


def test_a_noise_interlude_on_a_music_album_is_paid_like_its_album():
    for policy in (SPOTIFY, DEEZER):
        treatment = treat(noise(45.0, functional_type="nature"), MUSIC_ALBUM, policy)
        assert paid(treatment) == ("music", True, 1.0)
        # It is still no musical work: a works licensor must not levy on it.
        assert treatment.ddex_sound_recording_type == "NonMusicalWorkSoundRecording"


def test_rain_between_the_chapters_of_an_audiobook_is_paid_like_speech():
    assert paid(treat(noise(45.0, functional_type="nature"), AUDIOBOOK, SPOTIFY)) == ("speech", True, 1.0)


def test_half_an_album_of_music_is_not_a_music_album():
    assert paid(treat(noise(45.0), ReleaseContext(music=5, functional=5), SPOTIFY)) == ("functional", False, 0.0)
    assert paid(treat(noise(45.0), ReleaseContext(music=6, functional=5), SPOTIFY)) == ("music", True, 1.0)


def test_music_and_spoken_word_together_make_up_a_release_that_is_neither():
    mixed = ReleaseContext(music=3, speech=4, functional=5)
    assert treat(noise(45.0), mixed, SPOTIFY).royalty_class == "speech"
    assert treat(noise(45.0), mixed, with_changes(SPOTIFY, exempt_if_release_is=["musical"])).eligible is False


# 5: silence.


def test_silence_is_functional_content():
    assert paid(treat(noise(300.0, functional_type="silence"), NO_RELEASE, SPOTIFY)) == ("functional", True, 0.2)
    assert treat(noise(300.0, functional_type="silence"), NO_RELEASE, DEEZER).ineligible_reason == (
        "Deezer replaces functional content (silence) with its own and leaves it out of the royalty pool."
    )
    # Ten songs' worth of a hidden track's silence belong to the album.
    assert treat(noise(30.0, functional_type="silence"), MUSIC_ALBUM, SPOTIFY).eligible


def test_a_type_that_the_policy_does_not_name_is_paid_in_full():
    assert paid(treat(noise(30.0, functional_type="tone"), NO_RELEASE, SPOTIFY)) == ("functional", True, 1.0)


# 6: a label in doubt.


def test_noise_in_doubt_is_paid_as_music_until_a_person_has_listened():
    treatment = treat(noise(30.0, decision="review"), NOISE_ALBUM, SPOTIFY)
    assert paid(treatment) == ("pending_review", True, 1.0)
    assert treatment.ddex_sound_recording_type is None


def test_a_contract_may_hold_what_is_in_doubt():
    treatment = treat(song(decision="review"), MUSIC_ALBUM, CONTRACT)
    assert paid(treatment) == ("pending_review", False, 0.0)
    assert treatment.ineligible_reason == (
        "Example Service holds this track's royalties until a person has listened to it: its label is in doubt."
    )


def test_a_contract_may_trust_the_label_meanwhile():
    policy = with_changes(SPOTIFY, review_treatment="as_labelled")
    assert paid(treat(noise(200.0, decision="review"), NOISE_ALBUM, policy)) == ("pending_review", True, 0.2)
    assert paid(treat(song(decision="review"), NOISE_ALBUM, policy)) == ("pending_review", True, 1.0)
    assert paid(treat(noise(30.0, decision="review"), MUSIC_ALBUM, policy)) == ("pending_review", True, 1.0)
    short = treat(noise(30.0, decision="review"), NOISE_ALBUM, policy)
    assert paid(short) == ("pending_review", False, 0.0)
    assert short.ineligible_reason.endswith("30 s long. The label is in doubt; a person will listen to the track.")


# 7: no release id. (Whether a track has one is the transform's to know; then nothing surrounds it.)


def test_noise_without_a_release_has_nothing_to_follow():
    assert paid(treat(noise(45.0), NO_RELEASE, SPOTIFY)) == ("functional", False, 0.0)


# 8: speech, and music.


def test_speech_and_music_are_not_what_the_policies_are_about():
    speech = RoyaltyFacts("speech", None, "auto", 20.0)
    for policy in (SPOTIFY, DEEZER, CONTRACT):
        assert paid(treat(speech, NOISE_ALBUM, policy)) == ("speech", True, 1.0)
        assert paid(treat(song(20.0), NOISE_ALBUM, policy)) == ("music", True, 1.0)
        assert treat(speech, NO_RELEASE, policy).ddex_sound_recording_type == "SpokenWordSoundRecording"
        assert treat(song(), NO_RELEASE, policy).ddex_sound_recording_type == "MusicalWorkSoundRecording"


# 9: pool actions. Zero streams and fewer than 1,000 streams are decided by streams: tests/transforms/test_payout.py.


def test_deezer_replaces_noise_of_any_length():
    for duration_s in (20.0, 120.0, 3600.0):
        assert treat(noise(duration_s), NOISE_ALBUM, DEEZER).ineligible_reason == (
            "Deezer replaces functional content (noise) with its own and leaves it out of the royalty pool."
        )


@pytest.mark.parametrize(
    ("action", "words"), [("exclude", "out of the royalty pool"), ("reject", "does not accept functional content")]
)
def test_other_services_exclude_or_reject(action, words):
    policy = with_changes(DEEZER, pool_action=action)
    treatment = treat(noise(200.0, functional_type="sound_effect"), NOISE_ALBUM, policy)
    assert paid(treatment) == ("functional", False, 0.0)
    assert words in treatment.ineligible_reason
    assert "(sound effect)" in treatment.ineligible_reason


# 10: a policy that changes.


def test_a_changed_policy_applies_from_its_effective_date(tmp_path):
    old = with_changes(CONTRACT, policy_id="ours", version="2025", effective_from="2025-01-01", stream_weight=0.5)
    new = with_changes(CONTRACT, policy_id="ours", version="2026", effective_from="2026-02-01", stream_weight=0.25)
    for policy in (old, new):
        (tmp_path / f"{policy.version}.yaml").write_text(policy.model_dump_json())  # JSON is YAML
    weights = {}
    for day in ("2026-01-31", "2026-02-01"):
        (policy,) = policies_in_force([str(tmp_path)], datetime.date.fromisoformat(day))
        weights[day] = (policy.version, treat(noise(200.0), NOISE_ALBUM, policy).stream_weight)
    assert weights == {"2026-01-31": ("2025", 0.5), "2026-02-01": ("2026", 0.25)}
