"""The sample shard keeps its promises: licences, sizes, kinds of audio, and an expectation for every catalog line."""

from __future__ import annotations

import collections
import csv
import functools
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from transforms.records import ErrorType

SAMPLE = Path(__file__).resolve().parent.parent / "sample"
MIB = 1024 * 1024
LICENCES_WITH_A_FILE_OF_ANOTHER_NAME = {
    "GPL-2.0-only": "GPL-2.0",
    "GPL-2.0-or-later": "GPL-2.0",
    "GPL-3.0-or-later": "GPL-3.0",
    "Expat (Carlos Viola Iborra)": "Expat-Carlos-Viola-Iborra",
    "BSD-like (Michel Gutierrez)": "BSD-like-Michel-Gutierrez",
    "BSD-like (Nickolay V. Shmyrev)": "BSD-like-Nickolay-V-Shmyrev",
}


@functools.cache
def attribution() -> dict[str, dict[str, str]]:
    """The table of ATTRIBUTION.md by file; a file listed twice fails."""
    lines = (SAMPLE / "ATTRIBUTION.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| audio/")]
    names = ("file", "title", "package", "author", "licence", "changed", "split")
    assert {len(row) for row in rows} == {len(names)}
    table = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
    assert len(table) == len(rows)
    return table


@functools.cache
def catalog_lines() -> list[bytes]:
    return (SAMPLE / "catalog.jsonl").read_bytes().removesuffix(b"\n").split(b"\n")


@functools.cache
def expected() -> list[dict[str, str]]:
    with (SAMPLE / "expected.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def catalog_row(expectation: dict[str, str]) -> dict[str, Any]:
    row = json.loads(catalog_lines()[int(expectation["catalog_line"]) - 1])
    assert isinstance(row, dict)
    return row


@functools.cache
def good() -> list[tuple[dict[str, Any], dict[str, str]]]:
    """Catalog rows that are to be labelled, each with what is expected."""
    return [(catalog_row(line), line) for line in expected() if not line["expected_error_type"]]


@functools.cache
def good_files() -> dict[str, dict[str, str]]:
    """Audio files of the rows to be labelled, but for the ones made broken, with the first row's expectation."""
    files: dict[str, dict[str, str]] = {}
    for row, line in good():
        if not row["audio_uri"].startswith("audio/broken/"):
            files.setdefault(row["audio_uri"], line)
    return files


@functools.cache
def streams() -> dict[str, tuple[str, int, int, float]]:
    """Codec, rate in Hz, channels, and length in seconds as the container states it, of each good file."""
    found = {}
    for uri in good_files():
        with av.open(str(SAMPLE / uri)) as container:
            stream = container.streams.audio[0]
            assert container.duration is not None
            found[uri] = (stream.codec_context.name, stream.rate, stream.channels, container.duration / 1e6)
    return found


def real_recordings() -> dict[str, dict[str, str]]:
    """Good files that come from a recording; neither synthesised here nor a copy of another one."""
    return {
        uri: line
        for uri, line in good_files().items()
        if attribution()[uri]["package"] != "none" and "copy of" not in attribution()[uri]["changed"]
    }


def test_every_audio_file_has_one_attribution_line_and_none_is_left_over() -> None:
    on_disk = {str(path.relative_to(SAMPLE)) for path in (SAMPLE / "audio").rglob("*") if path.is_file()}
    assert on_disk == set(attribution())


def test_every_licence_is_one_that_allows_redistribution_and_its_text_is_here() -> None:
    head = (SAMPLE / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for line in attribution().values():
        licence = line["licence"]
        assert re.match(r"CC0-1\.0$|CC-BY(-SA)?-[34]\.0$|GPL-[23]\.0-|Expat |BSD-like ", licence), line
        text = SAMPLE / "LICENSES" / f"{LICENCES_WITH_A_FILE_OF_ANOTHER_NAME.get(licence, licence)}.txt"
        assert text.stat().st_size > 500, text
        assert f"LICENSES/{text.name}" in head


def test_every_recording_names_its_author_its_package_and_what_was_changed() -> None:
    for line in attribution().values():
        assert line["author"] and line["changed"], line
        if line["author"] == "this project":
            assert line["licence"] == "CC0-1.0" and line["package"] == "none"
        else:
            assert line["title"] and re.search(r"\S+ \S+", line["package"]), line
            assert line["split"] in {"dev", "train"}, line
            assert not re.search(r"tqdj|ursina|btanks", line["package"])


def test_size_on_disk() -> None:
    sizes = [path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()]
    assert sum(sizes) <= 28 * MIB
    assert max(sizes) <= MIB


def test_expectations_cover_every_line_of_the_catalog_that_is_not_blank() -> None:
    lines = [number for number, line in enumerate(catalog_lines(), 1) if line.strip()]
    assert [int(line["catalog_line"]) for line in expected()] == lines
    assert len(lines) < len(catalog_lines()), "the catalog holds blank lines"


def test_rows_parse_but_for_the_broken_ones_and_carry_the_expected_track_id() -> None:
    readable_ids = 0
    for line in expected():
        raw = catalog_lines()[int(line["catalog_line"]) - 1]
        try:
            row = json.loads(raw)
        except ValueError:  # UnicodeDecodeError is one
            row = None
        if not isinstance(row, dict):
            assert line["expected_error_type"] == ErrorType.INVALID_ROW and line["track_id"] == ""
            continue
        assert row.get("track_id", "") == line["track_id"]
        readable_ids += bool(line["track_id"])
    assert readable_ids > 120


def test_expectations_use_the_words_of_the_taxonomy_and_of_the_dead_letters() -> None:
    for line in expected():
        if line["expected_error_type"]:
            assert line["expected_error_type"] in set(ErrorType)
            assert line["expected_category"] == line["clear"] == ""
        else:
            assert line["expected_category"] in CATEGORIES and line["clear"] in {"true", "false"}
            assert line["clear"] == "true" or line["note"], "an unclear case says why"
            kind = line["expected_functional_type"]
            assert kind == "" or (line["expected_category"] == "functional" and kind in FUNCTIONAL_TYPES)


def test_there_are_enough_real_recordings_of_every_category() -> None:
    counts = collections.Counter(line["expected_category"] for line in real_recordings().values())
    assert sum(counts.values()) >= 75
    assert counts["music"] >= 30 and counts["functional"] >= 25 and counts["speech"] >= 15


def test_most_recordings_are_not_training_material() -> None:
    splits = collections.Counter(line["split"] for line in real_recordings().values())
    assert splits["dev"] > 2 * splits["train"]


def test_functional_audio_of_every_kind_but_asmr_is_there() -> None:
    kinds = collections.Counter(line["expected_functional_type"] for line in good_files().values())
    for kind in set(FUNCTIONAL_TYPES) - {"asmr"}:
        assert kinds[kind] >= 1, kind
    assert kinds["nature"] >= 10 and kinds["machine"] >= 5 and kinds["noise"] >= 4


def test_speech_is_in_at_least_three_languages() -> None:
    languages = collections.Counter(
        row.get("language") for row, line in good() if line["expected_category"] == "speech"
    )
    assert {"fr", "en", "es", "ru", "da", "cs"} <= set(languages)


def test_music_has_ambient_drone_rock_folk_orchestral_electronic_and_percussion() -> None:
    genres = {genre for row, line in good() if line["expected_category"] == "music" for genre in row.get("genres", ())}
    assert {"Ambient", "Drone", "Rock", "Folk", "Orchestral", "Electronic", "Percussion"} <= genres


def test_codecs_rates_channels_and_lengths_vary() -> None:
    suffixes = {Path(uri).suffix for uri in streams()}
    assert suffixes == {".mp3", ".ogg", ".opus", ".flac", ".wav", ".aiff", ".m4a", ".mp4", ".webm"}
    codecs = {codec for codec, *_ in streams().values()}
    assert {"vorbis", "opus", "flac", "aac", "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le"} <= codecs
    rates = {rate for _, rate, _, _ in streams().values()}
    assert min(rates) == 8000 and max(rates) == 48000 and len(rates) >= 7
    assert {channels for _, _, channels, _ in streams().values()} == {1, 2}
    assert sum(seconds >= 120 for *_, seconds in streams().values()) >= 8
    assert sum(seconds < 2 for *_, seconds in streams().values()) >= 4


def test_the_catalog_states_the_length_that_decodes_and_only_silence_is_silent() -> None:
    durations_ms = {row["audio_uri"]: row["duration_ms"] for row, line in reversed(good()) if "duration_ms" in row}
    for uri, line in good_files().items():
        if line["expected_flag"] == "shorter_than_catalog":
            continue
        with av.open(str(SAMPLE / uri)) as container:
            stream = container.streams.audio[0]
            resampler = av.AudioResampler("flt", "mono", 8000)
            frames = [part for frame in container.decode(stream) for part in resampler.resample(frame)]
            samples = np.concatenate([frame.to_ndarray()[0] for frame in [*frames, *resampler.resample(None)]])
        assert len(samples) / 8 == pytest.approx(durations_ms[uri], abs=100), uri
        level_dbfs = 20 * np.log10(np.sqrt(np.mean(samples.astype(np.float64) ** 2)) + 1e-12)
        assert (level_dbfs < -60) == (line["expected_functional_type"] == "silence"), (uri, level_dbfs)
        assert level_dbfs > -45 or line["expected_functional_type"] == "silence", (uri, level_dbfs)


def test_one_recording_of_noise_stands_under_several_track_ids() -> None:
    by_uri = collections.defaultdict(set)
    by_content = collections.defaultdict(set)
    for row, _ in good():
        by_uri[row["audio_uri"]].add(row["track_id"])
        content = hashlib.sha256((SAMPLE / row["audio_uri"]).read_bytes()).hexdigest()
        by_content[content].add((row["track_id"], row["audio_uri"]))
    assert max(len(ids) for ids in by_uri.values()) >= 3
    assert any(len({uri for _, uri in rows}) >= 3 and len(rows) >= 5 for rows in by_content.values())


def test_one_row_stands_twice_word_for_word() -> None:
    repeated = [line for line, times in collections.Counter(catalog_lines()).items() if times > 1 and line.strip()]
    assert len(repeated) == 1


def test_releases_mix_functional_and_musical_tracks() -> None:
    categories = collections.defaultdict(set)
    for row, line in good():
        categories[row["release_id"]].add(line["expected_category"])
    assert sum({"music", "functional"} <= held for held in categories.values()) >= 4


def test_some_titles_and_declared_types_mislead() -> None:
    flags = collections.Counter(line["expected_flag"] for line in expected())
    assert flags["title_contradicts_audio"] >= 4 and flags["declared_type_contradicts_audio"] >= 2


def test_made_up_identifiers_look_made_up() -> None:
    for row, _ in good():
        if "isrc" in row:
            assert re.fullmatch(r"ZZ[A-Z0-9]{3}\d{7}", row["isrc"]), row
        assert re.fullmatch(r"Licensor [A-D]", row["licensor"]), row
        assert re.fullmatch(r"trk_\d{4}", row["track_id"])


def test_a_dozen_broken_rows_of_many_causes() -> None:
    causes = collections.Counter(line["expected_error_type"] for line in expected() if line["expected_error_type"])
    assert sum(causes.values()) >= 12
    assert causes["duplicate_track_id"] == 2 and causes["path_not_allowed"] == 3
    assert set(causes) >= {
        "invalid_row", "missing_audio", "empty_audio", "unreadable_audio", "truncated_audio", "audio_too_short",
    }  # fmt: skip


def test_broken_files_are_broken_in_the_way_that_is_claimed() -> None:
    broken = SAMPLE / "audio" / "broken"
    assert (broken / "empty.mp3").stat().st_size == 0
    with pytest.raises(av.FFmpegError), av.open(str(broken / "notes.mp3")):
        pass
    with av.open(str(broken / "cover.flac")) as container:
        assert not container.streams.audio
    with av.open(str(broken / "header-only.m4a")) as container:
        assert container.duration is not None and container.duration > 16e6
        with pytest.raises(av.FFmpegError):
            next(container.decode(container.streams.audio[0]))
    with av.open(str(broken / "half-a-song.mp3")) as container:
        decoded = sum(frame.samples for frame in container.decode(container.streams.audio[0]))
        assert decoded / 44100 == pytest.approx(25.8, abs=0.5)
    for line in expected():
        if line["expected_error_type"] == ErrorType.MISSING_AUDIO:
            assert not (SAMPLE / catalog_row(line)["audio_uri"]).exists()
