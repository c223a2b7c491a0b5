"""A few Debian packages and a wheel of short synthetic sounds, and the recipe that goes with them."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from models import synthesis, synthetic_music

RATE_HZ = 16_000


def _has_libopenmpt() -> bool:
    if shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None:
        return False
    listed = subprocess.run(["ffmpeg", "-hide_banner", "-demuxers"], capture_output=True, text=True, check=False)
    return "libopenmpt" in listed.stdout


needs_dpkg = pytest.mark.skipif(
    shutil.which("dpkg-deb") is None, reason="dpkg-deb, which is Debian's, is not installed"
)
needs_ffmpeg = pytest.mark.skipif(not _has_libopenmpt(), reason="no ffmpeg with libopenmpt is installed")

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2020 Nobody
License: GPL-2+

Files: data/music/*
Copyright: 2020 Nobody
License: CC-BY-4.0

License: GPL-2+
 On Debian systems see /usr/share/common-licenses/GPL-2.
"""

RECIPE = """\
version: 1
audio_suffixes: [ogg, mp3, wav, g722, gsm, mod]
packages:
  - name: tiny-game
    source: debian
    version: "1.0-1"
    split: train
    download_mb: 0.1
    rules:
      - {files: '\\.mod$', label: music, subtype: tracker, from: folder, at_least_s: 5}
      - {files: 'menu', leave_out: true}
      - {files: 'music/', label: music, subtype: ambient_light, from: folder, at_least_s: 1}
      - {files: 'voice/', label: speech, subtype: prompt_en, from: documents, at_least_s: 1}
      - {files: 'sounds/', label: functional, subtype: sfx, from: name, at_least_s: 0.2, at_most: 2}
  - name: tiny-copies
    source: debian
    version: "2:1.1-1"
    split: dev
    download_mb: 0.1
    licence: "CC0 (read by hand)"
    rules:
      - {files: 'song', label: music, subtype: light, from: folder, at_least_s: 1}
      - {files: '.', label: functional, subtype: rain, from: documents, at_least_s: 0.2}
  - name: tiny-sounds
    source: pypi
    version: "3.0"
    split: train
    download_mb: 300.5
    rules:
      - {files: 'noise', label: functional, subtype: noise, from: documents}
"""


def song(seconds: float = 4.0, seed: int = 1) -> np.ndarray:
    """A melody, float32 at 16 kHz."""
    return synthetic_music.melody(np.random.default_rng(seed), round(seconds * RATE_HZ))


def noise(seconds: float, seed: int) -> np.ndarray:
    """Noise, float32 at 16 kHz."""
    return synthesis.moving_noise(np.random.default_rng(seed), round(seconds * RATE_HZ))


def audio_bytes(samples: np.ndarray, kind: str = "WAV", rate_hz: int = RATE_HZ) -> bytes:
    """An audio file: WAV, OGG or MP3."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=kind)
    return file.getvalue()


def g722_bytes(samples: np.ndarray) -> bytes:
    """Bare G.722 at 64 kbit/s, as telephone prompts are."""
    file = io.BytesIO()
    with av.open(file, "w", format="g722") as container:
        stream = container.add_stream("g722", rate=RATE_HZ, layout="mono")
        pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


def module_bytes() -> bytes:
    """A tracker module of one pattern, which plays for 7.68 s, with one sample."""
    sample = (100 * np.sin(2 * np.pi * np.arange(64) / 32)).astype(np.int8).tobytes()
    header = b"tiny".ljust(20, b"\0")
    header += b"sine".ljust(22, b"\0") + struct.pack(">HBBHH", len(sample) // 2, 0, 64, 0, len(sample) // 2)
    header += (b"\0" * 22 + struct.pack(">HBBHH", 0, 0, 0, 0, 1)) * 30
    header += bytes([1, 127]) + bytes(128) + b"M.K."
    periods = (428, 381, 339, 320, 285, 254, 226, 214)
    rows = b""
    for row in range(64):
        period = periods[(row * 5) % 8] if row % 4 == 0 else 0
        rows += bytes([period >> 8, period & 255, 0x10 if period else 0, 0]) + bytes(12)
    return header + rows + sample


def zip_bytes(files: dict[str, bytes]) -> bytes:
    """A zip archive, with exactly these names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def write_deb(
    folder: Path, name: str, version: str, files: dict[str, bytes], links: dict[str, str] | None = None
) -> Path:
    """Build a Debian package with ``dpkg-deb``; ``links`` are symbolic ones."""
    tree = folder / f"tree-{name}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\n"
        "Description: sounds for a test\n"
    )
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    for path, target in (links or {}).items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).symlink_to(target)
    package = folder / f"{name}_{version.replace(':', '%3a')}_all.deb"
    build = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(package)]
    subprocess.run(build, check=True, capture_output=True)
    shutil.rmtree(tree)
    return package


def write_wheel(folder: Path, name: str, version: str, files: dict[str, bytes]) -> Path:
    """Write a wheel."""
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n\nSounds.\n"
    package = folder / f"{stem}-py3-none-any.whl"
    package.write_bytes(zip_bytes({**files, f"{stem}.dist-info/METADATA": metadata.encode()}))
    return package


def write_packages(folder: Path) -> Path:
    """Write the recipe's three packages into a new folder; return it."""
    folder.mkdir(parents=True)
    hit = audio_bytes(noise(0.5, 5))
    game = {
        "usr/share/games/tiny/data/music/song.ogg": audio_bytes(song(), "OGG"),
        "usr/share/games/tiny/data/music/Menu.ogg": audio_bytes(song(seed=9), "OGG"),
        "usr/share/games/tiny/data/tracker/tune.mod": module_bytes(),
        "usr/share/games/tiny/data/sounds/hit.wav": hit,
        "usr/share/games/tiny/data/sounds/bang.wav": audio_bytes(noise(0.6, 6)),
        "usr/share/games/tiny/data/sounds/crash.wav": audio_bytes(noise(0.7, 7)),
        "usr/share/games/tiny/data/sounds/tick.wav": audio_bytes(noise(0.1, 8)),
        "usr/share/games/tiny/data/sounds/broken.wav": b"RIFF, and then nothing",
        "usr/share/games/tiny/data/voice/hello.g722": g722_bytes(song(2.0, seed=3)),
        "usr/share/games/tiny/data.pk3": zip_bytes(
            {"music/inner.ogg": audio_bytes(song(seed=4), "OGG"), "x.txt": b"x"}
        ),
        "usr/share/games/tiny/other.zip": b"no zip at all",
        "usr/share/doc/tiny-game/copyright": COPYRIGHT.encode(),
    }
    write_deb(folder, "tiny-game", "1.0-1", game, {"usr/share/games/tiny/data/sounds/link.wav": "hit.wav"})
    copies = {
        "usr/share/games/other/song-again.mp3": audio_bytes(0.4 * song(), "MP3"),
        "usr/share/games/other/impact.wav": hit,
        "usr/share/games/other/rain.wav": audio_bytes(noise(1.0, 11), rate_hz=8000),
    }
    write_deb(folder, "tiny-copies", "2:1.1-1", copies)
    write_wheel(folder, "tiny-sounds", "3.0", {"tiny_sounds/noise.wav": audio_bytes(noise(1.5, 12))})
    return folder
