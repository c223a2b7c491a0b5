"""The Beam stage that finds audio and hashes it, on the in-process runner."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from pathlib import Path

import pytest

from tests.audio_files import chirp, write_audio
from tests.transforms.kept_elements import counters_of, distributions_of, run_and_keep
from transforms import identify_audio
from transforms.audio_sources import AudioIdentity, AudioRoot, identify
from transforms.identify_audio import DEAD_LETTERS, FILES, IdentifyAudio
from transforms.records import CatalogRow, DeadLetter, ErrorType, RowTally, Stage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(4):
        write_audio(tmp_path / f"{i}", chirp(1.0 + i, 16_000), 16_000, "wav16")
    return tmp_path


def row(name: str) -> CatalogRow:
    return CatalogRow(track_id=f"t-{name}", audio_uri=name, title="ü", tally=RowTally.of_place(name))


def test_identify(folder: Path) -> None:
    shutil.copy(folder / "1.wav", folder / "copy.wav")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "large.wav").write_bytes(bytes(999_999))
    names = ["1.wav", "copy.wav", "2.wav", "empty.wav", "none.wav", "../x.wav", "large.wav"]
    transform = IdentifyAudio(AudioRoot(str(folder), max_file_bytes=500_000))
    kept, result = run_and_keep(transform, [row(name) for name in names], "identified", DEAD_LETTERS)
    expected = {
        (hashlib.sha256((folder / name).read_bytes()).hexdigest(), row(name)) for name in ("1.wav", "copy.wav", "2.wav")
    }
    assert {(key, row) for key, (row, _) in kept["identified"]} == expected
    letters: dict[str | None, DeadLetter] = {letter.track_id: letter for letter in kept[DEAD_LETTERS]}
    assert {track_id: letter.error_type for track_id, letter in letters.items()} == {
        "t-empty.wav": ErrorType.EMPTY_AUDIO,
        "t-none.wav": ErrorType.MISSING_AUDIO,
        "t-../x.wav": ErrorType.PATH_NOT_ALLOWED,
        "t-large.wav": ErrorType.AUDIO_TOO_LARGE,
    }
    letter = letters["t-none.wav"]
    assert json.loads(letter.catalog_row) == {"track_id": "t-none.wav", "audio_uri": "none.wav", "title": "ü"}
    assert (letter.stage, letter.tally) == (Stage.AUDIO, RowTally.of_place("none.wav"))
    assert "'none.wav'" in letter.message
    assert counters_of(result, "IdentifyAudio") == {
        "rows_identified": 3,
        **{f"rows_{kind}": 1 for kind in ("empty_audio", "missing_audio", "path_not_allowed", "audio_too_large")},
    }
    size = distributions_of(result, "IdentifyAudio")["audio_bytes"]
    assert (size.count, size.min) == (3, (folder / "1.wav").stat().st_size)


def test_more_rows_than_are_in_flight_come_out_once_each_and_in_their_order(folder: Path) -> None:
    root = AudioRoot(str(folder))
    names = [f"{i % 4}.wav" for i in range(4 * identify_audio.reader_count(root) + 7)]
    rows = [CatalogRow(track_id=f"t{i}", audio_uri=name) for i, name in enumerate(names)]
    kept, _ = run_and_keep(IdentifyAudio(root), rows, "identified", FILES)
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in set(names)}
    assert [(key, row) for key, (row, _) in kept["identified"]] == [(digests[row.audio_uri], row) for row in rows]
    assert {row.audio_uri: stored.size_bytes for _, (row, stored) in kept["identified"]} == {
        name: (folder / name).stat().st_size for name in digests
    }
    assert [(key, request.audio_uri) for key, (_, request) in kept[FILES]] == [(digests[name], name) for name in names]


def test_files_are_read_side_by_side(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    met = threading.Barrier(2)

    def waiting(audio_uri: str, root: AudioRoot) -> AudioIdentity:
        met.wait(timeout=60)  # for another reader: one alone would never get past it
        return identify(audio_uri, root)

    monkeypatch.setattr(identify_audio, "identify", waiting)
    monkeypatch.setattr(identify_audio, "available_processors", lambda: 2)
    monkeypatch.setattr(identify_audio, "_readers", {})
    kept, _ = run_and_keep(IdentifyAudio(AudioRoot(str(folder))), [row(f"{i}.wav") for i in range(4)], "identified")
    assert len(kept["identified"]) == 4
