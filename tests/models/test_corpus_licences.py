"""The licence of a file, from the copyright files that Debian packages have."""

from __future__ import annotations

import pytest

from models.corpus_licences import NOT_STATED, Licences

FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"


def copyright_file(**licence_of):
    paragraphs = [
        f"Files: {files}\nCopyright: 2020 Nobody\nLicense: {licence}\n" for licence, files in licence_of.items()
    ]
    return "\n".join([FORMAT, *paragraphs])


def licences(text, package="game-data", by_hand=None):
    return Licences({f"usr/share/doc/{package}/copyright": text}, package, by_hand)


@pytest.mark.parametrize(
    ("path", "licence"),
    [
        ("usr/share/games/game/Data/Sounds/voices/a.ogg", "GFDL"),
        ("usr/share/games/game/Data/Sounds/Drop1.ogg", "BY"),
        ("usr/share/games/game/Data/Music/a.ogg", "GPL"),
        ("usr/share/game/music/end.ogg", "SA"),
        ("usr/share/game/music/other.ogg", "GPL"),
        ("usr/share/game/other-name/theme-2.flac", "SA"),
        ("usr/share/game/mods/tnt/sounds/bang.ogg", "CC0"),
        ("usr/share/game/mods/env/sounds/water.ogg", "OGG"),
        ("usr/share/game/data.pk3!/mods/tnt/sounds/bang.ogg", "CC0"),
    ],
)
def test_the_paragraph_that_fits_best_wins_wherever_the_file_is_installed(path, licence):
    text = copyright_file(
        GPL="*",
        OGG="mods/*.ogg",
        GFDL="share/game/Data/Sounds/*",
        BY="share/game/Data/Sounds/Drop*.ogg",
        Engine="game/*",
        SA="data/music/end.ogg\n data/music/theme-*",
        CC0="mtg/mods/tnt/sounds/*, README",
    )
    text = text.replace("License: Engine", "License: GPL")
    assert licences(text).of(path) == licence


def test_the_last_of_two_that_fit_alike_wins():
    assert licences(copyright_file(One="data/*", Two="data/*")).of("usr/share/g/data/a.ogg") == "Two"


def test_the_recipe_overrides_the_documents():
    assert licences(copyright_file(GPL="*"), by_hand="CC-BY-3.0").of("a.ogg") == "CC-BY-3.0"


def test_the_packages_own_copyright_file_is_preferred():
    documents = {
        "usr/share/doc/a/copyright": copyright_file(MIT="*"),
        "usr/share/doc/b/copyright": copyright_file(BSD="*"),
    }
    assert Licences(documents, "b").of("x.ogg") == "BSD"
    assert Licences(documents, "c").of("x.ogg") == "MIT"


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("You may use it under the GPL, see /usr/share/common-licenses/GPL-2.\n", "mentions GPL-2"),
        ("GNU General Public License, the music is CC-BY-SA 3.0", "mentions CC-BY-SA, GPL"),
        ("Creative Commons Attribution 3.0, or the Lesser General Public License", "mentions CC-BY, LGPL"),
        ("Creative Commons Attribution-ShareAlike", "mentions CC-BY-SA"),
        ("The sounds are in the public domain.", "mentions public-domain"),
        ("All rights reserved.", NOT_STATED),
        ("", NOT_STATED),
        ("\0\x01 no: text\n: \n\n::", NOT_STATED),
    ],
)
def test_a_copyright_file_for_people(text, licence):
    assert licences(text).of("usr/share/games/a.ogg") == licence


def test_an_old_machine_readable_file_without_a_known_format():
    text = copyright_file(GPL="*").replace(FORMAT, "Format: http://dep.debian.net/deps/dep5/?rev=174\n")
    assert licences(text).of("a.ogg") == "GPL"


def test_wheels():
    def wheel(text):
        return Licences({"a-1.dist-info/METADATA": f"Name: a\n{text}\n\nText."}, "a").of("a/b.wav")

    assert wheel("License: MIT") == "package: MIT"
    assert wheel("License: x\nLicense-Expression: BSD-3-Clause") == "package: BSD-3-Clause"
    assert wheel("License: MIT\n        and much more") == "package: MIT and much more"
    assert wheel("Summary: none") == NOT_STATED


def test_no_documents():
    assert Licences({}, "game-data").of("a.ogg") == NOT_STATED
