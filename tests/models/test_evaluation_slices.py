"""Which slices a manifest has, and what they are called."""

import numpy as np

from models.audio_facts import AudioFacts
from models.evaluation_slices import slices_of
from models.labels_of_corpus import Recording

FACTS = AudioFacts("mp3", 128.0, 44_100, 2, -18.0)


def recording(subtype="pop", label="music", package="p", **extra):
    return Recording("a", label, subtype, "dev", package, tuple(extra.items()))


def members(slices, name):
    return np.flatnonzero(slices[name]).tolist()


def test_durations_loudness_and_files():
    facts = [FACTS, AudioFacts("flac", 700.0, 48_000, 1, -45.0), AudioFacts(None, None, None, None, None), FACTS]
    slices = slices_of([recording()] * 4, [5.0, 4.9, 60.0, 59.9], facts)
    assert list(slices)[:3] == ["all", "duration:5 s and longer", "duration:below 5 s"]
    assert members(slices, "duration:5 s and longer") == [0, 2, 3]
    assert members(slices, "duration:below 5 s") == [1]
    assert members(slices, "duration:5 to 10 s") == [0]
    assert members(slices, "duration:10 to 60 s") == [3]
    assert members(slices, "duration:60 s and longer") == [2]
    assert members(slices, "codec:mp3") == [0, 3]
    assert members(slices, "bitrate:96 to 160 kb/s") == [0, 3]
    assert members(slices, "bitrate:500 kb/s and above") == [1]
    assert members(slices, "sample_rate:48000 Hz") == [1]
    assert members(slices, "loudness:below -40 dBFS RMS") == [1]
    assert members(slices, "loudness:-23 to -16 dBFS RMS") == [0, 3]
    assert members(slices, "subtype:music/pop") == [0, 1, 2, 3]


def test_columns_of_the_manifest():
    rows = [
        recording("rain", "functional", codec="opus", bitrate_kbps="64", slice="mixes", mix_db="-6"),
        recording(hard_tags="lofi weak_label", genre="dub", language="fr", loudness_lufs="-14.0"),
        recording(hard_tags="lofi", package="q"),
    ]
    slices = slices_of(rows, [9.0] * 3, [FACTS] * 3)
    assert members(slices, "codec:opus") == [0]
    assert members(slices, "codec:mp3") == [1, 2]
    assert members(slices, "bitrate:48 to 96 kb/s") == [0]
    assert members(slices, "functional_type:nature") == [0]
    assert members(slices, "slice:mixes") == [0]
    assert members(slices, "mix_db:-6 dB") == [0]
    assert members(slices, "loudness_lufs:-14 LUFS") == [1]
    assert members(slices, "hard_tags:lofi") == [1, 2]
    assert members(slices, "hard_tags:weak_label") == [1]
    assert members(slices, "genre:dub") == members(slices, "language:fr") == [1]
    assert members(slices, "package:q") == [2]


def test_many_numbers_become_ranges_and_many_words_the_most_frequent():
    rows = [recording(mix_db=str(i), genre=f"g{i % 60}") for i in range(-20, 50)]
    slices = slices_of(rows, [9.0] * len(rows), [FACTS] * len(rows))
    assert [name for name in slices if name.startswith("mix_db:")] == [
        "mix_db:below -12 dB", "mix_db:-12 to -6 dB", "mix_db:-6 to 0 dB", "mix_db:0 to 6 dB", "mix_db:6 to 12 dB",
        "mix_db:12 dB and above",
    ]  # fmt: skip
    assert len(slices["mix_db:0 to 6 dB"].nonzero()[0]) == 6
    genres = [name for name in slices if name.startswith("genre:")]
    assert len(genres) == 50
    assert {f"genre:g{i}" for i in range(40, 50)} <= set(genres)


def test_nothing_has_one_empty_slice():
    assert {name: members.tolist() for name, members in slices_of([], [], []).items()} == {"all": []}
