"""The summary at the end of a run: what it says, and that hostile titles cannot steer a terminal or a shell."""

import datetime
import io
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from transforms.console_report import print_report, reason
from transforms.table_schemas import TABLES

DATE = "2026-01-31"


def label(track_id, category="music", decision="auto", flags=(), title="A song", duplicate_of=None):
    return {
        "track_id": track_id, "title": title, "audio_uri": "a", "audio_sha256": "0" * 64, "duration_s": 1.0,
        "category": category, "functional_type": "noise" if category == "functional" else None, "decision": decision,
        "confidence": 0.9, "p_music": 0.9, "p_functional": 0.05, "p_speech": 0.05, "music_fraction": 1.0,
        "functional_fraction": 1.0, "speech_fraction": 1.0, "duplicate_of": duplicate_of, "flags": list(flags),
        "label_source": "audio", "licensor": None, "model_version": "m", "taxonomy_version": "1", "run_id": "r",
        "run_date": datetime.date.fromisoformat(DATE),
    }  # fmt: skip


def printed(folder, labels, dead_letters=()) -> str:
    for table, rows in (("track_labels", labels), ("dead_letters", dead_letters)):
        partition = folder / table / f"run_date={DATE}"
        partition.mkdir(parents=True)
        schema = TABLES[table]
        rows = [{name: row.get(name) for name in schema.names} for row in rows]
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), partition / "part.parquet")
    console = Console(file=io.StringIO(), width=80)
    print_report(str(folder), DATE, "r", ["All is well."], console)
    return console.file.getvalue()


def test_counts_and_examples(tmp_path):
    labels = [label(f"m{i}") for i in range(7)] + [
        label("f1", "functional"),
        label("s1", "speech", "review", ["uncertain"]),
    ]
    text = printed(tmp_path, labels)
    assert "9 tracks labelled" in text
    assert "0 dead letters" in text
    assert "All is well." in text
    assert text.count("confidence 0.900") == 5
    assert "f1" in text
    assert "expected cost of a wrong label" in text


def test_no_labels_at_all(tmp_path):
    assert "0 tracks labelled" in printed(tmp_path, [])


def test_one_of_a_kind(tmp_path):
    letter = {"track_id": "t2", "catalog_row": "{}", "stage": "decode", "error_type": "empty_audio", "message": "m"}
    letter |= {name: label("t")[name] for name in ("model_version", "taxonomy_version", "run_id", "run_date")}
    text = printed(tmp_path, [label("t1")], [letter])
    assert "1 track labelled" in text
    assert "1 dead letter: empty_audio 1" in text


def test_a_track_id_cannot_turn_the_text_around(tmp_path):
    text = printed(tmp_path, [label("a\u202e1"), label("b", duplicate_of="a\u202e1")])
    assert "same audio as a\N{REPLACEMENT CHARACTER}1" in text
    assert "\u202e" not in text


def test_control_characters_of_a_title_do_not_reach_the_terminal(tmp_path):
    text = printed(tmp_path, [label("t1", title="\x1b[2J[red]gone[/red]\x07")])
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[red]gone[/red]" in text


@pytest.mark.parametrize("folder", ["plain", "with space", "quote's", 'double"quote', "dollar$HOME"])
def test_the_printed_query_can_be_pasted(tmp_path, folder):
    place = tmp_path / folder
    text = printed(place, [label("t1"), label("t2", "speech")])
    command = text.strip().splitlines()[-1]
    finished = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert "music" in finished.stdout
    assert "speech" in finished.stdout


def test_reason_names_the_first_of_the_same_audio():
    assert "same audio as t0" in reason(label("t1", duplicate_of="t0"))
