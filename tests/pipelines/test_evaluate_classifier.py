"""The evaluation job on a manifest of sample recordings, with a baseline beside the shipped model."""

import csv
import json
import pathlib
import shutil
from html.parser import HTMLParser

import pyarrow.parquet as pq
import pytest

from models.saved_model import METADATA_FILE, shipped_model_folder
from pipelines.evaluate_classifier import run

SAMPLE = pathlib.Path(__file__).parents[2] / "sample"
HOSTILE = "<script>alert(1)</script>"


def sample_recordings():
    """Paths of the sample's clear recordings by category."""
    catalog = {}
    for line in (SAMPLE / "catalog.jsonl").read_bytes().splitlines():
        try:
            row = json.loads(line)
            catalog[row["track_id"]] = row["audio_uri"]
        except (ValueError, KeyError, TypeError):
            continue
    with (SAMPLE / "expected.csv").open(newline="") as file:
        clear = [row for row in csv.DictReader(file) if row["clear"] == "true" and not row["expected_error_type"]]
    return {
        category: [row | {"path": str(SAMPLE / catalog[row["track_id"]])} for row in clear
                   if row["expected_category"] == category][:4]
        for category in ("music", "functional", "speech")
    }  # fmt: skip


def write_manifest(folder):
    """Four recordings of each category, one of them twice as a pair, one expected in review, and a broken file."""
    path = folder / "manifest.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["path", "label", "subtype", "split", "package", "slice", "pair", "expected_decision", "mix_db", "codec"]
        )
        for category, rows in sample_recordings().items():
            for index, row in enumerate(rows):
                subtype = row["expected_functional_type"] or "some"
                writer.writerow([row["path"], category, subtype, "held-out", f"package-{index}", "", "", "", "-6", ""])
        music = sample_recordings()["music"][0]["path"]
        copy = folder / f"{HOSTILE}.mp3".replace("/", "")
        shutil.copy(music, copy)
        for place in (music, copy):
            writer.writerow([place, "music", HOSTILE, "held-out", "package-9", "codecs", "pair-1", "", "", "weird"])
        writer.writerow([music, "music", "bowl", "held-out", "package-9", "", "", "review", "", ""])
        (folder / "broken.mp3").write_text("no audio")
        writer.writerow(["broken.mp3", "music", "broken", "held-out", "sample", "", "", "", "", ""])
    return path


def music_blind_model(folder):
    """The shipped model under another name, its calibration so biased that it calls nothing music."""
    shutil.copytree(shipped_model_folder(), folder)
    metadata = json.loads((folder / METADATA_FILE).read_text())
    metadata["model_version"] = f"other-{HOSTILE}"
    metadata["calibration"]["bias"] = [-100.0, 50.0, 50.0]
    (folder / METADATA_FILE).write_text(json.dumps(metadata))
    return folder


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    """The output folder of one evaluation with a baseline."""
    folder = tmp_path_factory.mktemp("evaluation")
    output = folder / "out"
    flags = ["--manifest", str(write_manifest(folder)), "--output", str(output), "--split", "held-out"]
    assert run([*flags, "--baseline", str(music_blind_model(folder / "other"))]) == 0
    return output


@pytest.fixture(scope="module")
def record(evaluation):
    return json.loads((evaluation / "evaluation.json").read_text())


def test_figures_count_every_labelled_track_once(evaluation, record):
    assert list(record["figures"])[:2] == ["all", "duration:5 s and longer"]
    every = record["figures"]["all"]
    assert (every["tracks"], every["packages"]) == (14, 5)
    for kind in ("duration", "subtype", "bitrate", "sample_rate", "loudness", "codec"):
        slices = {name: figures["tracks"] for name, figures in record["figures"].items() if name.startswith(f"{kind}:")}
        slices.pop("duration:5 s and longer", None)
        if kind == "duration":
            assert sum(slices.values()) == 14, slices
    told = pq.read_table(evaluation / "labels.parquet").to_pylist()
    assert len(told) == 15
    counted = [row for row in told if row["expected_decision"] is None]
    right = sum(row["category"] == row["true_category"] for row in counted)
    assert right == sum(every["confusion"][name][name] for name in every["confusion"])
    assert every["accuracy"]["value"] == pytest.approx(right / 14)
    balanced = every["balanced_accuracy"]
    assert 0.6 < balanced["value"] <= balanced["high"]
    assert balanced["low"] <= balanced["value"]
    assert all(row["rms_dbfs"] < 0 and row["bitrate_kbps"] > 5 and row["codec"] for row in told)


def test_what_the_manifest_says_makes_slices(record):
    assert record["figures"]["mix_db:-6 dB"]["tracks"] == 12
    assert record["figures"]["slice:codecs"]["tracks"] == 2
    assert record["figures"]["codec:weird"]["tracks"] == 2
    assert record["figures"]["package:package-9"]["balanced_accuracy"]["low"] is None


def test_special_rows_and_lineage(record):
    assert record["category_kept"]["pairs"] == 1
    assert record["category_kept"]["kept"]["value"] == 1
    assert record["category_kept"]["slices"]["slice:codecs"]["pairs"] == 1
    assert record["expected_review"]["tracks"] == 1
    assert [letter["error_type"] for letter in record["dead_letters"]] == ["unreadable_audio"]
    assert record["model"]["model_version"].startswith("earmark-")
    assert record["mean_windows"] == pytest.approx(6, abs=5)
    assert (record["split"], record["coverage"], len(record["manifest_sha256"])) == ("held-out", "sampled", 64)


def test_neighbours_of_both_models(record):
    for near in (record["neighbours"], record["comparison"]["baseline_neighbours"]):
        assert (near["category"]["tracks"], near["category"]["packages"]) == (14, 5)
        # Four packages of one track of each category, and one of two pieces of music.
        assert near["category"]["chance"] == pytest.approx((4 * 11 / 11 + 2 * 4 / 12) / 14)
        assert 0 < near["category"]["same"]["value"] < 1
        assert set(near["categories"]) == {"music", "functional", "speech"}


def test_a_model_that_hears_no_music_is_found_worse(evaluation, record):
    comparison = record["comparison"]
    assert comparison["baseline"]["model_version"].startswith(f"other-{HOSTILE}")
    assert comparison["right"]["music"] == {"both": 0, "only_model": 6, "only_baseline": 0, "neither": 0}
    assert comparison["tests"]["music_called_functional"]["only_baseline"] == 0
    whole = comparison["slices"]["all"]
    assert whole["balanced_accuracy_difference"]["low"] > 0
    assert whole["significant"]
    assert comparison["comparisons"] >= 3
    assert any("balanced accuracy of all: the model is better" in sentence for sentence in comparison["significant"])
    rows = pq.read_table(evaluation / "comparison.parquet").to_pylist()
    assert len(rows) == 14
    assert {row["outcome"] for row in rows if row["true_category"] == "music"} == {"only the model right"}
    assert all(row["baseline_category"] != "music" for row in rows)


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.images, self.urls, self.headless_tables = [], [], [], 0

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if tag == "img":
            self.images.append(attrs)
        self.urls += [attrs[name] for name in ("src", "href") if name in attrs]


def test_the_page_stands_alone_and_runs_nothing(evaluation):
    text = (evaluation / "evaluation.html").read_text()
    page = _Page()
    page.feed(text)
    assert "script" not in page.tags
    assert "&lt;script&gt;" in text
    assert len(page.images) == 5
    assert all(image["alt"] for image in page.images)
    assert all(url.startswith("data:image/svg+xml;base64,") for url in page.urls)
    assert page.tags.count("table") == page.tags.count("caption") == page.tags.count("thead")
    assert len(text) < 2_000_000
