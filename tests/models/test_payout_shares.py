"""A pool is divided to the last cent, and one track's change moves only what it must."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.payout_shares import PayoutCell, differences, divide_pool, largest_remainder, scaled

POOLS = st.integers(0, 10**15)
WEIGHTS = st.integers(0, 10**27) | st.integers(0, 5)
KEYS = st.tuples(st.none() | st.sampled_from(["A", "B", "C"]), st.sampled_from(["music", "functional", "speech"]))


def cell(key, weighted_units: int) -> PayoutCell:
    return PayoutCell(key[0], key[1], 1, 0, 0, 0, weighted_units)


CELLS = st.dictionaries(KEYS, WEIGHTS, max_size=12).map(lambda found: [cell(*item) for item in found.items()])


def test_a_dollar_among_three():
    assert largest_remainder(100, [1, 1, 1]) == [34, 33, 33]
    assert largest_remainder(100, [1, 2, 3]) == [17, 33, 50]
    assert largest_remainder(100, [0, 0]) == [0, 0]
    assert largest_remainder(100, []) == []


@pytest.mark.parametrize(("total", "weights"), [(-1, [1]), (1, [2, -1])])
def test_nothing_negative_is_divided(total, weights):
    with pytest.raises(ValueError, match="negative"):
        largest_remainder(total, weights)


@given(POOLS, st.lists(WEIGHTS, max_size=30))
@settings(max_examples=60)
def test_parts_add_up_and_are_the_exact_ones_rounded(total, weights):
    parts = largest_remainder(total, weights)
    whole = sum(weights)
    assert sum(parts) == (total if whole else 0)
    for part, weight in zip(parts, weights, strict=True):
        assert part >= 0
        if whole:
            assert abs(part - Fraction(total * weight, whole)) < 1
        if not weight:
            assert part == 0


@given(POOLS, CELLS)
@settings(max_examples=60)
def test_a_pool_adds_up_for_every_order_of_its_cells(total, cells):
    divided = divide_pool(cells, total)
    assert divided.keys() == {c.key for c in cells}
    assert sum(divided.values()) == (total if any(c.weighted_units for c in cells) else 0)
    assert all(cents >= 0 for cents in divided.values())
    assert divide_pool(cells[::-1], total) == divided


@given(POOLS, st.dictionaries(KEYS, st.integers(1, 10**15), min_size=2), st.data())
@settings(max_examples=100)
def test_a_track_that_changes_class_but_not_weight_leaves_other_licensors_alone(total, weights, data):
    (licensor, old), units = data.draw(st.sampled_from(sorted(weights.items(), key=repr)))
    new = data.draw(st.sampled_from(["music", "functional", "speech"]))
    moved = data.draw(st.integers(0, units))
    after = dict(weights)
    after[licensor, old] -= moved
    after[licensor, new] = after.get((licensor, new), 0) + moved
    paid = [divide_pool([cell(*item) for item in found.items()], total) for found in (weights, after)]
    for key, before_cents, after_cents in differences(*paid):
        if key[0] != licensor:
            assert before_cents == after_cents
        elif key[1] not in (old, new):
            assert abs(before_cents - after_cents) <= 1  # its part of the licensor's rounding
    of_licensor = [sum(cents for key, cents in found.items() if key[0] == licensor) for found in paid]
    assert of_licensor[0] == of_licensor[1]


@given(POOLS, CELLS, st.data())
@settings(max_examples=60)
def test_a_track_that_counts_less_costs_its_own_cell_and_gives_to_the_others(total, cells, data):
    assume(sum(c.weighted_units > 0 for c in cells) > 1)
    chosen = data.draw(st.sampled_from([c for c in cells if c.weighted_units]))
    less = dataclasses.replace(chosen, weighted_units=data.draw(st.integers(0, chosen.weighted_units - 1)))
    before, after = divide_pool(cells, total), divide_pool([c if c != chosen else less for c in cells], total)
    # Exactly so, but for a cent of rounding at each of the two levels.
    assert after[chosen.key] <= before[chosen.key] + 2
    for other in cells:
        if other.key != chosen.key:
            assert after[other.key] >= before[other.key] - 2


@given(st.integers(-(10**30), 10**30), st.integers(0, 9))
@settings(max_examples=60)
def test_units_become_decimals_exactly(units, digits):
    assert Fraction(scaled(units, digits)) == Fraction(units, 10**digits)
    assert f"{scaled(123456, 2):,}" == "1,234.56"
    assert str(scaled(0, 2)) == "0.00"
    assert scaled(-5, 2) == Decimal("-0.05")
