"""Audio that is missing, forbidden, empty, too large or out of reach: each with its own type."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
import resource
import socket
from pathlib import Path

import pytest

from tests.transforms.shelf_filesystem import SHELF
from transforms.audio_sources import AudioRoot, AudioSourceError, StoredAudio, identify, local_copy
from transforms.records import ErrorType


def cause(uri: str, root: AudioRoot) -> ErrorType:
    """The typed cause that both ways in give; the message shows the value and no folder of the machine."""
    with pytest.raises(AudioSourceError) as from_copy, local_copy(uri, root):
        pass
    if from_copy.value.error_type is not ErrorType.EMPTY_AUDIO:
        with pytest.raises(AudioSourceError) as from_identify:
            identify(uri, root)
        assert from_copy.value.error_type is from_identify.value.error_type
        assert from_copy.value.message == from_identify.value.message
    if not uri.startswith(root.root):
        assert root.root not in from_copy.value.message
    assert from_copy.value.message.isascii() or uri.isprintable()
    return from_copy.value.error_type


@pytest.fixture
def root(tmp_path: Path) -> AudioRoot:
    (tmp_path / "root" / "sub").mkdir(parents=True)
    (tmp_path / "root-2").mkdir()
    (tmp_path / "root-2" / "a.mp3").write_bytes(b"x")
    (tmp_path / "a.mp3").write_bytes(b"x")
    (tmp_path / "root" / "a.mp3").write_bytes(b"x")
    return AudioRoot(str(tmp_path / "root"))


@pytest.mark.parametrize(
    "uri",
    [
        "../a.mp3",
        "sub/../../a.mp3",
        "sub/../a.mp3",
        "../root-2/a.mp3",
        "..",
        "/etc/passwd",
        "//etc/passwd",
        "file:///etc/passwd",
        "http://localhost/a.mp3",
        "https://localhost/a.mp3",
        "gs://bucket/a.mp3",
        "s3://bucket/a.mp3",
        "concat://a.mp3",
        "",
        "a\0.mp3",
        "a\ud800.mp3",
    ],
)
def test_ways_out_of_the_root(root: AudioRoot, uri: str) -> None:
    assert cause(uri, root) is ErrorType.PATH_NOT_ALLOWED


def test_an_absolute_path_is_refused_even_into_the_root(root: AudioRoot) -> None:
    assert cause(f"{root.root}/a.mp3", root) is ErrorType.PATH_NOT_ALLOWED


def test_links_out_of_the_root(root: AudioRoot, tmp_path: Path) -> None:
    (Path(root.root) / "file.mp3").symlink_to(tmp_path / "a.mp3")
    (Path(root.root) / "folder").symlink_to(tmp_path / "root-2")
    (Path(root.root) / "hop").symlink_to("folder")
    (Path(root.root) / "gone.mp3").symlink_to(tmp_path / "none.mp3")
    for uri in ("file.mp3", "folder/a.mp3", "hop/a.mp3", "gone.mp3"):
        assert cause(uri, root) is ErrorType.PATH_NOT_ALLOWED


def test_percent_encoding_is_not_a_way_out(root: AudioRoot) -> None:
    for uri in ("%2e%2e/a.mp3", "..%2fa.mp3", "%2Fetc%2Fpasswd"):
        assert cause(uri, root) is ErrorType.MISSING_AUDIO


def test_what_is_not_there(root: AudioRoot) -> None:
    loop = Path(root.root) / "loop"
    loop.symlink_to(loop)
    for uri in ("none.mp3", "none/a.mp3", "a.mp3/b.mp3", "x" * 300, "loop"):
        assert cause(uri, root) is ErrorType.MISSING_AUDIO


def test_what_is_no_plain_file(root: AudioRoot) -> None:
    os.mkfifo(Path(root.root) / "pipe.mp3")  # opening it the plain way would wait for ever
    with socket.socket(socket.AF_UNIX) as listening:
        try:
            listening.bind(str(Path(root.root) / "socket.mp3"))
        except OSError:
            pytest.skip("the temporary folder's path is too long for a socket")
        for uri in ("sub", "sub/", ".", "pipe.mp3", "socket.mp3"):
            assert cause(uri, root) is ErrorType.UNREADABLE_AUDIO


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/stdin", "/dev/tty", "/proc", "/dev/random"])
def test_devices_are_no_audio_even_where_every_path_is_allowed(root: AudioRoot, device: str) -> None:
    with pytest.raises(AudioSourceError) as caught:
        identify(device, AudioRoot(root.root, allow_outside_root=True))
    assert caught.value.error_type in (ErrorType.UNREADABLE_AUDIO, ErrorType.EMPTY_AUDIO, ErrorType.STORAGE_ERROR)
    assert cause(device, root) is ErrorType.PATH_NOT_ALLOWED


@pytest.mark.parametrize(
    "uri",
    [
        "\\\\server\\share\\a.mp3", "..\\a.mp3", "C:\\a.mp3", "~/a.mp3", "$HOME/a.mp3", "*", "?.mp3", "[a-z].mp3",
        "{a,b}.mp3",
        "concat:a.mp3|a.mp3", "subfile,,start,0,end,1,,:a.mp3", "pipe:0", "crypto:a.mp3", "file:a.mp3",
        "data:audio/mp3;base64,AAAA",
        "a.mp3\n", " a.mp3", "a.mp3 ", "a.mp3%00", "-i", "--help", "a.mp3;id", "$(id).mp3", "`id`.mp3", "x" * 256,
        "d/" * 2000 + "a",
    ],
)  # fmt: skip
def test_what_other_programs_would_read_something_into_is_a_name(root: AudioRoot, uri: str) -> None:
    assert cause(uri, root) is ErrorType.MISSING_AUDIO


def test_a_root_behind_a_link_is_a_root(root: AudioRoot, tmp_path: Path) -> None:
    (tmp_path / "behind").symlink_to(root.root)
    assert identify("a.mp3", AudioRoot(str(tmp_path / "behind"))).size_bytes == 1
    (Path(root.root) / "inside.mp3").symlink_to(Path(root.root) / "a.mp3")
    assert identify("inside.mp3", root).size_bytes == 1


def test_an_empty_file(root: AudioRoot) -> None:
    (Path(root.root) / "empty.mp3").write_bytes(b"")
    with pytest.raises(AudioSourceError) as caught:
        identify("empty.mp3", root)
    assert caught.value.error_type is ErrorType.EMPTY_AUDIO


def test_a_file_that_is_too_large(root: AudioRoot) -> None:
    (Path(root.root) / "b.mp3").write_bytes(bytes(101))
    small = AudioRoot(root.root, max_file_bytes=100)
    assert cause("b.mp3", small) is ErrorType.AUDIO_TOO_LARGE
    (Path(root.root) / "b.mp3").write_bytes(bytes(100))
    assert identify("b.mp3", small).size_bytes == 100


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(root: AudioRoot) -> None:
    (Path(root.root) / "a.mp3").chmod(0)
    assert cause("a.mp3", root) is ErrorType.STORAGE_ERROR


def test_a_local_file_that_cannot_be_read(root: AudioRoot) -> None:
    """``/proc/self/mem`` opens, and gives an input/output error at its start: a failing disk in every respect."""
    if not Path("/proc/self/mem").exists():
        pytest.skip("needs /proc")
    with pytest.raises(AudioSourceError) as caught:
        identify("/proc/self/mem", AudioRoot(root.root, allow_outside_root=True))
    assert caught.value.error_type is ErrorType.STORAGE_ERROR


def test_remote_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.audio_sources._RETRY_WAITS_S", (0.0, 0.0))
    monkeypatch.setitem(SHELF.files, "shelf://box/music/a.mp3", bytes(200))
    monkeypatch.setitem(SHELF.files, "shelf://box/b.mp3", bytes(200))
    monkeypatch.setitem(SHELF.files, "shelf://box/music/empty.mp3", b"")
    root = AudioRoot("shelf://box/music", max_file_bytes=150)
    assert cause("none.mp3", root) is ErrorType.MISSING_AUDIO
    assert cause("a.mp3", root) is ErrorType.AUDIO_TOO_LARGE
    for uri in ("../b.mp3", "shelf://box/b.mp3", "shelf://box/music/../b.mp3", "/b.mp3", "gs://box/music/a.mp3"):
        assert cause(uri, root) is ErrorType.PATH_NOT_ALLOWED
    with pytest.raises(AudioSourceError) as caught:
        identify("empty.mp3", root)
    assert caught.value.error_type is ErrorType.EMPTY_AUDIO
    for where in ("size", "open"):
        monkeypatch.setattr(SHELF, "failures", {where: 99, "exists": 99})
        assert cause("a.mp3", AudioRoot("shelf://box/music")) is ErrorType.STORAGE_ERROR


@pytest.mark.parametrize("scheme", ["local", "shelf"])
def test_other_bytes_than_those_of_the_sha256(root: AudioRoot, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if scheme == "shelf":
        monkeypatch.setitem(SHELF.files, "shelf://box/a.mp3", b"x")
        root = AudioRoot("shelf://box")
    with local_copy("a.mp3", root, hashlib.sha256(b"x").hexdigest()) as path:
        assert Path(path).read_bytes() == b"x"
    with pytest.raises(AudioSourceError) as caught, local_copy("a.mp3", root, hashlib.sha256(b"y").hexdigest()):
        pass
    assert caught.value.error_type is ErrorType.AUDIO_CHANGED


@pytest.mark.parametrize("how", ["written to", "replaced", "gone"])
def test_a_file_that_changes_while_it_is_open(root: AudioRoot, how: str) -> None:
    audio = Path(root.root, "a.mp3")
    with (
        pytest.raises(AudioSourceError) as caught,
        local_copy("a.mp3", root, hashlib.sha256(b"x").hexdigest()),
    ):
        if how == "written to":
            audio.write_bytes(b"y")
        elif how == "replaced":
            audio.with_name("b.mp3").write_bytes(b"x")
            audio.with_name("b.mp3").replace(audio)
        else:
            audio.unlink()
    assert caught.value.error_type is ErrorType.AUDIO_CHANGED


def test_no_room_for_a_copy_is_no_fault_of_the_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHELF.files, "shelf://box/a.mp3", bytes(100_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))  # stands for a disk that runs full
    try:
        with pytest.raises(OSError, match="File too large"), local_copy("a.mp3", AudioRoot("shelf://box")):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_error_survives_the_way_between_processes() -> None:
    error = AudioSourceError(ErrorType.MISSING_AUDIO, "There is no file.")
    again = pickle.loads(pickle.dumps(error))
    assert (again.error_type, again.message) == (error.error_type, error.message)


def test_a_file_in_the_state_that_it_was_identified_in_is_not_read_again(tmp_path, monkeypatch):
    path = tmp_path / "song.mp3"
    path.write_bytes(b"abc")
    identity = identify("song.mp3", AudioRoot(str(tmp_path)))
    stored = StoredAudio(identity.size_bytes, identity.storage_version)
    monkeypatch.setattr("transforms.audio_sources._check_sha256", lambda *_: pytest.fail("read for its sha256"))
    with local_copy("song.mp3", AudioRoot(str(tmp_path)), identity.sha256, stored) as place:
        assert place == str(path)


def test_a_file_written_since_it_was_identified_is_not_given(tmp_path):
    path = tmp_path / "song.mp3"
    path.write_bytes(b"abc")
    identity = identify("song.mp3", AudioRoot(str(tmp_path)))
    stored = StoredAudio(identity.size_bytes, identity.storage_version)
    path.write_bytes(b"abd")
    with pytest.raises(AudioSourceError) as caught, local_copy("song.mp3", AudioRoot(str(tmp_path)), "0" * 64, stored):
        pass
    assert caught.value.error_type is ErrorType.AUDIO_CHANGED


@pytest.mark.parametrize(
    ("uri", "hint"),
    [
        ("none.mp3", "There is no file 'none.mp3'."),
        ("C:\\Music\\a.mp3", "A backslash parts no folders here"),
        ("sub\\a.mp3", "A backslash parts no folders here"),
        ("sub%2Fa.mp3", "A percent sign is a character like any other here"),
        ("100%.mp3", "There is no file '100%.mp3'."),
    ],
)
def test_a_file_that_is_not_there_for_how_its_name_is_written(root: AudioRoot, uri: str, hint: str) -> None:
    with pytest.raises(AudioSourceError) as caught:
        identify(uri, root)
    assert caught.value.error_type is ErrorType.MISSING_AUDIO
    assert hint in caught.value.message
    assert caught.value.message.endswith(hint) or hint.startswith("A ")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [("HTTPS://host/a.mp3", "it is a web address"), ("nfs://host/a.mp3", "no installed file system reads its scheme")],
)
def test_what_no_file_system_reads_is_told_at_once_also_outside_the_root(
    root: AudioRoot, monkeypatch: pytest.MonkeyPatch, uri: str, reason: str
) -> None:
    waits_s: list[float] = []
    monkeypatch.setattr("transforms.audio_sources.time.sleep", waits_s.append)
    with pytest.raises(AudioSourceError, match=reason) as caught:
        identify(uri, dataclasses.replace(root, allow_outside_root=True))
    assert caught.value.error_type is ErrorType.PATH_NOT_ALLOWED
    assert waits_s == [], "it waited, as for a store that may come back"
