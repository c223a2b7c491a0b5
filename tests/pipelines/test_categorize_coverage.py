"""Adaptive coverage end to end: few windows where they agree, up to the bound where they do not."""

import collections
import json
import pathlib

import apache_beam as beam
import pyarrow.dataset as ds
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.categorize_options import parse
from pipelines.categorize_tracks import build
from pipelines.command_line import IN_PROCESS_RUNNER

SAMPLE = pathlib.Path(__file__).parents[2] / "sample"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """Every sixth of the sample's sound tracks, each audio once."""
    lines = (SAMPLE / "catalog.jsonl").read_bytes().split(b"\n")
    rows = [json.loads(line) for line in lines if line.startswith(b'{"track_id": "trk_00')]
    chosen = list({(SAMPLE / row["audio_uri"]).read_bytes(): row for row in rows}.values())[::6]
    path = tmp_path_factory.mktemp("coverage") / "catalog.jsonl"
    path.write_text("".join(json.dumps({k: row[k] for k in ("track_id", "audio_uri")}) + "\n" for row in chosen))
    return path


def labelled(catalog, folder, config):
    """Labels by track id, and what the counters say, of one run under a config."""
    (folder / "config.yaml").write_text(json.dumps(config))
    options = parse(
        ["--catalog", str(catalog), "--audio_root", str(SAMPLE), "--output", str(folder / "out"),
         "--config", str(folder / "config.yaml")]
    )  # fmt: skip
    pipeline = beam.Pipeline(options=PipelineOptions([f"--runner={IN_PROCESS_RUNNER}"]))
    build(pipeline, options, str(folder / "staging"))
    result = pipeline.run()
    result.wait_until_finish()
    metrics = result.metrics().query()
    counted = collections.Counter()
    for m in metrics["counters"]:
        counted[m.key.metric.name] += m.committed
    told = dict(counted) | {m.key.metric.name: m.committed for m in metrics["distributions"]}
    labels = ds.dataset([str(file) for file in (folder / "staging").rglob("track_labels*/**/*.parquet")]).to_table()
    return {row["track_id"]: row for row in labels.to_pylist()}, told


@pytest.fixture(scope="module")
def adaptive(catalog, tmp_path_factory):
    return labelled(catalog, tmp_path_factory.mktemp("adaptive"), {})


@pytest.fixture(scope="module")
def fixed(catalog, tmp_path_factory):
    config = {"audio": {"sampled_windows": 6, "max_sampled_windows": 6}}
    return labelled(catalog, tmp_path_factory.mktemp("fixed"), config)


def test_a_few_windows_settle_a_label_and_doubt_hears_more(adaptive):
    labels, told = adaptive
    heard = told["windows_per_audio"]
    assert heard.count == len(labels)
    assert heard.sum / heard.count < 6
    assert heard.max <= 27
    rounds = [told.get(f"audio_heard_in_{n}_rounds", 0) for n in (1, 2, 3)]
    assert sum(rounds) == len(labels)
    assert rounds[0] > len(labels) / 2
    assert told.get("files_heard_again", 0) == rounds[1] + 2 * rounds[2]
    # Whoever was heard to the end was in doubt; whoever was settled was not sent to a person.
    settled = len(labels) - told.get("audio_not_settled", 0)
    assert settled <= sum(row["decision"] == "auto" for row in labels.values())


def test_a_fixed_number_of_windows_is_heard_in_one_round(fixed):
    labels, told = fixed
    heard = told["windows_per_audio"]
    assert (heard.count, heard.max) == (len(labels), 6)
    assert told["audio_heard_in_1_rounds"] == len(labels)
    assert told.get("files_heard_again", 0) == 0


def test_both_call_a_track_alike(adaptive, fixed):
    for track_id, row in adaptive[0].items():
        if row["decision"] == "auto" and fixed[0][track_id]["decision"] == "auto":
            assert row["category"] == fixed[0][track_id]["category"]
