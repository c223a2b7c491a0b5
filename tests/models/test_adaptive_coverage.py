"""When a label is settled, and what several rounds of decoding add up to."""

from __future__ import annotations

import dataclasses

import pytest

from models.adaptive_coverage import DOUBTS, is_settled, longest_unheard_s, merge_summaries, needs_more
from models.decision import FLAGS, CostSettings, DecisionSettings, decide_audio
from models.window_records import DecodeSummary, WindowPrediction
from tests.models.test_decision import MUSIC, NOISE, PLAIN, SPEECH, window


def more(windows: list[WindowPrediction], summary: DecodeSummary | None = None, **settings: object) -> bool:
    summary = summary or DecodeSummary(len(windows), 60.0)
    return needs_more(windows, summary, PLAIN, DecisionSettings(**settings))


@pytest.mark.parametrize("evidence", [MUSIC, NOISE, SPEECH])
def test_windows_that_agree_settle_a_label(evidence: tuple[float, ...]) -> None:
    assert not more([window(10, evidence), window(30, evidence), window(50, evidence)])


def test_a_long_stretch_that_nobody_heard_asks_for_more() -> None:
    """Ten minutes of noise may hide a song between three windows that agree."""
    windows = [window(97.5, NOISE), window(297.5, NOISE), window(497.5, NOISE)]
    assert longest_unheard_s(windows, 600.0) == pytest.approx(195)
    assert more(windows, DecodeSummary(3, 600.0))
    assert not more(windows, DecodeSummary(3, 600.0), settled_unheard_s=200.0)
    assert longest_unheard_s(windows[:1], 600.0) == pytest.approx(497.5)
    # The middles of the thirds of a long song.
    song = [window(45, MUSIC), window(140, MUSIC), window(235, MUSIC)]
    assert not more(song, DecodeSummary(3, 285.0))


def test_one_window_that_differs_asks_for_more() -> None:
    """Also where the others outvote it: one of many is noise in a song, one of three is a third of the track."""
    windows = [window(5 * i, MUSIC) for i in range(7)] + [window(35, (0.4, 0.5, 0.1), presence=(1, 0, 0))]
    decision = decide_audio(windows, DecodeSummary(8, 40.0), PLAIN, DecisionSettings())
    assert (decision.category, decision.review) == ("music", False)
    assert more(windows)
    assert not more(windows[:7])


def test_a_doubt_alone_is_heard_in_no_more_windows_than_the_setting_says() -> None:
    windows = [window(20 * i, NOISE if i % 2 else MUSIC) for i in range(9)]
    assert more(windows[:8], DecodeSummary(8, 160.0))
    assert not more(windows, DecodeSummary(9, 180.0))
    assert more(windows, DecodeSummary(9, 180.0), doubt_windows=27)
    assert more(windows, DecodeSummary(9, 300.0))  # two minutes at the end that nobody heard


@pytest.mark.parametrize(
    ("windows", "flag"),
    [
        ([window(0, (0.03, 0.965, 0.005))], "uncertain"),
        ([window(0, NOISE), window(9, NOISE), window(18, MUSIC)], "music_heard"),
        ([window(0, NOISE), window(9, MUSIC)], "mixed_content"),
        ([window(0, NOISE, functional_type="tone")], "tonal"),
        ([window(0, MUSIC), window(9, MUSIC, peak_dbfs=-90), window(18, MUSIC, peak_dbfs=-90)], "mostly_silent"),
        ([window(0, MUSIC, peak_dbfs=-90), window(9, MUSIC, peak_dbfs=-90)], "silence_by_level"),
    ],
)
def test_a_flag_that_more_windows_may_clear_asks_for_them(windows: list[WindowPrediction], flag: str) -> None:
    decision = decide_audio(windows, DecodeSummary(len(windows), 60.0), PLAIN, DecisionSettings())
    assert flag in decision.flags
    assert more(windows)


def test_every_flag_is_a_doubt_or_says_nothing_of_windows() -> None:
    """A new flag has to be sorted into one or the other."""
    of_the_file = {"above_full_scale", "channels_cancel", "decoded_by_fallback", "non_finite_samples", "truncated"}
    of_the_catalog = {
        flag for flag in FLAGS if flag.endswith(("_contradicts_audio", "_than_catalog", "_in_other_unit"))
    }
    assert set(FLAGS) == DOUBTS | of_the_file | of_the_catalog
    assert not DOUBTS & (of_the_file | of_the_catalog)


def test_a_silent_window_between_does_not() -> None:
    assert not more([window(0, MUSIC), window(9, NOISE, peak_dbfs=-90), window(18, MUSIC)])


def test_flags_of_the_file_do_not() -> None:
    """A person listens to those tracks whatever the next windows say."""
    flags = ("above_full_scale", "channels_cancel", "decoded_by_fallback", "non_finite_samples", "truncated")
    assert not more([window(0, MUSIC)], DecodeSummary(1, 60.0, flags=flags))


def test_the_cost_share_bounds_what_may_be_settled() -> None:
    windows = [window(0, (0.95, 0.04, 0.01))]  # costs 0.3 reviews
    assert more(windows, settled_cost_share=0.29)
    assert not more(windows, settled_cost_share=0.31)
    assert not more(windows, settled_cost_share=0.29, costs=CostSettings(review=2.0))


def test_a_file_that_failed_is_not_asked_again() -> None:
    doubtful = [window(0, NOISE), window(9, MUSIC)]
    assert more(doubtful)
    assert not more(doubtful, DecodeSummary(2, 14.0, error_type="decode_timeout", message="."))
    assert not more([], DecodeSummary(0, 0.0, error_type="decoder_crash", message="."))


def test_settled_is_the_contrary_of_needing_more() -> None:
    for windows in ([window(0, MUSIC)], [window(0, (0.5, 0.4, 0.1))]):
        decision = decide_audio(windows, DecodeSummary(1, 5.0), PLAIN, DecisionSettings())
        assert is_settled(decision, windows, DecisionSettings()) != more(windows)


def test_one_summary_stays_what_it_is() -> None:
    for summary in (
        DecodeSummary(3, 61.5, 61.6, ("truncated",)),
        DecodeSummary(0, 0.0, error_type="empty_audio", message="The file has 0 bytes."),
        DecodeSummary(1, 5.0, 9.0, (), "decoder_crash", "SIGSEGV"),
    ):
        assert merge_summaries([summary]) == summary


def test_rounds_add_up() -> None:
    first = DecodeSummary(3, 61.5, 61.6, ("decoded_by_fallback",))
    assert merge_summaries([first, DecodeSummary(6, 61.498, 61.6, ("channels_cancel",)), first]) == DecodeSummary(
        12, 61.5, 61.6, ("channels_cancel", "decoded_by_fallback")
    )


@pytest.mark.parametrize("windows", [0, 2])
def test_a_later_round_that_failed_leaves_its_error_and_takes_no_window_away(windows: int) -> None:
    failed = DecodeSummary(windows, 5.0 * windows, error_type="decode_timeout", message="Too slow.")
    merged = merge_summaries([DecodeSummary(3, 61.5, 61.6), failed])
    assert merged == DecodeSummary(3 + windows, 61.5, 61.6, (), "decode_timeout", "Too slow.")
    decision = decide_audio([window(10 * i, MUSIC) for i in range(3 + windows)], merged, PLAIN, DecisionSettings())
    assert decision.review
    assert {"truncated", "shorter_than_catalog"} <= set(decision.flags)


def test_a_track_with_a_window_that_could_not_be_classified_is_not_heard_again() -> None:
    windows = [window(30 * i, MUSIC) for i in range(2)]
    assert more(windows, DecodeSummary(2, 600.0))
    failed = dataclasses.replace(windows[1], failure="ZeroDivisionError")
    assert not more([windows[0], failed], DecodeSummary(2, 600.0))
