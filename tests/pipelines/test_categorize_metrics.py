"""The counters say what happened, and docs/metrics.md lists every one of them."""

import collections
import json
import pathlib
import re

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.categorize_options import parse
from pipelines.categorize_tracks import build, run
from pipelines.command_line import IN_PROCESS_RUNNER

ROOT = pathlib.Path(__file__).parents[2]
PLACEHOLDERS = {
    "<error_type>": "[a-z_]+", "<flag>": "[a-z_]+", "<category>": "[a-z]+", "<decision>": "(auto|review)",
    "<table>": "[a-z_]+", "<n>": "[0-9]+",
}  # fmt: skip


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    opus = sorted((ROOT / "sample" / "audio").rglob("*.opus"))[0]
    (folder / "a.opus").write_bytes(opus.read_bytes())
    (folder / "b.opus").write_bytes(opus.read_bytes())
    (folder / "text.mp3").write_text("no audio at all\n" * 50)
    (folder / "empty.wav").touch()
    uris = {"t1": "a.opus", "t2": "b.opus", "t3": "text.mp3", "t4": "empty.wav", "t5": "none.mp3", "t6": "../x.mp3"}
    lines = [json.dumps({"track_id": i, "audio_uri": uri}) for i, uri in uris.items()]
    lines += [lines[0], "not json", '{"track_id": "t9", "audio_uri": "1"}', '{"track_id": "t9", "audio_uri": "2"}']
    (folder / "catalog.jsonl").write_text("\n".join(lines))
    return metrics_of(["--catalog", str(folder / "catalog.jsonl"), "--output", str(folder / "out")], folder)


@pytest.fixture(scope="module")
def counted_after(tmp_path_factory):
    """A day on which one track is carried, one is touched, one is new and one cannot be decoded."""
    folder = tmp_path_factory.mktemp("metrics-after")
    first, second = sorted((ROOT / "sample" / "audio").rglob("*.opus"))[:2]
    (folder / "a.opus").write_bytes(first.read_bytes())
    (folder / "b.opus").write_bytes(second.read_bytes())
    (folder / "text.mp3").write_text("no audio at all\n" * 50)
    rows = [{"track_id": "t1", "audio_uri": "a.opus"}, {"track_id": "t2", "audio_uri": "b.opus"}]
    catalog = folder / "catalog.jsonl"
    catalog.write_text("\n".join(map(json.dumps, rows)))
    flags = ["--catalog", str(catalog), "--output", str(folder / "out")]
    assert run([*flags, "--run_date", "2026-01-30"]) == 0
    (folder / "b.opus").touch()
    rows += [{"track_id": "t3", "audio_uri": "a.opus"}, {"track_id": "t4", "audio_uri": "text.mp3"}, rows[0]]
    catalog.write_text("\n".join(map(json.dumps, rows)))
    return metrics_of([*flags, "--run_date", "2026-01-31", "--previous", str(folder / "out")], folder)


def metrics_of(argv, folder):
    pipeline = beam.Pipeline(options=PipelineOptions([f"--runner={IN_PROCESS_RUNNER}"]))
    build(pipeline, parse(argv), str(folder / "staging"))
    result = pipeline.run()
    result.wait_until_finish()
    metrics = result.metrics().query()
    counters = collections.Counter()
    for m in metrics["counters"]:  # each round is a step of its own, with the same names
        counters[m.key.metric.namespace, m.key.metric.name] += m.committed
    distributions = {(m.key.metric.namespace, m.key.metric.name): m.committed for m in metrics["distributions"]}
    return counters, distributions


def test_counters_say_what_happened(counted):
    counters, distributions = counted
    wanted = {
        ("ReadCatalog", "rows_read"): 10,
        ("ReadCatalog", "rows_valid"): 9,
        ("ReadCatalog", "rows_invalid"): 1,
        ("CollapseDuplicates", "rows_collapsed"): 1,
        ("CollapseDuplicates", "rows_duplicate_track_id"): 2,
        ("IdentifyAudio", "rows_identified"): 3,
        ("IdentifyAudio", "rows_empty_audio"): 1,
        ("IdentifyAudio", "rows_missing_audio"): 1,
        ("IdentifyAudio", "rows_path_not_allowed"): 1,
        ("DecodeAudio", "files"): 2,
        ("DecodeAudio", "files_unreadable_audio"): 1,
        ("LabelTracks", "audio_heard_in_1_rounds"): 1,
        ("LabelTracks", "tracks_with_duplicate_audio"): 1,
        ("LabelTracks", "dead_letters_unreadable_audio"): 1,
        ("WriteTable", "track_labels_rows"): 2,
        ("WriteTable", "dead_letters_rows"): 7,
    }
    assert {key: counters.get(key) for key in wanted} == wanted
    label = re.compile("tracks_(music|functional|speech)_.*")
    labelled = [count for (_, name), count in counters.items() if label.fullmatch(name)]
    assert sum(labelled) == 2
    assert distributions["IdentifyAudio", "audio_bytes"].count == 3
    heard = distributions["LabelTracks", "windows_per_audio"]
    assert (heard.count, heard.min) == (1, heard.max)
    assert counters["DecodeAudio", "windows"] == heard.sum


def test_counters_say_what_was_carried(counted_after):
    counters, _ = counted_after
    wanted = {
        ("ReadCatalog", "rows_read"): 5,
        ("ReadCatalog", "rows_valid"): 5,
        ("CollapseDuplicates", "rows_collapsed"): 1,
        ("CarryLabels", "tracks_carried"): 2,
        ("CarryLabels", "rows_to_label"): 2,
        ("CarryLabels", "rows_new"): 2,
        ("CarryLabels", "rows_looked_up"): 2,
        ("CarryLabels", "rows_compared_by_sha256"): 1,
        ("DecodeAudio", "files"): 2,
        ("LabelTracks", "dead_letters_unreadable_audio"): 1,
        ("WriteTable", "track_labels_rows"): 3,
        ("WriteTable", "dead_letters_rows"): 1,
    }
    assert {key: counters.get(key) for key in wanted} == wanted
    kinds = re.compile("tracks_(music|functional|speech)_.*")
    assert sum(n for (ns, name), n in counters.items() if ns == "CarryLabels" and kinds.fullmatch(name)) == 2


def test_every_counter_is_documented(counted, counted_after):
    page = (ROOT / "docs" / "metrics.md").read_text()
    documented = []
    for namespace, name in re.findall(r"^\| (\w+) \| `([^`,]+)` \|", page, re.MULTILINE):
        for placeholder, pattern in PLACEHOLDERS.items():
            name = name.replace(placeholder, pattern)
        documented.append(re.compile(f"{namespace}/{name}"))
    beams_own = ("EarmarkModelHandler", "BatchElements", "apache_beam.transforms.util")
    keys = [f"{ns}/{name}" for part in (*counted, *counted_after) for ns, name in part if not ns.startswith(beams_own)]
    assert keys
    assert [key for key in keys if not any(pattern.fullmatch(key) for pattern in documented)] == []
