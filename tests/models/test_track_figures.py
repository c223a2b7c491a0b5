"""Figures of types and of pairs on cases that can be worked out by hand, and against counting one by one."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from models.track_figures import NO_TYPE, JudgedTracks, kept_category, slice_figures, type_figures


def tracks_of(rows):
    """From (truth, called, true type, called type, auto, package)."""
    truth, called, true_type, called_type, auto, package = zip(*rows, strict=True)
    type_index = {None: NO_TYPE} | {name: i for i, name in enumerate(FUNCTIONAL_TYPES)}
    called_index = np.array([CATEGORIES.index(c) for c in called])
    return JudgedTracks(
        truth=np.array([CATEGORIES.index(t) for t in truth]),
        called=called_index,
        probabilities=np.eye(3)[called_index] * 0.7 + 0.1,
        auto=np.array(auto),
        true_type=np.array([type_index[t] for t in true_type]),
        called_type=np.array([type_index[t] for t in called_type]),
        package=np.array(package),
    )


def test_the_costly_errors_are_counted_as_called_and_as_acted_on():
    music, noise = ("music", None), ("functional", "noise")
    rows = [
        ("music", music[0], None, music[1], True, "a"),
        ("music", noise[0], None, noise[1], True, "a"),
        ("music", noise[0], None, noise[1], False, "b"),
        ("functional", noise[0], "noise", noise[1], True, "b"),
    ]
    figures = slice_figures(tracks_of(rows))
    assert (figures["tracks"], figures["packages"]) == (4, 2)
    assert figures["music_called_functional"]["value"] == 2
    assert figures["music_called_functional_rate"]["value"] == pytest.approx(2 / 3)
    assert figures["music_called_functional_auto"]["value"] == 1
    assert figures["review_share"]["value"] == 0.25
    assert figures["accuracy_auto"]["value"] == pytest.approx(2 / 3)
    assert figures["recall_speech"] == {"value": None, "low": None, "high": None}
    assert figures["balanced_accuracy"]["value"] == pytest.approx((1 / 3 + 1) / 2)
    assert figures["expected_calibration_error"]["value"] == pytest.approx(0.3)
    assert figures["confusion"]["music"] == {"music": 1, "functional": 2, "speech": 0}


def test_type_figures():
    rows = [
        *[("functional", "functional", "noise", "noise", True, f"p{i}") for i in range(15)],
        *[("functional", "functional", "noise", "machine", True, f"p{i}") for i in range(5)],
        *[("functional", "functional", "machine", "machine", True, f"p{i}") for i in range(16)],
        *[("functional", "music", "machine", None, True, f"p{i}") for i in range(4)],
        ("functional", "functional", "tone", "noise", True, "p0"),
        ("functional", "functional", None, "noise", True, "p0"),  # of a type that nobody knows
        ("music", "functional", None, "noise", True, "p0"),  # an error of the category
    ]
    figures = type_figures(tracks_of(rows))
    assert figures["tracks"] == 41
    assert figures["types_in_macro_f1"] == ["noise", "machine"]
    assert figures["types"]["noise"]["recall"]["value"] == pytest.approx(15 / 20)
    assert figures["types"]["noise"]["f1"]["value"] == pytest.approx(2 * 15 / (20 + 16))
    assert figures["types"]["machine"]["recall"]["value"] == pytest.approx(16 / 20)
    assert figures["types"]["machine"]["f1"]["value"] == pytest.approx(2 * 16 / (20 + 21))
    assert figures["types"]["tone"]["f1"]["value"] == 0
    assert figures["macro_f1"]["value"] == pytest.approx((30 / 36 + 32 / 41) / 2)
    assert figures["macro_f1"]["low"] <= figures["macro_f1"]["value"] <= figures["macro_f1"]["high"]
    assert figures["accuracy"]["value"] == pytest.approx(31 / 41)
    assert figures["accuracy_when_called_functional"]["value"] == pytest.approx(31 / 37)
    assert figures["confusion"]["machine"]["not functional"] == 4
    assert figures["confusion"]["noise"]["machine"] == 5
    assert sum(sum(row.values()) for row in figures["confusion"].values()) == 41


def test_no_tracks_give_nulls():
    none = tracks_of([("music", "music", None, None, True, "a")]).of(np.zeros(1, bool))
    assert slice_figures(none)["balanced_accuracy"]["value"] is None
    assert type_figures(none)["macro_f1"]["value"] is None
    assert type_figures(none)["confusion"] == {}


@given(st.lists(st.tuples(st.sampled_from(["", "x", "y", "z"]), st.integers(0, 2)), min_size=1, max_size=14))
def test_kept_category_counts_pairs_of_one_recording(rows):
    group, called = (np.array(column) for column in zip(*rows, strict=True))
    pairs = [(a, b) for a, b in itertools.combinations(rows, 2) if a[0] == b[0] != ""]
    figures = kept_category(group, called, np.full(len(rows), "p"))
    assert figures["pairs"] == len(pairs)
    if pairs:
        assert figures["kept"]["value"] == pytest.approx(sum(a[1] == b[1] for a, b in pairs) / len(pairs))
    else:
        assert figures["kept"]["value"] is None
