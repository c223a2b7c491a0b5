"""Archives that lead out of their folder, blow up, or are damaged."""

from __future__ import annotations

import io
import tarfile

import pytest

from models.corpus_unpacking import Limits, PackageError, Unpacker
from tests.models.tiny_packages import audio_bytes, needs_dpkg, noise, write_deb, write_wheel, zip_bytes

SUFFIXES = ["ogg", "wav"]
WAV = audio_bytes(noise(0.1, 1))
NAMES = [
    "../evil.wav",
    "/etc/evil.wav",
    "a/../../../evil.wav",
    "..\\evil.wav",
    "C:\\evil.wav",
    "a\n.wav",
    "x" * 300 + ".wav",
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "work" / "kept").mkdir(parents=True)
    return tmp_path / "work" / "kept"


def written(tmp_path, but):
    return sorted(path.name for path in tmp_path.rglob("*") if path.is_file() and path != but)


def test_no_name_leads_out_of_the_folder(tmp_path, folder):
    inner = zip_bytes({name: audio_bytes(noise(0.1, 100 + place)) for place, name in enumerate(NAMES)})
    wheel = write_wheel(tmp_path, "evil", "1", {**dict.fromkeys(NAMES, WAV), "inner.zip": inner})
    unpacked = Unpacker(folder, SUFFIXES).wheel(wheel)
    assert len(unpacked.audio) == 2 * len(NAMES)
    assert written(tmp_path, wheel) == sorted(path.name for path in folder.iterdir())
    assert len(list(folder.iterdir())) == 1 + len(NAMES)


def raw_deb(path, members):
    """Write a ``.deb`` whose data archive holds just these members, which ``dpkg-deb --build`` would not make."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    control = io.BytesIO()
    with tarfile.open(fileobj=control, mode="w:gz") as tar:
        text = b"Package: raw\nVersion: 1\nArchitecture: all\nMaintainer: N <n@example.org>\nDescription: x\n"
        member = tarfile.TarInfo("./control")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    deb = b"!<arch>\n"
    for name, content in (
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", control.getvalue()),
        ("data.tar.gz", data.getvalue()),
    ):
        deb += (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
            + content
            + b"\n" * (len(content) % 2)
        )
    path.write_bytes(deb)
    return path


@needs_dpkg
def test_links_and_devices_of_a_debian_package_are_passed_over(tmp_path, folder):
    def member(name, kind, target=""):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        return info, b""

    file = tarfile.TarInfo("../../../outside.wav")
    file.mode = 0o6755
    members = [
        member("./a.wav", tarfile.SYMTYPE, "/etc/passwd"),
        member("./b.wav", tarfile.LNKTYPE, "../../../outside.wav"),
        member("./c.wav", tarfile.CHRTYPE),
        member("./d.wav", tarfile.FIFOTYPE),
        (file, WAV),
    ]
    package = raw_deb(tmp_path / "raw_1_all.deb", members)
    unpacked = Unpacker(folder, SUFFIXES).debian(package)
    assert list(unpacked.audio) == ["../../../outside.wav"]
    assert written(tmp_path, package) == sorted(path.name for path in folder.iterdir())
    (kept,) = folder.iterdir()
    assert kept.read_bytes() == WAV
    assert not kept.stat().st_mode & 0o7111


def test_a_large_file_is_left_out_and_the_others_are_not(tmp_path, folder):
    bomb = bytes(3_000_000)
    wheel = write_wheel(tmp_path, "big", "1", {"bomb.wav": bomb, "bomb.zip": zip_bytes({"b.wav": bomb, "c.wav": WAV})})
    assert wheel.stat().st_size < 20_000
    unpacked = Unpacker(folder, SUFFIXES, Limits(file_bytes=100_000)).wheel(wheel)
    assert list(unpacked.audio) == ["bomb.zip!/c.wav"]
    assert [line.split(" ")[0] for line in unpacked.left_out] == ["bomb.wav", "bomb.zip!/b.wav"]
    assert len(list(folder.iterdir())) == 1


def test_a_large_archive_inside_is_left_out(tmp_path, folder):
    noise_zip = zip_bytes({"a.wav": audio_bytes(noise(4, 3))})
    wheel = write_wheel(tmp_path, "big", "1", {"a.zip": noise_zip, "b.wav": WAV})
    unpacked = Unpacker(folder, SUFFIXES, Limits(archive_bytes=50_000)).wheel(wheel)
    assert list(unpacked.audio) == ["b.wav"]
    assert "a.zip is over 50000 bytes" in unpacked.left_out


@pytest.mark.parametrize("limits", [Limits(total_bytes=5000), Limits(members=3)])
def test_a_package_over_the_limits_is_refused(tmp_path, folder, limits):
    wheel = write_wheel(tmp_path, "big", "1", {f"{place}.wav": audio_bytes(noise(0.1, place)) for place in range(5)})
    with pytest.raises(PackageError, match="more than"):
        Unpacker(folder, SUFFIXES, limits).wheel(wheel)


@needs_dpkg
def test_a_debian_package_over_the_limits_is_refused_before_it_is_unpacked_whole(tmp_path, folder):
    package = write_deb(tmp_path, "bomb", "1", {"usr/bomb.wav": bytes(20 << 20)})
    assert package.stat().st_size < 100_000
    with pytest.raises(PackageError, match="unpacks to more than 5000000 bytes"):
        Unpacker(folder, SUFFIXES, Limits(total_bytes=5_000_000)).debian(package)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 5_000_000


def test_an_encrypted_archive_inside_is_left_out(tmp_path, folder):
    content = bytearray(zip_bytes({"a.wav": WAV}))
    content[6] |= 1  # the bit for "encrypted" in the local header,
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    wheel = write_wheel(tmp_path, "locked", "1", {"a.zip": bytes(content), "b.wav": WAV})
    unpacked = Unpacker(folder, SUFFIXES).wheel(wheel)
    assert list(unpacked.audio) == ["b.wav"]
    assert "a.zip cannot be unpacked further" in unpacked.left_out[0]


@needs_dpkg
def test_damaged_debian_packages(tmp_path, folder):
    package = write_deb(
        tmp_path, "whole", "1", {f"usr/{place}.wav": audio_bytes(noise(1, place)) for place in range(9)}
    )
    content = package.read_bytes()
    damaged = {"cut": content[: len(content) // 2], "none": b"", "text": b"no package", "header": content[:100]}
    damaged["flipped"] = content[:5000] + bytes(2000) + content[7000:]
    for name, changed in damaged.items():
        package.write_bytes(changed)
        with pytest.raises(PackageError) as caught:
            Unpacker(folder, SUFFIXES).debian(package)
        assert "whole_1_all.deb cannot be unpacked" in str(caught.value), name
        assert "\n" not in str(caught.value), name


def test_damaged_wheels(tmp_path, folder):
    wheel = write_wheel(tmp_path, "whole", "1", {"a.wav": audio_bytes(noise(1, 1))})
    content = wheel.read_bytes()
    for changed in (content[: len(content) // 2], b"", content[:500] + bytes(2000) + content[2500:]):
        wheel.write_bytes(changed)
        with pytest.raises(PackageError, match="cannot be unpacked"):
            Unpacker(folder, SUFFIXES).wheel(wheel)
