"""The flags of a track, taken apart into those of its audio and those of its catalog row."""

import itertools

import pytest

from models.decision import FLAGS, DecisionSettings
from models.track_flags import flags_of_audio, track_flags

#: What decide_audio can raise; a truncated file is shorter than its container says.
OF_AUDIO = [
    "above_full_scale", "channels_cancel", "decoded_by_fallback", "mixed_content", "mostly_silent", "music_heard",
    "non_finite_samples", "silence_by_level", "speech_heard", "tonal", "tone_by_signal", "uncertain",
]  # fmt: skip
ROWS = [
    {"title": title, "release_title": release, "declared_type": declared, "genres": (), "duration_ms": duration}
    for title, release, declared, duration in itertools.product(
        ("Piano Sonata", "White Noise", None),
        ("Chapter 3", None),
        ("music", "noise", None),
        (60, 1000, 60_000, 900_000, None),
    )
]


def test_every_flag_is_one_of_the_two_kinds():
    of_row = {"duration_in_other_unit", "longer_than_catalog"}
    of_row |= {*(f"{words}_contradicts_audio" for words in ("declared_type", "release", "title"))}
    assert {*OF_AUDIO, "truncated", "shorter_than_catalog"} == set(FLAGS) - of_row


@pytest.mark.parametrize(
    "audio", [[], ["uncertain"], ["shorter_than_catalog", "truncated"], OF_AUDIO, ["mostly_silent", "tonal"]]
)
def test_the_flags_of_the_audio_come_back_whatever_the_row_says(audio):
    for category in ("music", "functional", "speech"):
        for row in ROWS:
            flags = track_flags(audio, category, 60.0, DecisionSettings(), **row)
            assert flags_of_audio(flags) == sorted(audio), row
            assert flags == sorted(set(flags))
