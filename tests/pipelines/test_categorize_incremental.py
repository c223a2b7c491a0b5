"""A run with --previous on real audio: apart from label_source it gives what labelling everything anew would."""

import hashlib
import json
import os
import pathlib
import shutil

import pyarrow.dataset as ds
import pytest

from models.errors import RunFailedError
from pipelines.categorize_tracks import run
from tests.sample_run import SAMPLE
from transforms.table_schemas import TABLES

BEFORE, NOW, AFTER = "2026-01-31", "2026-02-01", "2026-02-02"
#: Of the sample shard: songs, rain, a noise, silence, voices, broken files and broken rows.
CHOSEN = [*range(1, 7), *range(20, 31, 2), *range(60, 64), *range(84, 92), *range(98, 111, 2), *range(901, 920)]


def job(catalog: pathlib.Path, output: pathlib.Path, date: str, *flags, rows_per_file: int = 16) -> int:
    config = catalog.parent / f"config-{rows_per_file}.yaml"
    config.write_text(
        f"tables: {{rows_per_file: {rows_per_file}}}\ngates: {{max_dead_letter_share: 0.6, max_label_drift: 1}}\n"
    )
    argv = ["--catalog", catalog, "--output", output, "--run_date", date, "--config", config]
    return run([str(part) for part in (*argv, "--policy", "spotify", "--policy", "deezer", *flags)])


def rows(output: pathlib.Path, table: str, date: str) -> list[dict]:
    return ds.dataset(output / table / f"run_date={date}", format="parquet").to_table().to_pylist()


def comparable(output: pathlib.Path, date: str, *apart: str) -> dict[str, list[str]]:
    """Every table's rows without what two runs always differ in."""
    return {
        table: sorted(
            repr(sorted((name, value) for name, value in row.items() if name not in ("run_id", "run_date", *apart)))
            for row in rows(output, table, date)
        )
        for table in TABLES
    }


def digests(output: pathlib.Path, date: str) -> dict[str, str]:
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in output.glob(f"*/run_date={date}/*.parquet")
    }


def sources(output: pathlib.Path, date: str) -> dict[str, str]:
    return {row["track_id"]: row["label_source"] for row in rows(output, "track_labels", date)}


class Catalog:
    """A part of the sample shard, with audio of its own that may be changed."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        shutil.copytree(SAMPLE / "audio", folder / "audio")
        lines = (SAMPLE / "catalog.jsonl").read_bytes().splitlines()
        self.rows: list[dict] = []
        self.others = [line for line in lines if line.strip() and not line.startswith(b'{"track_id": "trk_')]
        for line in lines:
            if line.startswith(b'{"track_id": "trk_') and int(line[18:22]) in CHOSEN:
                try:
                    self.rows.append(json.loads(line))
                except ValueError:
                    self.others.append(line)

    def of(self, number: int) -> dict:
        return next(row for row in self.rows if row["track_id"] == f"trk_{number:04d}")

    def audio(self, number: int) -> pathlib.Path:
        return self.folder / self.of(number)["audio_uri"]

    def write(self) -> pathlib.Path:
        path = self.folder / "catalog.jsonl"
        path.write_bytes(b"\n".join([*(json.dumps(row).encode() for row in self.rows), *self.others]) + b"\n")
        return path


def change(catalog: Catalog) -> None:
    """Change rows and audio in every way that a day brings."""
    # What the words say, and only the words.
    catalog.of(20)["title"] = "Piano Sonata No. 3"
    catalog.of(1)["title"] = "Rain Sounds for Sleep"
    catalog.of(2)["declared_type"] = "noise"
    catalog.of(3).pop("duration_ms", None)
    catalog.of(5)["duration_ms"] = 3_600_000
    catalog.of(6)["duration_ms"] = 1000
    catalog.of(22).update(title="Untitled", release_title="Piano Quartets", genres=["jazz"])
    catalog.of(84)["declared_type"] = "music"
    catalog.of(85).update(isrc="ZZEAR2599999", artist="Somebody Else", language="xx")
    # A release changes around functional tracks, which some policies look at.
    for number in (1, 2, 3):
        catalog.of(number)["release_id"] = "rel_sleep"
    catalog.of(24).pop("release_id")
    # Rows go, among them one that others are duplicates of.
    catalog.rows.remove(catalog.of(86))
    # The same audio under new ids, before and behind the others, and by another path.
    copy = catalog.folder / "audio" / "copy-of-rain.opus"
    shutil.copy(catalog.audio(26), copy)
    catalog.rows.append({"track_id": "aaa_first", "audio_uri": "audio/copy-of-rain.opus", "release_id": "rel_sleep"})
    catalog.rows.append({"track_id": "zzz_last", "audio_uri": catalog.of(28)["audio_uri"], "title": "Fire"})
    catalog.rows.append({"track_id": "zzz_twice", "audio_uri": catalog.of(28)["audio_uri"], "title": "Fire"})
    # A path changes and the audio does not.
    shutil.move(catalog.audio(87), catalog.folder / "audio" / "moved.audio")
    catalog.of(87)["audio_uri"] = "audio/moved.audio"
    # Audio is replaced: by other bytes of the same length with its old time of change; by that of another track.
    sly = catalog.audio(102)
    status, data = sly.stat(), sly.read_bytes()
    sly.write_bytes(data[:1000] + bytes(len(data) - 1000))
    os.utime(sly, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert sly.stat().st_size == len(data)
    assert sly.stat().st_mtime_ns == status.st_mtime_ns
    shutil.copy(catalog.audio(30), catalog.audio(100))
    # It is touched; it goes; it comes.
    os.utime(catalog.audio(4))
    catalog.audio(88).unlink()
    shutil.copy(catalog.audio(89), catalog.folder / "audio" / "endgame" / "99-never-delivered.mp3")
    # A row stands twice, alike and not alike.
    catalog.rows.append(dict(catalog.of(90)))
    catalog.rows.append(catalog.of(91) | {"title": "Another"})


@pytest.fixture(scope="module")
def days(tmp_path_factory) -> pathlib.Path:
    """``out``: a day, and the next one carried forward; ``fresh``: the next one, labelled anew."""
    folder = tmp_path_factory.mktemp("days")
    catalog = Catalog(folder)
    assert job(catalog.write(), folder / "out", BEFORE) == 0
    change(catalog)
    path = catalog.write()
    assert job(path, folder / "fresh", NOW) == 0
    # Twice as many files as before, about.
    assert job(path, folder / "out", NOW, "--previous", folder / "out", rows_per_file=8) == 0
    return folder


@pytest.mark.parametrize("table", TABLES)
def test_a_carried_run_is_a_fresh_one_but_for_label_source(days, table):
    carried, fresh = (comparable(days / name, NOW, "label_source")[table] for name in ("out", "fresh"))
    assert carried == fresh
    assert fresh


def test_only_new_and_changed_audio_is_labelled(days):
    found = sources(days / "out", NOW)
    assert {track_id for track_id, source in found.items() if source == "audio"} == {
        "aaa_first", "zzz_last", "zzz_twice", "trk_0102", "trk_0100", "trk_0910",
    }  # fmt: skip
    assert set(sources(days / "fresh", NOW).values()) == {"audio"}
    assert found["trk_0087"] == found["trk_0004"] == "carried", "moved and touched"


def test_what_the_words_of_a_row_raise_is_decided_anew(days):
    before, now = ({row["track_id"]: row for row in rows(days / "out", "track_labels", day)} for day in (BEFORE, NOW))
    flags = {number: set(now[f"trk_{number:04d}"]["flags"]) for number in (2, 5, 6, 20)}
    assert "title_contradicts_audio" in flags[20]
    assert "declared_type_contradicts_audio" in flags[2]
    assert "shorter_than_catalog" in flags[5]
    assert "longer_than_catalog" in flags[6]
    assert (before["trk_0020"]["decision"], now["trk_0020"]["decision"]) == ("auto", "review")
    assert now["trk_0026"]["duplicate_of"] == "aaa_first", "the first track with the audio is a new one"


def test_each_table_has_a_multiple_of_the_files_of_before(days):
    numbers = [
        len(list((days / "out" / "track_labels" / f"run_date={day}").glob("*.parquet"))) for day in (BEFORE, NOW)
    ]
    assert numbers[0] > 3
    assert numbers[1] == 2 * numbers[0]


def test_the_manifest_says_what_was_carried(days):
    found = sources(days / "out", NOW)
    (papers,) = (days / "out" / "runs").glob(f"{NOW}-*")
    (earlier,) = (days / "out" / "runs").glob(f"{BEFORE}-*")
    manifest = json.loads((papers / "manifest.json").read_text())
    assert manifest["previous"] == {
        "run_id": earlier.name,
        "run_date": BEFORE,
        "tracks_carried": list(found.values()).count("carried"),
        "tracks_labelled": list(found.values()).count("audio"),
    }
    assert manifest["labelling"]["model_version"]
    assert "carried" in manifest["gates"][0]["message"]


def test_the_same_run_gives_the_same_bytes_in_any_order(days, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(days / "out", output)
    before = digests(output, NOW)
    path = days / "catalog.jsonl"
    lines = path.read_bytes().splitlines()
    try:
        # The rows behind them are named by their lines when they are dead letters.
        path.write_bytes(b"\n".join([*reversed(lines[:30]), *lines[30:]]))
        assert job(path, output, NOW, "--previous", output, rows_per_file=8) == 0
    finally:
        path.write_bytes(b"\n".join(lines) + b"\n")
    assert digests(output, NOW) == before


def test_a_file_of_the_previous_run_that_changed_fails_the_run_and_nothing_is_published(days, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(days / "out", output)
    path = next((output / "track_segments" / f"run_date={NOW}").glob("*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RunFailedError, match=rf"--previous: the file {path} of run .* is not what it published; "):
        job(days / "catalog.jsonl", output, AFTER, "--previous", output)
    assert not any((output / table / f"run_date={AFTER}").exists() for table in TABLES)


def test_audio_of_another_root_is_not_taken_for_that_of_its_etag(tmp_path, capsys):
    same, first, second = (
        next((SAMPLE / "audio").rglob(name)) for name in ("10-crickets.opus", "01-rain-on-the-roof.opus", "01-room.wav")
    )
    for folder, changed in (("one", first), ("two", second)):
        (tmp_path / folder).mkdir()
        shutil.copy(same, tmp_path / folder / "same")
        shutil.copy(changed, tmp_path / folder / "changed")
    catalog = tmp_path / "catalog.jsonl"
    given = [{"track_id": name, "audio_uri": name, "audio_etag": "1"} for name in ("same", "changed")]
    catalog.write_text("".join(json.dumps(row) + "\n" for row in given))
    output = tmp_path / "out"
    assert job(catalog, output, BEFORE, "--audio_root", tmp_path / "one") == 0
    assert job(catalog, output, NOW, "--previous", output, "--audio_root", tmp_path / "two") == 0
    assert sources(output, NOW) == {"same": "carried", "changed": "audio"}, "by their bytes"
    assert "only its sha256" in capsys.readouterr().err
    (label,) = [row for row in rows(output, "track_labels", NOW) if row["track_id"] == "changed"]
    assert label["audio_sha256"] == hashlib.sha256(second.read_bytes()).hexdigest()


def test_a_chain_of_carried_runs_loses_nothing(days, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(days / "out", output)
    assert job(days / "catalog.jsonl", output, AFTER, "--previous", output) == 0
    assert set(sources(output, AFTER).values()) == {"carried"}
    assert comparable(output, AFTER, "label_source") == comparable(output, NOW, "label_source")
