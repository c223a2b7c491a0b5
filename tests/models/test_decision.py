"""The decision rule on windows made by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.calibration import Calibration
from models.decision import FLAGS, CostSettings, DecisionSettings, decide_audio, duration_flags, flag_meaning
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from models.window_records import DecodeSummary, WindowPrediction

PLAIN = Calibration(scale=1.0, bias=(0.0, 0.0, 0.0))


def window(start_s, category, *, functional_type="noise", peak_dbfs=-10.0, duration_s=5.0, presence=None, tone_hz=None):
    types = np.full(len(FUNCTIONAL_TYPES), 0.01, np.float32)
    types[FUNCTIONAL_TYPES.index(functional_type)] = 0.93
    category = np.asarray(category, np.float32)
    embedding = np.zeros(4, np.float32)
    embedding[category.argmax()] = 1
    return WindowPrediction(
        start_s, duration_s, peak_dbfs, category, types,
        np.asarray(category if presence is None else presence, np.float32), embedding, tone_hz,
    )  # fmt: skip


MUSIC, NOISE, SPEECH = (0.998, 0.001, 0.001), (0.001, 0.998, 0.001), (0.001, 0.001, 0.998)


def decide(windows, **kwargs):
    summary = kwargs.pop("summary", None) or DecodeSummary(len(windows), windows[-1].start_s + windows[-1].duration_s)
    return decide_audio(windows, summary, PLAIN, DecisionSettings(**kwargs))


@pytest.mark.parametrize(("evidence", "category"), [(MUSIC, "music"), (NOISE, "functional"), (SPEECH, "speech")])
def test_windows_that_agree_are_decided_without_a_person(evidence, category):
    decision = decide([window(5 * i, evidence) for i in range(6)])
    assert (decision.category, decision.review, decision.flags) == (category, False, ())
    assert decision.functional_type == ("noise" if category == "functional" else None)
    assert decision.confidence == pytest.approx(0.998, abs=0.001)
    assert len(decision.segments) == 1


def test_a_label_that_would_cost_more_than_a_review_goes_to_a_person():
    # 3 % chance of music, times 60, is more than one review; the same chance of noise in a music label is not.
    assert decide([window(0, (0.03, 0.965, 0.005))]).flags == ("uncertain",)
    assert not decide([window(0, (0.965, 0.03, 0.005))]).review


def test_costs_come_from_the_settings():
    evidence = [window(0, (0.03, 0.965, 0.005))]
    assert not decide(evidence, costs=CostSettings(music_called_functional=5)).review


def test_silence_is_decided_by_level_whatever_the_network_says():
    decision = decide([window(5 * i, MUSIC, peak_dbfs=-90) for i in range(3)])
    assert (decision.category, decision.functional_type, decision.review) == ("functional", "silence", False)
    assert decision.flags == ("silence_by_level",)
    assert decision.fractions.tolist() == [0, 1, 0]


def test_silent_windows_do_not_vote():
    windows = [window(0, MUSIC), window(5, MUSIC), window(10, NOISE, peak_dbfs=-80)]
    decision = decide(windows)
    assert decision.category == "music"
    assert not decision.review
    assert [s.category for s in decision.segments] == ["music", "functional"]
    assert decision.segments[1].functional_type == "silence"


def test_a_track_that_is_mostly_silent_goes_to_a_person():
    decision = decide([window(0, MUSIC), *(window(5 * i, NOISE, peak_dbfs=-80) for i in range(1, 4))])
    assert "mostly_silent" in decision.flags
    assert decision.review


def test_speech_over_music_is_speech_with_music_in_it():
    decision = decide([window(5 * i, SPEECH, presence=(0.9, 0.1, 0.99)) for i in range(4)])
    assert decision.category == "speech"
    assert decision.fractions.tolist() == [1, 0, 1]
    assert "music_heard" in decision.flags


def test_functional_with_music_in_it_is_never_decided_alone():
    windows = [window(5 * i, NOISE, presence=(0.9, 0.9, 0.0)) for i in range(4)]
    decision = decide(windows)
    assert decision.review
    assert {"music_heard", "uncertain"} <= set(decision.flags)


def test_functional_with_talk_in_it_is_never_decided_alone():
    cafe = [window(5 * i, NOISE, functional_type="ambience", presence=(0.0, 0.9, 0.9 * (i < 2))) for i in range(6)]
    decision = decide(cafe)
    assert (decision.category, decision.flags, decision.review) == ("functional", ("speech_heard",), True)
    # A voice in one window of six is below the share.
    assert decide([*cafe[1:], window(30, NOISE, functional_type="ambience")]).flags == ()
    assert not decide(cafe, max_speech_in_functional=0.4).review


def test_speech_in_music_is_no_matter_for_a_person():
    assert decide([window(5 * i, MUSIC, presence=(0.9, 0.0, 0.9)) for i in range(6)]).flags == ()


@pytest.mark.parametrize(("evidence", "category"), [(MUSIC, "music"), (NOISE, "functional"), (SPEECH, "speech")])
def test_a_least_confidence_counts_for_its_category_alone(evidence, category):
    for named in CATEGORIES:
        flags = decide([window(0, evidence)], min_confidence={named: 0.9985}).flags
        assert flags == (("uncertain",) if named == category else ())
    assert not decide([window(0, evidence)], min_confidence={category: 0.99}).review


def test_costs_as_a_matrix_are_the_costs_by_name():
    matrix = CostSettings(music_called_speech=3, speech_called_music=4).matrix()
    assert matrix[CATEGORIES.index("music"), CATEGORIES.index("speech")] == 3
    assert matrix[CATEGORIES.index("speech"), CATEGORIES.index("music")] == 4
    assert matrix[CATEGORIES.index("music"), CATEGORIES.index("functional")] == 60
    assert matrix.trace() == 0


def test_tonal_functional_sound_is_never_decided_alone():
    # A steady tone and a singing bowl look alike to a classifier; calling the bowl functional takes a musician's money.
    decision = decide([window(5 * i, NOISE, functional_type="tone") for i in range(6)])
    assert (decision.category, decision.functional_type, decision.flags) == ("functional", "tone", ("tonal",))
    assert decision.review


def test_one_steady_tone_is_decided_by_its_signal_whatever_the_network_says():
    decision = decide([window(5 * i, MUSIC, tone_hz=440.0 + 0.1 * i) for i in range(6)])
    assert (decision.category, decision.functional_type, decision.review) == ("functional", "tone", False)
    assert decision.flags == ("tone_by_signal",)
    assert decision.fractions.tolist() == [0, 1, 0]
    assert [(s.category, s.functional_type) for s in decision.segments] == [("functional", "tone")]


@pytest.mark.parametrize(
    "other",
    [{"tone_hz": 494.0}, {"tone_hz": None}, {"tone_hz": 440.0, "peak_dbfs": -12.0}],
    ids=["another note", "no tone", "quieter"],
)
def test_tones_that_are_not_one_steady_tone_are_left_to_the_network(other):
    windows = [*(window(5 * i, MUSIC, tone_hz=440.0) for i in range(5)), window(25, MUSIC, **other)]
    assert (decide(windows).category, decide(windows).flags) == ("music", ())


def test_a_tone_with_silence_around_it_is_a_tone():
    decision = decide([window(0, MUSIC, tone_hz=440.0), window(5, MUSIC, peak_dbfs=-90.0)])
    assert (decision.functional_type, decision.flags) == ("tone", ("tone_by_signal",))
    assert [s.functional_type for s in decision.segments] == ["tone"]


@pytest.mark.parametrize("flag", ["above_full_scale", "channels_cancel", "non_finite_samples"])
def test_silence_that_the_file_may_only_feign_goes_to_a_person(flag):
    # A song with one channel turned upside down is silent in the mix; calling it silence takes a musician's money.
    summary = DecodeSummary(1, 5.0, flags=(flag,))
    decision = decide([window(0, NOISE, peak_dbfs=-200)], summary=summary)
    assert decision.functional_type == "silence"
    assert decision.review


def test_windows_that_disagree_go_to_a_person():
    decision = decide([window(5 * i, MUSIC if i % 2 else SPEECH) for i in range(6)])
    assert "mixed_content" in decision.flags
    assert decision.review
    assert len(decision.segments) == 6


def test_a_file_cut_off_is_labelled_and_reviewed():
    summary = DecodeSummary(1, 5.0, declared_duration_s=60.0, flags=("truncated",))
    decision = decide([window(0, MUSIC)], summary=summary)
    assert (decision.category, decision.review) == ("music", True)
    assert decision.flags == ("shorter_than_catalog", "truncated")


def test_a_decoder_that_failed_after_some_windows_counts_as_cut_off():
    summary = DecodeSummary(1, 5.0, error_type="decoder_crash", message="killed by SIGSEGV")
    assert "shorter_than_catalog" in decide([window(0, MUSIC)], summary=summary).flags


def test_no_window_is_an_error():
    with pytest.raises(ValueError, match="at least one window"):
        decide_audio([], DecodeSummary(0, 0.0), PLAIN, DecisionSettings())


def test_a_window_that_could_not_be_classified_is_no_ground_for_a_decision():
    failed = dataclasses.replace(window(5, MUSIC), failure="ZeroDivisionError (float division by zero)")
    with pytest.raises(ValueError, match="could not be classified"):
        decide([window(0, MUSIC), failed])


@pytest.mark.parametrize(
    ("duration_s", "catalog_ms", "flags"),
    [(180.0, 180_000, []), (178.1, 180_000, []), (176.0, 180_000, ["shorter_than_catalog"]),
     (190.0, 180_000, ["longer_than_catalog"]), (5.0, 6_900, []), (5.0, None, []), (5.0, 0, []),
     (980.1, 1_000_000, []), (979.9, 1_000_000, ["shorter_than_catalog"])],
)  # fmt: skip
def test_duration_tolerance(duration_s, catalog_ms, flags):
    assert duration_flags(duration_s, catalog_ms, DecisionSettings()) == flags


_probability = st.tuples(*[st.floats(0.01, 1.0)] * 3).map(lambda p: tuple(x / sum(p) for x in p))


@settings(max_examples=200)
@given(
    st.lists(st.tuples(_probability, st.floats(-120, 0), st.floats(0.1, 5.0), _probability), min_size=1, max_size=12)
)
def test_any_windows_give_a_consistent_decision(rows):
    windows = [window(5 * i, p, peak_dbfs=d, duration_s=s, presence=q) for i, (p, d, s, q) in enumerate(rows)]
    decision = decide(windows)
    assert decision.probabilities.sum() == pytest.approx(1)
    assert decision.confidence == decision.probabilities.max()
    assert decision.category == CATEGORIES[int(decision.probabilities.argmax())]
    assert (decision.functional_type is not None) == (decision.category == "functional")
    assert ((decision.fractions >= 0) & (decision.fractions <= 1 + 1e-9)).all()
    assert np.linalg.norm(decision.embedding) == pytest.approx(1, abs=1e-5)
    assert set(decision.flags) <= set(FLAGS)
    assert [s.start_s for s in decision.segments] == sorted(s.start_s for s in decision.segments)
    assert all(a.category != b.category for a, b in zip(decision.segments, decision.segments[1:], strict=False))


@pytest.mark.parametrize(
    ("duration_s", "catalog_ms", "flags"),
    [(183.4, 183, ["duration_in_other_unit", "longer_than_catalog"]),
     (10.4, 11, ["duration_in_other_unit", "longer_than_catalog"]),
     (9.9, 10, ["longer_than_catalog"]), (183.4, 188, ["longer_than_catalog"]), (183.4, 1, ["longer_than_catalog"]),
     (183.4, 183_000_000, ["duration_in_other_unit", "shorter_than_catalog"]),
     (183.4, 366_000_000, ["shorter_than_catalog"]), (1.5, 1_500_000, ["shorter_than_catalog"])],
)  # fmt: skip
def test_a_length_in_another_unit_is_told(duration_s, catalog_ms, flags):
    assert duration_flags(duration_s, catalog_ms, DecisionSettings()) == flags


def test_a_flag_says_of_music_nothing_that_is_true_of_functional_tracks_alone():
    assert flag_meaning("uncertain", "functional") == FLAGS["uncertain"]
    of_music = flag_meaning("uncertain", "music")
    assert of_music.endswith("above the cost of a review, or the confidence is below the category's least.")
    assert flag_meaning("tonal", "functional") == FLAGS["tonal"]
    assert flag_meaning("of_a_later_earmark", "music") == "of_a_later_earmark"
