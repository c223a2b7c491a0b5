"""What words claim, and what they do not."""

import pytest

from models.metadata_rules import contradiction_flags, declared_claim, title_claims


@pytest.mark.parametrize(
    ("title", "claims"),
    [
        ("White Noise for Babies", {"functional"}),
        ("Heavy Rain Sounds", {"functional"}),
        ("Sound of the Ocean", {"functional"}),
        ("Bruit blanc", {"functional"}),
        ("10 Hours of Rain", {"functional"}),
        ("Gentle Piano in the Rain", {"music"}),
        ("Rain Sounds with Piano", {"functional", "music"}),
        ("Chapter 12", {"speech"}),
        # Words that are common song titles promise nothing.
        ("Rain", set()),
        ("Thunderstruck", set()),
        ("The Sound of Silence", set()),
        ("Purple Rain", set()),
        ("Set Fire to the Rain", set()),
        ("Whitenoiseless", set()),
        (None, set()),
    ],
)
def test_title_claims(title, claims):
    assert title_claims(title) == claims


@pytest.mark.parametrize(
    ("declared", "category"),
    [("Music", "music"), ("White Noise", "functional"), ("spoken-word", "speech"),
     ("SpokenWordSoundRecording", "speech"), ("jingle", None), (None, None), ("", None)],
)  # fmt: skip
def test_declared_claim(declared, category):
    assert declared_claim(declared) == category


def test_music_title_over_noise_is_flagged():
    assert contradiction_flags("functional", "Deep Sleep Piano", None, None) == ["title_contradicts_audio"]


def test_noise_title_over_music_is_flagged():
    assert contradiction_flags("music", "Brown Noise", None, None) == ["title_contradicts_audio"]


def test_release_counts_only_against_a_functional_label():
    assert contradiction_flags("functional", "Interlude", "Piano Works", None) == ["release_contradicts_audio"]
    assert contradiction_flags("music", "Interlude", "White Noise Collection", None) == []


def test_a_title_that_agrees_outweighs_its_release():
    assert contradiction_flags("functional", "Rain Sounds", "Piano Works", None) == []


def test_declared_type_is_compared():
    assert contradiction_flags("speech", None, None, "music") == ["declared_type_contradicts_audio"]
    assert contradiction_flags("speech", None, None, "podcast") == []
