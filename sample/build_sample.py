#!/usr/bin/env python3
"""Cut the sample shard from a built corpus: audio files, catalog, expectations and attribution.

    python sample/build_sample.py --corpus DIR [--output DIR]

DIR is the corpus folder that holds ``manifest.csv``. What is cut, joined, looped, mixed and claimed stands in
``recipe.yaml``; this file is only the machinery. It needs numpy, PyYAML and the ``ffmpeg`` program. Everything under
``audio/`` and the three files ``catalog.jsonl``, ``expected.csv`` and ``ATTRIBUTION.md`` are written anew; no random
number, clock or file order goes into them, so one ffmpeg build gives the same bytes each time.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import broken_files
import numpy as np
import numpy.typing as npt
import yaml

HERE = pathlib.Path(__file__).resolve().parent
Samples = npt.NDArray[np.float32]  # shape (frames, channels), about -1 to 1

_CODEC_OPTIONS = {
    "mp3": ["-c:a", "libmp3lame"], "opus": ["-c:a", "libopus"], "webm": ["-c:a", "libopus"],
    "ogg": ["-c:a", "libvorbis"], "m4a": ["-c:a", "aac", "-movflags", "+faststart"], "mp4": ["-c:a", "aac"],
}  # fmt: skip
_PCM_OPTIONS = {
    ("wav", "u8"): ["-c:a", "pcm_u8"], ("wav", "s16"): ["-c:a", "pcm_s16le"], ("wav", "s24"): ["-c:a", "pcm_s24le"],
    ("wav", "f32"): ["-c:a", "pcm_f32le"],
    ("aiff", "s16"): ["-c:a", "pcm_s16be"], ("aiff", "s24"): ["-c:a", "pcm_s24be"],
    ("flac", "s16"): ["-c:a", "flac", "-sample_fmt", "s16"],
    ("flac", "s24"): ["-c:a", "flac", "-sample_fmt", "s32", "-bits_per_raw_sample", "24"],
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Source:
    """One corpus file and whose it is."""

    path: pathlib.Path
    title: str
    author: str
    licence: str
    package: str
    version: str
    split: str


def run_ffmpeg(arguments: list[str], stdin: bytes | None = None) -> bytes:
    """Run ffmpeg and give back its standard output."""
    command = ["ffmpeg", "-v", "error", "-nostdin" if stdin is None else "-y", "-threads", "1", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def decode(path: pathlib.Path, rate_hz: int, channels: int) -> Samples:
    """Read all samples of a file, resampled and mixed as asked."""
    raw = run_ffmpeg(["-i", str(path), "-ac", str(channels), "-ar", str(rate_hz), "-f", "f32le", "-"])
    return np.frombuffer(raw, "<f4").reshape(-1, channels).copy()


def duration_ms(path: pathlib.Path) -> int:
    """Measure the decoded length of a file, in milliseconds."""
    raw = run_ffmpeg(["-i", str(path), "-vn", "-ac", "1", "-ar", "8000", "-f", "s16le", "-"])
    return round(len(raw) / 2 / 8)


def encode(samples: Samples, rate_hz: int, target: pathlib.Path, spec: str, tags: dict[str, str]) -> None:
    """Write ``samples`` to ``target``; ``spec`` is a bit rate such as ``48k`` or a sample format such as ``s24``."""
    kind = target.suffix[1:]
    options = _PCM_OPTIONS.get((kind, spec)) or [*_CODEC_OPTIONS[kind], "-b:a", spec]
    picture = ["-f", "lavfi", "-i", "color=c=gray:s=64x64:r=1"] if kind == "mp4" else []
    video = ["-map", "0:a", "-map", "1:v", "-c:v", "mpeg4", "-shortest"] if kind == "mp4" else []
    metadata = [word for name, value in tags.items() for word in ("-metadata", f"{name}={value}")]
    source = ["-f", "f32le", "-ar", str(rate_hz), "-ac", str(samples.shape[1]), "-i", "-"]
    exact = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact", "-flags:v", "+bitexact"]
    run_ffmpeg([*source, *picture, *video, *options, *exact, *metadata, str(target)], samples.astype("<f4").tobytes())


def crossfade(first: Samples, second: Samples, frames: int) -> Samples:
    """Equal-power crossfade of the end of one piece into the start of the next."""
    frames = min(frames, len(first) // 3, len(second) // 3)
    ramp = np.linspace(0, np.pi / 2, frames, dtype=np.float32)[:, None]
    middle = first[len(first) - frames :] * np.cos(ramp) + second[:frames] * np.sin(ramp)
    return np.concatenate([first[: len(first) - frames], middle, second[frames:]])


def fade_ends(samples: Samples, frames: int) -> Samples:
    """Fade in and out, so that a cut makes no click."""
    frames = min(frames, len(samples) // 4)
    ramp = np.linspace(0, 1, frames, dtype=np.float32)[:, None]
    samples[:frames] *= ramp
    samples[len(samples) - frames :] *= ramp[::-1]
    return samples


def synthesise(kind: str, seconds: float, rate_hz: int, channels: int, seed: int) -> Samples:
    """White, pink or brown noise, a 440 Hz tone, binaural beats (200 and 206 Hz), or digital silence."""
    frames = round(seconds * rate_hz)
    time_s = np.arange(frames) / rate_hz
    if kind == "silence":
        return np.zeros((frames, channels), np.float32)
    if kind == "tone":
        wave = np.repeat(0.3 * np.sin(2 * np.pi * 440 * time_s)[:, None], channels, axis=1)
    elif kind == "binaural":
        wave = 0.3 * np.sin(2 * np.pi * time_s[:, None] * np.array([200.0, 206.0]))
    else:
        exponent = {"white": 0.0, "pink": 0.5, "brown": 1.0}[kind]
        spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal((frames, channels)), axis=0)
        frequency = np.fft.rfftfreq(frames, 1 / rate_hz)
        shape = np.zeros_like(frequency)
        shape[frequency >= 20] = frequency[frequency >= 20] ** -exponent
        wave = np.fft.irfft(spectrum * shape[:, None], frames, axis=0)
        wave *= 0.12 / wave.std()
    return wave.astype(np.float32)


def _each(values: list[str]) -> str:
    """Join the values, each once."""
    return "; ".join(dict.fromkeys(values))


class Shard:
    """The shard while it is built: knows the sources, writes files, collects what the listings need."""

    def __init__(self, corpus: pathlib.Path, output: pathlib.Path, recipe: dict[str, Any]) -> None:
        with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
            self._manifest = {pathlib.PurePath(row["path"]).name: row for row in csv.DictReader(file)}
        self._corpus, self._output, self._recipe = corpus, output, recipe
        self.attribution: list[tuple[str, ...]] = []
        self.catalog: list[bytes] = []
        self.expected: list[dict[str, Any]] = []
        self._rows: dict[str, dict[str, Any]] = {}  # catalog rows by audio_uri, first one wins

    def source(self, name: str) -> Source:
        """Find the corpus file of this name, with the credit that the recipe gives it."""
        row = self._manifest.get(name)
        if row is None:
            sys.exit(f"{name}: not in {self._corpus / 'manifest.csv'}; is the corpus built with the same packages?")
        path = self._corpus / row["path"]
        if hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            sys.exit(f"{path}: bytes differ from the manifest's sha256; build the corpus again")
        package = self._recipe["packages"][row["package"]]
        credit = {**package, **package.get("files", {}).get(name.split("__")[1], {})}
        return Source(
            path, credit.get("title", name.split("__")[1].replace("_", " ")), credit["author"], credit["licence"],
            row["package"], row["version"], row["split"],
        )  # fmt: skip

    def write_audio(self, track: dict[str, Any], uri: str) -> list[Source]:
        """Write one audio file as the recipe says; gives back its sources (none for a synthesised one)."""
        target = self._output / uri
        target.parent.mkdir(parents=True, exist_ok=True)
        sources = [self.source(name) for name in [*track.get("from", []), *track.get("under", [])]]
        if "encode" not in track:
            shutil.copyfile(sources[0].path, target)
            self._attribute(uri, sources, "nothing: the original bytes")
            return sources
        layout, spec = track["encode"].split()
        rate_hz, channels = (int(part) for part in layout.split("x"))
        if "synth" in track:
            samples = synthesise(track["synth"], track["seconds"], rate_hz, channels, track.get("seed", 1))
            changed = f"synthesised: {track['synth']}"
        else:
            samples, changed = self._assemble(track, sources, rate_hz, channels)
        peak = float(np.abs(samples).max(initial=0))
        if peak > 0.98:
            samples *= 0.98 / peak
        tags = {"copyright": f"{self._licence(sources)}; see ATTRIBUTION.md"}
        if sources:
            tags |= {"title": _each([s.title for s in sources]), "artist": _each([s.author for s in sources])}
        encode(samples, rate_hz, target, spec, tags)
        form = f"{target.suffix[1:]} {rate_hz} Hz x {channels}, {spec}"
        self._attribute(uri, sources, f"{changed}; encoded as {form}")
        return sources

    @staticmethod
    def _assemble(track: dict[str, Any], sources: list[Source], rate_hz: int, channels: int) -> tuple[Samples, str]:
        """Cut, join, loop and mix the sources; also says in words what was done."""
        parts = [decode(source.path, rate_hz, channels) for source in sources[: len(track["from"])]]
        words = []
        if "cut" in track:
            start_s, end_s = track["cut"]
            span = slice(round(start_s * rate_hz), round(end_s * rate_hz))
            parts = [fade_ends(part[span], rate_hz // 20) for part in parts]
            words.append(f"cut to {start_s}-{end_s} s")
        samples = parts[0]
        if len(parts) > 1 and "loop_s" not in track:
            gap = np.zeros((round(track.get("gap_s", 0.4) * rate_hz), channels), np.float32)
            samples = np.concatenate([piece for part in parts for piece in (part, gap)])
            words.append(f"{len(parts)} recordings joined")
        if "loop_s" in track:
            overlap, number = round(track.get("overlap_s", 1.0) * rate_hz), 0
            while len(samples) < track["loop_s"] * rate_hz:
                number += 1
                samples = crossfade(samples, parts[number % len(parts)], overlap)
            samples = fade_ends(samples[: round(track["loop_s"] * rate_hz)].copy(), rate_hz)
            words.append(f"looped with crossfades to {track['loop_s']} s, as uploads of this kind are made")
        if "under" in track:
            bed = decode(sources[-1].path, rate_hz, channels)
            bed = bed[round(track["under_from_s"] * rate_hz) :][: len(samples)] * 10 ** (track["under_db"] / 20)
            samples = samples.copy()
            samples[: len(bed)] += bed
            words.append(f"the last one mixed under at {track['under_db']} dB")
        if "gain_db" in track:
            samples = samples * np.float32(10 ** (track["gain_db"] / 20))
            words.append(f"level {track['gain_db']:+d} dB")
        return samples, ", ".join(words) or "whole recording"

    @staticmethod
    def _licence(sources: list[Source]) -> str:
        licences = {source.licence for source in sources} or {"CC0-1.0"}
        if len(licences) != 1:
            sys.exit(f"{sources[0].path.name}: sources of different licences are never mixed: {sorted(licences)}")
        return licences.pop()

    def _attribute(self, uri: str, sources: list[Source], changed: str) -> None:
        """Note whose a file is; one with a part from the train split counts as ``train``."""
        if not sources:
            self.attribution.append((uri, "", "none", "this project", "CC0-1.0", changed, ""))
            return
        self.attribution.append(
            (
                uri, _each([s.title for s in sources]), _each([f"{s.package} {s.version}" for s in sources]),
                _each([s.author for s in sources]), self._licence(sources), changed, max(s.split for s in sources),
            )
        )  # fmt: skip

    def add_row(self, row: dict[str, Any], expect: dict[str, Any], split: str) -> None:
        """Append a good catalog row and what is expected of it."""
        self._rows.setdefault(row["audio_uri"], row)
        self.add_line(json.dumps(row, ensure_ascii=False).encode(), {"split": split, **expect}, row["track_id"])

    def add_line(self, line: bytes, expect: dict[str, Any], track_id: str | None) -> None:
        """Append one catalog line, whatever it is; ``track_id`` as far as a reader can know it."""
        self.catalog.append(line)
        if line.strip():
            self.expected.append({"catalog_line": len(self.catalog), "track_id": track_id or "", **expect})

    def build(self) -> None:
        """Every release, then what is broken."""
        number = 0
        for release in self._recipe["releases"]:
            for track in release["tracks"]:
                number += 1
                self._add_track(number, release, track)
        broken_files.write_broken_files(self._output / "audio", self.attribution)
        for entry in self._recipe["broken"]:
            self._add_broken(entry)

    def _add_track(self, number: int, release: dict[str, Any], track: dict[str, Any]) -> None:
        sources: list[Source] = []
        if "uri" in track:
            uri = track["uri"]
            artist, split = self._rows[uri]["artist"], self._split_of(uri)
        elif "copy_of" in track:
            uri = f"audio/{release['folder']}/{track['file']}"
            original = next(line for line in self.attribution if line[0] == track["copy_of"])
            (self._output / uri).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._output / track["copy_of"], self._output / uri)
            self.attribution.append((uri, *original[1:5], f"byte-identical copy of {track['copy_of']}", original[6]))
            artist, split = self._rows[track["copy_of"]]["artist"], original[6]
        else:
            uri = f"audio/{release['folder']}/{track['file']}"
            sources = self.write_audio(track, uri)
            artist = _each([s.author for s in sources]) or "Earmark sample"
            split = self._split_of(uri)
        fields = {**release["fields"], **track.get("fields", {})}
        row = {
            "track_id": f"trk_{number:04d}", "audio_uri": uri, "title": track["title"],
            "artist": track.get("artist", artist), "release_id": release["id"], "release_title": release["title"],
            "isrc": f"ZZEAR25{number:05d}", "duration_ms": track.get("duration_ms") or duration_ms(self._output / uri),
            **{name: value for name, value in fields.items() if value is not None},
        }  # fmt: skip
        kind, _, functional_type = track["is"].partition("/")
        expect = {
            "expected_category": kind, "expected_functional_type": functional_type,
            "clear": str("unclear" not in track).lower(),
            "expected_flag": track.get("flag", ""), "note": track.get("unclear", track.get("note", "")),
        }  # fmt: skip
        self.add_row(row, expect, split)
        for _ in range(track.get("again", 0)):
            self.add_row(row, {**expect, "note": "identical row: collapses into one label"}, split)

    def _split_of(self, uri: str) -> str:
        return next(line[6] for line in self.attribution if line[0] == uri)

    def _add_broken(self, entry: dict[str, Any]) -> None:
        """Add a line of the recipe's ``broken`` list: ``raw`` text, ``bytes_hex``, or a row as ``fields``."""
        if "bytes_hex" in entry:
            line = bytes.fromhex(entry["bytes_hex"])
        else:
            line = entry["raw"].encode() if "raw" in entry else json.dumps(entry["fields"], ensure_ascii=False).encode()
        expect = {key: entry.get(key, "") for key in ("expected_category", "expected_functional_type", "expected_flag")}
        expect |= {"expected_error_type": entry.get("error", "")}
        expect |= {key: entry.get(key, "") for key in ("clear", "note")}
        uri = entry.get("fields", {}).get("audio_uri", "")
        split = next((a[6] for a in self.attribution if a[0] == uri), "")
        self.add_line(line, {"split": split, **expect}, entry.get("fields", {}).get("track_id"))

    def write_listings(self) -> None:
        """``catalog.jsonl``, ``expected.csv`` and ``ATTRIBUTION.md``."""
        (self._output / "catalog.jsonl").write_bytes(b"".join(line + b"\n" for line in self.catalog))
        columns = ["catalog_line", "track_id", "expected_category", "expected_functional_type", "clear",
                   "expected_error_type", "expected_flag", "split", "note"]  # fmt: skip
        with (self._output / "expected.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.expected)
        head = (HERE / "attribution_head.md").read_text(encoding="utf-8")
        lines = ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in sorted(self.attribution)]
        (self._output / "ATTRIBUTION.md").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Parse the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=pathlib.Path, required=True, help="folder with the corpus's manifest.csv")
    parser.add_argument("--output", type=pathlib.Path, default=HERE, help="folder to write to (default: this one)")
    arguments = parser.parse_args()
    if not (arguments.corpus / "manifest.csv").is_file():
        parser.error(f"--corpus {arguments.corpus}: no manifest.csv there; build the corpus first")
    shutil.rmtree(arguments.output / "audio", ignore_errors=True)
    recipe = yaml.safe_load((HERE / "recipe.yaml").read_text(encoding="utf-8"))
    shard = Shard(arguments.corpus, arguments.output, recipe)
    shard.build()
    shard.write_listings()
    print(f"{len(shard.catalog)} catalog lines, {len(shard.attribution)} audio files")


if __name__ == "__main__":
    main()
