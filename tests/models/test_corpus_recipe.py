"""The recipe: the committed one is sound, and the rules choose as its header says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from models.corpus_recipe import LONGEST_S, Audio, Package, Rule, read_recipe, select
from models.labels_of_corpus import FUNCTIONAL_TYPE_OF_SUBTYPE

RECIPE = Path(__file__).parents[2] / "configs" / "corpus_recipe.yaml"


def package(*rules):
    return Package(name="p", source="debian", version="1", split="train", download_mb=1.0, rules=list(rules))


def music(files, **more):
    return Rule.model_validate({"files": files, "label": "music", "subtype": "pop", "from": "folder", **more})


def audio(*paths, seconds=10.0):
    return {path: Audio(hashlib.sha256(path.encode()).hexdigest(), seconds, 44_100) for path in paths}


def paths_of(choices):
    return [choice.path for choice in choices]


def test_the_committed_recipe():
    recipe = read_recipe(str(RECIPE))
    assert len(recipe.packages) == 120
    assert [p.name for p in recipe.packages if p not in recipe.chosen(small=True)] == [
        "0ad-data",
        "flightgear-data-base",
        "nexuiz-data",
        "redeclipse-data",
        "supertuxkart-data",
        "widelands-data",
    ]
    functional = {r.subtype for p in recipe.packages for r in p.rules if r.label == "functional"}
    assert functional - set(FUNCTIONAL_TYPE_OF_SUBTYPE) == {"drone_bed"}
    game = next(p for p in recipe.packages if p.name == "btanks-data")
    assert game.rule_for("usr/share/games/btanks/data/sounds/ambient/forest.ogg").subtype == "birds_nature"
    assert game.rule_for("usr/share/games/btanks/data/sounds/ambient/city.ogg") is None
    assert game.rule_for("usr/share/games/btanks/data/sounds/shot.ogg").subtype == "sfx"
    assert game.rule_for("usr/share/games/btanks/data/readme.ogg") is None


def test_packages_by_name_keep_the_order_of_the_recipe():
    recipe = read_recipe(str(RECIPE))
    assert [p.name for p in recipe.chosen(["bzflag-data", "ballz-data"])] == ["ballz-data", "bzflag-data"]
    assert [p.name for p in recipe.chosen(["0ad-data", "ballz-data"], small=True)] == ["ballz-data"]


def test_the_first_rule_that_matches_decides_whatever_the_case():
    rules = music("Intro", leave_out=False), Rule(files="music/menu", leave_out=True), music("MUSIC/", at_least_s=3)
    found = audio("Music/b.ogg", "music/a.ogg", "music/Menu.ogg", "sound/intro.ogg", "sound/x.ogg")
    assert paths_of(select(package(*rules), found, set())) == ["sound/intro.ogg", "Music/b.ogg", "music/a.ogg"]


@pytest.mark.parametrize(("seconds", "count"), [(2.99, 0), (3.0, 1), (LONGEST_S, 1), (LONGEST_S + 1, 0), (0.0, 0)])
def test_length(seconds, count):
    assert len(select(package(music(".", at_least_s=3)), audio("a.ogg", seconds=seconds), set())) == count


def test_no_audio_is_never_taken():
    assert select(package(music(".")), audio("a.ogg", seconds=0.0), set()) == []


def test_at_most_takes_them_in_the_order_of_the_md5_of_their_paths():
    paths = [f"sounds/{number}.wav" for number in range(9)]
    by_md5 = sorted(paths, key=lambda path: hashlib.md5(path.encode()).hexdigest())
    assert by_md5[:4] != paths[:4]
    assert paths_of(select(package(music(".", at_most=4)), audio(*paths), set())) == by_md5[:4]
    assert paths_of(select(package(music(".", at_most=9)), audio(*paths), set())) == paths


def test_what_is_too_short_or_a_copy_does_not_count_against_at_most():
    paths = [f"sounds/{number}.wav" for number in range(9)]
    by_md5 = sorted(paths, key=lambda path: hashlib.md5(path.encode()).hexdigest())
    found = audio(*paths)
    found[by_md5[0]] = found[by_md5[0]]._replace(duration_s=0.5)
    found[by_md5[2]] = found[by_md5[2]]._replace(sha256=found[by_md5[1]].sha256)
    taken = {found[by_md5[3]].sha256}
    chosen = select(package(music(".", at_least_s=1, at_most=3)), found, taken)
    assert paths_of(chosen) == [by_md5[1], by_md5[4], by_md5[5]]
    assert taken == {found[by_md5[place]].sha256 for place in (1, 3, 4, 5)}
