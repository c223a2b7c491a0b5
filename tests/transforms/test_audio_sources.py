"""Which file an ``audio_uri`` means, its sha256, and a local path for it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.transforms.shelf_filesystem import SHELF
from transforms.audio_sources import AudioRoot, identify, local_copy


@pytest.mark.parametrize(
    "name",
    ["a.mp3", "a b.mp3", "sub/ü 音.mp3", "100%20.mp3", "a%2e%2e.mp3", "..a.mp3", "a..b/c.mp3", "[x]*?.mp3", "a\\b.mp3"],
)
def test_names_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"sound")
    root = AudioRoot(str(tmp_path))
    assert identify(name, root).sha256 == hashlib.sha256(b"sound").hexdigest()
    with local_copy(name, root) as local:
        assert Path(local).samefile(path)
    assert path.exists()


def test_identity_of_a_large_file_needs_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(300 << 20)
    code = (
        "import sys, resource; from transforms.audio_sources import *\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(identify('large', AudioRoot(sys.argv[1])).size_bytes)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, 'apache_beam' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    size, grown_kib, beam_imported = done.stdout.split()
    assert int(size) == 300 << 20
    assert int(grown_kib) < 20 << 10
    assert beam_imported == "False"


def test_links_inside_the_root_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mp3").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "root").symlink_to(tmp_path)
    assert identify("link/a.mp3", AudioRoot(str(tmp_path))) == identify("link/a.mp3", AudioRoot(str(tmp_path / "root")))


def test_a_relative_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "a.mp3").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert identify("a.mp3", AudioRoot("music")).size_bytes == 1
    assert identify("music/a.mp3", AudioRoot(".")).size_bytes == 1
    assert identify("a.mp3", AudioRoot(f"file://{tmp_path}/music")).size_bytes == 1


def test_outside_the_root_when_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    outside = tmp_path / "a.mp3"
    outside.write_bytes(b"x")
    (tmp_path / "root" / "link.mp3").symlink_to(outside)
    root = AudioRoot(str(tmp_path / "root"), allow_outside_root=True)
    for uri in ("../a.mp3", str(outside), f"file://{outside}", "link.mp3"):
        assert identify(uri, root).size_bytes == 1


def test_a_remote_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHELF.files, "shelf://box/music/a.b/c d.mp3", b"remote sound")
    root = AudioRoot("shelf://box/music/")
    for uri in ("a.b/c d.mp3", "shelf://box/music/a.b/c d.mp3"):
        assert identify(uri, root).sha256 == hashlib.sha256(b"remote sound").hexdigest()
    with local_copy("a.b/c d.mp3", root) as local:
        assert Path(local).read_bytes() == b"remote sound"
        assert Path(local).suffix == ".mp3"
    assert not os.path.lexists(local)


def test_a_remote_store_that_fails_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.audio_sources._RETRY_WAITS_S", (0.0, 0.0))
    monkeypatch.setitem(SHELF.files, "shelf://box/a.mp3", bytes(3 << 20))
    root = AudioRoot("shelf://box")
    for where in ("size", "open", "read"):
        monkeypatch.setattr(SHELF, "failures", {where: 2})
        assert identify("a.mp3", root).sha256 == hashlib.sha256(bytes(3 << 20)).hexdigest()
        monkeypatch.setattr(SHELF, "failures", {where: 2})
        with local_copy("a.mp3", root) as local:
            assert Path(local).stat().st_size == 3 << 20
