"""Audio comes out of packages under its own hash, with the path that it had."""

from __future__ import annotations

import hashlib

import pytest

from models.corpus_unpacking import Unpacker
from tests.models.tiny_packages import audio_bytes, needs_dpkg, noise, write_deb, write_packages, write_wheel, zip_bytes

SUFFIXES = ["ogg", "wav", "mod", "g722"]
WAV = audio_bytes(noise(0.1, 1))
OTHER = audio_bytes(noise(0.1, 2))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept"


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@needs_dpkg
def test_debian_package(tmp_path, folder):
    packages = write_packages(tmp_path / "packages")
    unpacked = Unpacker(folder, SUFFIXES).debian(packages / "tiny-game_1.0-1_all.deb")
    root = "usr/share/games/tiny/"
    assert sorted(unpacked.audio) == [
        root + "data.pk3!/music/inner.ogg",
        root + "data/music/Menu.ogg",
        root + "data/music/song.ogg",
        root + "data/sounds/bang.wav",
        root + "data/sounds/broken.wav",
        root + "data/sounds/crash.wav",
        root + "data/sounds/hit.wav",
        root + "data/sounds/tick.wav",
        root + "data/tracker/tune.mod",
        root + "data/voice/hello.g722",
    ]
    for name, content in files_in(folder).items():
        assert hashlib.sha256(content).hexdigest() == name.partition(".")[0]
    assert set(files_in(folder)) == {sha + "." + path.rpartition(".")[2] for path, sha in unpacked.audio.items()}
    assert list(unpacked.documents) == ["usr/share/doc/tiny-game/copyright"]
    assert unpacked.documents["usr/share/doc/tiny-game/copyright"].startswith("Format: ")
    assert [line.partition(" ")[0] for line in unpacked.left_out] == [root + "other.zip"]


def test_wheel_and_the_archives_in_it(tmp_path, folder):
    inner = zip_bytes({"deep/b.wav": OTHER, "deeper.zip": zip_bytes({"c.wav": WAV}), "copyright": b"x"})
    wheel = write_wheel(tmp_path, "some-sounds", "1.0", {"s/A.WAV": WAV, "s/b.zip": inner, "s/code.py": b"import this"})
    unpacked = Unpacker(folder, SUFFIXES).wheel(wheel)
    assert set(unpacked.audio) == {"s/A.WAV", "s/b.zip!/deep/b.wav"}
    assert set(files_in(folder).values()) == {WAV, OTHER}
    assert list(unpacked.documents) == ["some_sounds-1.0.dist-info/METADATA"]
    assert not unpacked.left_out


@needs_dpkg
def test_one_content_under_two_paths_is_kept_once(tmp_path, folder):
    package = write_deb(tmp_path, "twice", "1", {"usr/a.wav": WAV, "usr/b.wav": WAV})
    unpacked = Unpacker(folder, SUFFIXES).debian(package)
    assert len(unpacked.audio) == 2
    assert len(files_in(folder)) == 1
