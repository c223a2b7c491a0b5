"""Where the windows of each round lie: nested, none heard twice, and at last what one round of all of them hears."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.audio_windows import SHORTEST_TAIL_S, window_starts
from models.window_records import DecodePlan

RATE_HZ = 100
plans = st.builds(
    lambda first, power, window_s: DecodePlan(
        sample_rate_hz=RATE_HZ, window_s=window_s, sampled_windows=first, max_sampled_windows=first * 3**power
    ),
    first=st.integers(1, 12),
    power=st.integers(0, 3),
    window_s=st.sampled_from([0.5, 1.0, 5.0]),
)
lengths = st.integers(1, 400_000)


def rounds(total: int, plan: DecodePlan) -> list[list[int]]:
    return [window_starts(total, plan, i) for i in range(len(plan.round_windows))]


@given(plans, lengths)
def test_no_sample_is_heard_twice(plan: DecodePlan, total: int) -> None:
    starts = sorted(itertools.chain(*rounds(total, plan)))
    assert starts[0] >= 0
    assert all(after - before >= plan.window_samples for before, after in itertools.pairwise(starts))
    assert starts[-1] < total


@given(plans, lengths)
def test_all_rounds_together_are_one_round_of_as_many(plan: DecodePlan, total: int) -> None:
    most = DecodePlan(sample_rate_hz=RATE_HZ, window_s=plan.window_s, sampled_windows=plan.round_windows[-1])
    assert sorted(itertools.chain(*rounds(total, plan))) == window_starts(total, most)


@given(plans, lengths)
def test_each_round_hears_as_many_as_it_says_until_the_track_is_through(plan: DecodePlan, total: int) -> None:
    heard = 0
    for count, starts in zip(plan.round_windows, rounds(total, plan), strict=True):
        heard += len(starts)
        if count < total // plan.window_samples:
            assert heard == count
            assert all(start + plan.window_samples <= total for start in starts)
        else:
            whole = total // plan.window_samples
            tail = total % plan.window_samples
            everything = whole + (tail >= SHORTEST_TAIL_S * RATE_HZ or not whole)
            assert heard in (count, everything)


@given(st.integers(1, 12), st.integers(1, 3), st.integers(1, 4_000))
def test_a_round_keeps_the_windows_of_the_one_before_in_its_own_grid(first: int, power: int, extra: int) -> None:
    """On a track that is long enough, the windows after each round are those of a fixed number of windows."""
    plan = DecodePlan(sample_rate_hz=RATE_HZ, window_s=0.5, sampled_windows=first, max_sampled_windows=first * 3**power)
    total = plan.round_windows[-1] * plan.window_samples + extra
    heard: list[int] = []
    for count, starts in zip(plan.round_windows, rounds(total, plan), strict=True):
        heard = sorted(heard + starts)
        fixed = DecodePlan(sample_rate_hz=RATE_HZ, window_s=0.5, sampled_windows=count)
        assert heard == window_starts(total, fixed)


def test_the_middles_of_thirds_then_of_ninths() -> None:
    plan = DecodePlan(sample_rate_hz=10, window_s=2.0, sampled_windows=3, max_sampled_windows=9)
    assert rounds(1_800, plan) == [[290, 890, 1490], [90, 490, 690, 1090, 1290, 1690]]
    assert window_starts(1_800, plan, 2) == []


def test_a_short_track_is_heard_in_windows_back_to_back() -> None:
    plan = DecodePlan(sample_rate_hz=10, window_s=5.0, sampled_windows=3, max_sampled_windows=27)
    assert rounds(120, plan) == [[0, 50, 100], [], []]
    assert rounds(620, plan) == [[100, 300, 500], [0, 150, 200, 350, 400, 550], [50, 250, 450, 600]]


@pytest.mark.parametrize("change", [{"max_sampled_windows": None}, {"max_sampled_windows": 3}, {"coverage": "full"}])
def test_one_round_where_no_other_is_asked_for(change: dict[str, object]) -> None:
    plan = DecodePlan(**{"sampled_windows": 3, "max_sampled_windows": 27, **change})
    assert plan.round_windows == (3,)
    assert window_starts(100 * 16_000, plan, 1) == []
