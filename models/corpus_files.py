"""From the files in unpacked packages to files of the corpus: their headers, their place, and how they sound."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import soundfile

from models.audio_decoding import decode_windows
from models.audio_pyav import NotReadableError, PyavTrack
from models.corpus_copies import FINGERPRINT_S, SAMPLE_RATE_HZ, Heard, fingerprint
from models.corpus_recipe import LONGEST_S, Audio
from models.errors import UserError
from models.window_records import DecodePlan

#: Tracker modules, which are scores with samples and have to be played, and for how long, in seconds.
MODULES: Final = (".xm", ".it", ".s3m", ".mod")
MODULE_S: Final = 120
#: Bare telephony codecs: ffmpeg's name, sample rate in Hz and bytes per second.
TELEPHONY: Final = {".g722": ("g722", 16_000, 8000.0), ".gsm": ("gsm", 8000, 1650.0)}
_FFMPEG: Final = ("ffmpeg", "-v", "error", "-nostdin", "-y")
_FFMPEG_TIMEOUT_S: Final = 600
#: A decoded file may be this much shorter than its header says, in seconds: encoders pad.
_PADDING_S: Final = 0.1


class FileError(Exception):
    """A file of a package is no usable audio; the message is one line."""


def check_ffmpeg() -> None:
    """Make sure that ffmpeg is there, plays tracker modules and writes Ogg Vorbis.

    Raises
    ------
    UserError
        Names what is missing.
    """
    for program in ("ffmpeg", "ffprobe"):
        if shutil.which(program) is None:
            raise UserError(f"{program} is not installed; run apt-get install ffmpeg.")
    for listing, wanted in (("-demuxers", "libopenmpt"), ("-encoders", "libvorbis")):
        listed = subprocess.run(["ffmpeg", "-hide_banner", listing], capture_output=True, text=True, check=False).stdout  # noqa: S603, S607
        if wanted not in listed:
            raise UserError(f"This ffmpeg lacks {wanted}, which tracker music needs; Debian's ffmpeg has it.")


def read_header(file: Path, sha256: str) -> Audio:
    """Read length and sample rate of an audio file, as its header states them.

    Returns
    -------
    Audio
        With a length of 0 when it is no audio.
    """
    suffix = file.suffix.lower()
    if suffix in TELEPHONY:
        _, rate_hz, bytes_per_s = TELEPHONY[suffix]
        return Audio(sha256, file.stat().st_size / bytes_per_s, rate_hz)
    if suffix in MODULES:
        command = ["ffprobe", "-v", "error", "-f", "libopenmpt", "-show_entries", "format=duration", "-of", "csv=p=0"]
        try:
            return Audio(sha256, float(_run([*command, str(file)])), 44_100)
        except (FileError, ValueError):
            return Audio(sha256, 0.0, 0)
    try:
        with file.open("rb") as stream:
            info = soundfile.info(stream)
        return Audio(sha256, info.frames / info.samplerate, info.samplerate)
    except (soundfile.SoundFileError, OSError, ZeroDivisionError):
        pass
    try:
        with contextlib.closing(PyavTrack(str(file))) as track:
            return Audio(sha256, track.likely_duration_s or 0.0, 0)
    except (NotReadableError, OSError):
        return Audio(sha256, 0.0, 0)


def corpus_name(package: str, path: str, sha256: str) -> str:
    """Name of a file in the corpus, relative to the manifest: its package, its name there and its content.

    Parameters
    ----------
    package
        Name of the package.
    path
        Path inside it.
    sha256
        Of the file inside it.
    """
    pure = PurePosixPath(path)
    suffix = pure.suffix.lower()
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", pure.stem)[:60].strip("._-") or "audio"
    new_suffix = ".ogg" if suffix in MODULES else ".wav" if suffix in TELEPHONY else suffix
    return f"audio/{package}/{stem}-{sha256[:12]}{new_suffix}"


def put_in_place(file: Path, target: Path) -> None:
    """Render, decode, link or copy a file of a package to its place in the corpus, unless it is there.

    Raises
    ------
    FileError
        When ffmpeg makes nothing of it.
    """
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".partial-{target.name}")
    partial.unlink(missing_ok=True)
    suffix = file.suffix.lower()
    # Formats are named, so that ffmpeg does not take a file for something that opens others; bitexact leaves out the
    # random serial number of an Ogg stream.
    bit_exact = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact"]
    if suffix in MODULES:
        source = ["-f", "libopenmpt", "-t", str(MODULE_S), "-i", str(file)]
        _run(
            [*_FFMPEG, *source, "-ar", "44100", "-ac", "2", "-c:a", "libvorbis", "-q:a", "6", *bit_exact, str(partial)]
        )
    elif suffix in TELEPHONY:
        _run([*_FFMPEG, "-f", TELEPHONY[suffix][0], "-i", str(file), "-c:a", "pcm_s16le", *bit_exact, str(partial)])
    else:
        try:
            os.link(file, partial)
        except OSError:
            shutil.copyfile(file, partial)
    partial.replace(target)


def hear(file: Path, at_least_s: float) -> Heard:
    """Decode a file of the corpus from its start to its end.

    Raises
    ------
    FileError
        When it cannot be decoded, or holds less than the rule asks for.
    """
    plan = DecodePlan(
        sample_rate_hz=SAMPLE_RATE_HZ,
        window_s=FINGERPRINT_S,
        coverage="full",
        min_duration_s=0.02,
        max_duration_s=LONGEST_S + 60,
    )
    windows = decode_windows(str(file), plan)
    digest = hashlib.sha256()
    beginning = None
    while True:
        try:
            window = next(windows)
        except StopIteration as stop:
            summary = stop.value
            break
        samples = window.samples[: window.valid_samples]
        if beginning is None:
            beginning = fingerprint(samples)
        digest.update(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    if beginning is None or summary.error_type is not None:
        raise FileError(summary.message or "nothing can be decoded")
    if summary.duration_s < at_least_s - _PADDING_S:
        raise FileError(f"only {summary.duration_s:.2f} s of it can be decoded")
    return Heard(digest.hexdigest(), summary.duration_s, beginning)


def sha256_of(file: Path) -> str:
    """Hash of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a list, no shell, and paths that are absolute
            command, capture_output=True, text=True, errors="replace", timeout=_FFMPEG_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise FileError(f"{command[0]} was given up after {_FFMPEG_TIMEOUT_S} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise FileError(f"{command[0]}: {lines[-1][-200:] if lines else 'failed without a word'}")
    return done.stdout
