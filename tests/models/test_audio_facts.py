"""Codec, rate and level of files that the test wrote."""

import numpy as np
import pytest

from models.audio_facts import audio_facts
from tests.audio_files import write_audio


@pytest.mark.parametrize(
    ("codec", "name"),
    [("mp3", "mp3"), ("vorbis", "vorbis"), ("opus", "opus"), ("wav16", "pcm_s16le"), ("flac", "flac")],
)
def test_facts(codec, name, tmp_path):
    sine = (0.1 * np.sin(2 * np.pi * 440 * np.arange(8 * 48_000) / 48_000)).astype(np.float32)
    path = write_audio(tmp_path / "sine", np.stack([sine, sine]), 48_000, codec)
    facts = audio_facts(str(path), 8.0)
    assert (facts.codec, facts.sample_rate_hz, facts.channels) == (name, 48_000, 2)
    assert facts.bitrate_kbps == pytest.approx(path.stat().st_size * 8 / 8000)
    assert facts.rms_dbfs == pytest.approx(-23.0, abs=0.6)


def test_silence_has_the_lowest_level(tmp_path):
    path = write_audio(tmp_path / "silence", np.zeros(16_000, np.float32), 16_000, "wav16")
    assert audio_facts(str(path), 1.0).rms_dbfs == -200


def test_a_file_that_is_no_audio_has_no_facts(tmp_path):
    path = tmp_path / "text.mp3"
    path.write_text("no audio")
    facts = audio_facts(str(path), 0.0)
    assert (facts.codec, facts.bitrate_kbps, facts.rms_dbfs) == (None, None, None)
