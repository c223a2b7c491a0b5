"""Neighbours against asking one by one, and on cases that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.neighbours import NEIGHBOURS, nearest, neighbour_figures
from models.taxonomy import FUNCTIONAL_TYPES
from models.track_figures import NO_TYPE, JudgedTracks

MUSIC, FUNCTIONAL, SPEECH = 0, 1, 2


def tracks_of(truth, true_type, package):
    count = len(truth)
    return JudgedTracks(
        truth=np.array(truth, np.int64),
        called=np.zeros(count, np.int64),
        probabilities=np.full((count, 3), 1 / 3),
        auto=np.ones(count, bool),
        true_type=np.array(true_type, np.int64),
        called_type=np.full(count, NO_TYPE),
        package=np.array(package, np.str_),
    )


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5


@settings(max_examples=50)
@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 2**32))
def test_as_one_would_find_them_one_by_one(count, packages, seed):
    rng = np.random.default_rng(seed)
    embeddings = rng.standard_normal((count, 4)).astype(np.float32) * rng.uniform(0.1, 9, (count, 1))
    truth = rng.integers(0, 3, count)
    types = np.where(truth == FUNCTIONAL, rng.integers(-1, 2, count), NO_TYPE)
    package = [f"p{number}" for number in rng.integers(0, packages, count)]
    near = nearest(embeddings, np.array(package))
    same_category, same_type, category_chance, type_chance = [], [], [], []
    vectors = embeddings.astype(float).tolist()
    for place in range(count):
        others = [i for i in range(count) if package[i] != package[place]]
        found = sorted(others, key=lambda i: -cosine(vectors[place], vectors[i]))[:NEIGHBOURS]
        assert near[place].tolist() == found + [-1] * (NEIGHBOURS - len(found))
        if any(truth[i] == truth[place] for i in others):
            same_category.append(np.mean([truth[i] == truth[place] for i in found]))
            category_chance.append(np.mean([truth[i] == truth[place] for i in others]))
        if types[place] != NO_TYPE and any(types[i] == types[place] for i in others):
            same_type.append(np.mean([types[i] == types[place] for i in found]))
            type_chance.append(np.mean([types[i] == types[place] for i in others]))
    figures = neighbour_figures(embeddings, tracks_of(truth, types, package))
    for name, same, chance in (("category", same_category, category_chance),
                               ("functional_type", same_type, type_chance)):  # fmt: skip
        assert figures[name]["tracks"] == len(same)
        if same:
            assert figures[name]["same"]["value"] == pytest.approx(np.mean(same))
            assert figures[name]["chance"] == pytest.approx(np.mean(chance))
        else:
            assert (figures[name]["same"]["value"], figures[name]["chance"]) == (None, None)


def test_of_equals_the_first_goes_first_whatever_the_length():
    embeddings = np.array([[2, 1], [4, 2], [1, 0.5], [0, 0], [-1, 3]], np.float32)
    near = nearest(embeddings, np.array(["a", "b", "c", "d", "e"]), 3)
    assert near.tolist() == [[1, 2, 4], [0, 2, 4], [0, 1, 4], [0, 1, 2], [0, 1, 2]]


def test_two_kinds_that_lie_apart():
    packages = 24
    truth = [MUSIC, FUNCTIONAL] * packages
    noise = FUNCTIONAL_TYPES.index("noise")
    embeddings = np.array([[1.0, 0.0], [0.0, 1.0]] * packages)
    package = [f"p{i // 2}" for i in range(2 * packages)]
    figures = neighbour_figures(embeddings, tracks_of(truth, [NO_TYPE, noise] * packages, package))
    assert figures["category"]["same"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert figures["category"]["chance"] == 0.5
    assert (figures["category"]["tracks"], figures["category"]["packages"]) == (48, 24)
    assert list(figures["categories"]) == ["music", "functional"]
    assert figures["types"]["noise"] == figures["functional_type"]
    assert figures["functional_type"]["same"]["value"] == 1


def test_one_package_has_no_neighbours():
    figures = neighbour_figures(np.eye(3), tracks_of([MUSIC, SPEECH, MUSIC], [NO_TYPE] * 3, ["a"] * 3))
    nothing = {"tracks": 0, "packages": 0, "same": {"value": None, "low": None, "high": None}, "chance": None}
    assert figures["category"] == nothing
    assert figures["categories"] == {"music": nothing, "speech": nothing}
    assert figures["types"] == {}
    assert neighbour_figures(np.zeros((0, 0)), tracks_of([], [], []))["category"] == nothing
