"""Adaptive coverage end to end: few windows where they agree, up to the bound where they do not."""

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
    """Eight of the sample's tracks that are long enough for a second and a third round."""
    lines = (SAMPLE / "catalog.jsonl").read_bytes().split(b"\n")
    rows = [json.loads(line) for line in lines if line.startswith(b'{"track_id": "trk_00')]  # the sound ones
    by_audio = {row["audio_uri"]: row for row in rows if (row.get("duration_ms") or 0) >= 60_000}
    chosen = [by_audio[uri] for uri in sorted(by_audio) if (SAMPLE / uri).is_file()][::2][:8]
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
    told = {m.key.metric.name: m.committed for kind in ("counters", "distributions") for m in metrics[kind]}
    labels = ds.dataset([str(file) for file in (folder / "staging").rglob("track_labels*/**/*.parquet")]).to_table()
    return {row["track_id"]: row for row in labels.to_pylist()}, told


@pytest.fixture(scope="module")
def adaptive(catalog, tmp_path_factory):
    return labelled(catalog, tmp_path_factory.mktemp("adaptive"), {})


@pytest.fixture(scope="module")
def most(catalog, tmp_path_factory):
    """No label is settled before the last round."""
    return labelled(catalog, tmp_path_factory.mktemp("most"), {"decision": {"settled_cost_share": 0.0}})


@pytest.fixture(scope="module")
def fixed(catalog, tmp_path_factory):
    config = {"audio": {"sampled_windows": 27, "max_sampled_windows": 27}}
    return labelled(catalog, tmp_path_factory.mktemp("fixed"), config)


def test_few_windows_settle_most_labels(adaptive):
    labels, told = adaptive
    heard = told["windows_per_audio"]
    assert heard.count == len(labels) == 8
    assert heard.min == 3
    assert heard.sum / heard.count < 6
    rounds = [told.get(f"audio_heard_in_{n}_rounds", 0) for n in (1, 2, 3)]
    assert sum(rounds) == 8
    assert rounds[0] >= 5


def test_what_few_windows_settle_more_would_not_change(adaptive, most):
    for track_id, row in adaptive[0].items():
        assert row["category"] == most[0][track_id]["category"]


def test_rounds_up_to_the_bound_hear_what_a_fixed_number_hears(most, fixed):
    """Only in the last bits do they differ: a decoder that seeks gives other ones than one that reads through."""
    assert most[1]["windows_per_audio"].sum == fixed[1]["windows_per_audio"].sum
    assert most[1]["audio_heard_in_3_rounds"] == fixed[1]["audio_heard_in_1_rounds"] == 8
    for track_id, row in most[0].items():
        other = fixed[0][track_id]
        assert (row["category"], row["functional_type"]) == (other["category"], other["functional_type"])
        assert row["p_music"] == pytest.approx(other["p_music"], abs=0.01)
        assert row["duration_s"] == pytest.approx(other["duration_s"], abs=0.01)
