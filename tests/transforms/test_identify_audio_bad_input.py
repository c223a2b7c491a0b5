"""Hashing that fails for no fault of the audio."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.transforms.kept_elements import run_and_keep
from transforms import identify_audio
from transforms.audio_sources import AudioIdentity, AudioRoot
from transforms.identify_audio import IdentifyAudio
from transforms.records import CatalogRow


def test_a_full_disk_of_the_worker_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(audio_uri: str, root: AudioRoot) -> AudioIdentity:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(identify_audio, "identify", full)
    with pytest.raises(Exception, match="No space left on device"):
        run_and_keep(IdentifyAudio(AudioRoot(str(tmp_path))), [CatalogRow("t", "a.wav")], "identified")
