"""Files that have gone, changed, or kill, hang and bloat their decoder: each gives a sentence, none a crash."""

import hashlib
import shutil
import time

import pytest

from tests.sample_run import SAMPLE
from tests.transforms.report_tables import label
from transforms.audio_sources import AudioRoot
from transforms.decoder_pool import DecodeSettings
from transforms.report_excerpts import ExcerptSettings, make_excerpts

SOUND = SAMPLE / "audio" / "outdoors" / "06-embers.ogg"


@pytest.fixture
def excerpts(tmp_path):
    def make(*names: str, timeout_s: float = 60.0, **settings):
        labels = []
        for name in names:
            path = tmp_path / name
            if name.endswith(".ogg"):
                shutil.copyfile(SOUND, path)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "0" * 64
            labels.append(label(name, audio_uri=name, audio_sha256=sha256))
        decode = DecodeSettings(**{"processes": 2, "child_module": "tests.transforms.faulty_decoder_child"} | settings)
        wanted = ExcerptSettings(AudioRoot(str(tmp_path)), decode, 2.0, timeout_s)
        return make_excerpts(labels, [0.0] * len(names), wanted), labels

    return make


def test_one_bad_file_costs_its_own_excerpt_only(excerpts, tmp_path):
    (tmp_path / "text.mp3").write_text("no audio at all\n" * 50)
    found, _ = excerpts("segfault-1.ogg", "none.flac", "text.mp3", "../up.mp3", "sound.ogg")
    assert [excerpt.audio is None for excerpt in found] == [True, True, True, True, False]
    assert [excerpt.problem for excerpt in found] == [
        "The decoder process died of SIGSEGV.",
        "There is no file 'none.flac'.",
        found[2].problem,
        "The audio_uri '../up.mp3' is not read: it has '..' in it.",
        None,
    ]
    assert found[2].problem.startswith("No decoder reads the file")


def test_another_file_than_the_one_that_was_labelled_is_not_played(excerpts, tmp_path):
    _, (row,) = excerpts("sound.ogg")
    (tmp_path / "sound.ogg").write_bytes(SOUND.read_bytes() + b"x")
    wanted = ExcerptSettings(AudioRoot(str(tmp_path)), DecodeSettings(processes=1), 2.0, 60.0)
    (excerpt,) = make_excerpts([row], [0.0], wanted)
    assert (excerpt.audio, excerpt.picture) == (None, None)
    assert excerpt.problem == "The file at this audio_uri is no longer the one that was labelled."


def test_a_place_behind_the_end_gives_a_sentence(excerpts, tmp_path):
    _, (row,) = excerpts("sound.ogg")
    wanted = ExcerptSettings(AudioRoot(str(tmp_path)), DecodeSettings(processes=1), 2.0, 60.0)
    (excerpt,) = make_excerpts([row], [500.0], wanted)
    assert excerpt.audio is None
    assert excerpt.problem == "The audio ends before the windows that were still to be heard."


def test_all_excerpts_together_take_no_longer_than_allowed(excerpts):
    begin = time.monotonic()
    found, _ = excerpts("sleep-1.ogg", "sleep-2.ogg", "sleep-3.ogg", "sound.ogg", timeout_s=2.0)
    assert time.monotonic() - begin < 40  # each of them would take a minute by itself
    assert {excerpt.problem for excerpt in found} == {"It was not decoded within the 2 s that all excerpts may take."}
