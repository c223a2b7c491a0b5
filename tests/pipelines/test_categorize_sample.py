"""The main job on the sample shard: real audio, real files, the shipped model, the real engine."""

import csv
import hashlib
import itertools
import json
import pathlib
import random
import shutil

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from models.decision import FLAGS
from models.litert_form import LITERT_SUFFIX
from models.saved_model import shipped_model_folder
from models.taxonomy import FUNCTIONAL_TYPES
from tests.sample_run import POLICIES, RUN_DATE, SAMPLE, job
from transforms.table_schemas import TABLES


def rows(output: pathlib.Path, table: str) -> list[dict]:
    return ds.dataset(output / table / f"run_date={RUN_DATE}", format="parquet").to_table().to_pylist()


def digests(output: pathlib.Path) -> dict[str, str]:
    """Digest of every Parquet file that readers see, by its path."""
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(output.glob("*/run_date=*/*.parquet"))
    }


@pytest.fixture(scope="module")
def published(sample_output) -> pathlib.Path:
    return sample_output


@pytest.fixture(scope="module")
def labels(published) -> dict[str, dict]:
    return {row["track_id"]: row for row in rows(published, "track_labels")}


@pytest.fixture(scope="module")
def expected() -> list[dict]:
    with (SAMPLE / "expected.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_catalog_row_is_in_exactly_one_table(published, labels, expected):
    lines = [line for line in (SAMPLE / "catalog.jsonl").read_bytes().split(b"\n") if line.strip()]
    dead = rows(published, "dead_letters")
    identical = len([row for row in expected if row["track_id"] and not row["expected_error_type"]]) - len(labels)
    assert len(labels) + len(dead) + identical == len(lines) == len(expected)
    assert identical == 1
    assert not labels.keys() & {row["track_id"] for row in dead}
    assert {row["track_id"] for row in expected if not row["expected_error_type"]} == labels.keys()


def test_every_broken_row_has_its_error_type(published, expected):
    dead = sorted((row["track_id"] or "", row["error_type"]) for row in rows(published, "dead_letters"))
    broken = [row for row in expected if row["expected_error_type"]]
    assert dead == sorted((row["track_id"], row["expected_error_type"]) for row in broken)


def test_dead_letters_name_their_row_and_hold_no_path_of_this_machine(published):
    for row in rows(published, "dead_letters"):
        json.loads(row["catalog_row"])
        assert row["message"].strip()
        assert str(SAMPLE) not in row["message"]
        if row["error_type"] == "invalid_row":
            assert "catalog.jsonl:" in row["message"]


def test_clear_cases_are_labelled_right(labels, expected):
    clear = [row for row in expected if row["clear"] == "true" and not row["expected_error_type"]]
    wrong = {
        row["track_id"]: labels[row["track_id"]]["category"]
        for row in clear
        if labels[row["track_id"]]["category"] != row["expected_category"]
    }
    assert len(wrong) <= 0.05 * len(clear), wrong


def test_no_music_is_called_functional_without_a_person(labels, expected):
    music = [labels[row["track_id"]] for row in expected if row["expected_category"] == "music"]
    assert music
    assert [row for row in music if row["category"] == "functional" and row["decision"] == "auto"] == []


def test_silence_is_silence(labels, expected):
    silent = [row["track_id"] for row in expected if row["expected_functional_type"] == "silence"]
    assert silent
    assert {labels[track_id]["functional_type"] for track_id in silent} == {"silence"}


def test_expected_flags_are_raised_and_send_to_review(labels, expected):
    flagged = [row for row in expected if row["expected_flag"]]
    assert flagged
    for row in flagged:
        label = labels[row["track_id"]]
        if row["expected_flag"] in label["flags"]:
            assert label["decision"] == "review"
        else:
            # A title contradicts only what was heard; where the audio was misheard there is nothing to contradict.
            assert label["category"] != row["expected_category"], row


def test_columns_agree_with_each_other(labels):
    for row in labels.values():
        probabilities = {c: row[f"p_{c}"] for c in ("music", "functional", "speech")}
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert row["confidence"] == pytest.approx(max(probabilities.values()))
        assert row["category"] == max(probabilities, key=probabilities.get)
        assert (row["functional_type"] in FUNCTIONAL_TYPES) == (row["category"] == "functional")
        assert set(row["flags"]) <= set(FLAGS)
        assert row["decision"] == "auto" or row["flags"]
        assert row["duration_s"] > 0


def test_same_audio_is_labelled_alike_and_points_to_the_first_track(labels):
    by_audio: dict[str, list[dict]] = {}
    for row in labels.values():
        by_audio.setdefault(row["audio_sha256"], []).append(row)
    shared = [group for group in by_audio.values() if len(group) > 1]
    assert any(len({row["audio_uri"] for row in group}) > 1 for group in shared), "copies under several names"
    for group in by_audio.values():
        first = min(row["track_id"] for row in group)
        assert len({(row["category"], row["functional_type"], row["confidence"]) for row in group}) == 1
        assert {row["duplicate_of"] for row in group if row["track_id"] != first} <= {first}
        assert [row["duplicate_of"] for row in group if row["track_id"] == first] == [None]


def test_embeddings_and_segments_belong_to_the_labels(published, labels):
    embeddings = rows(published, "track_embeddings")
    assert {row["track_id"] for row in embeddings} == labels.keys()
    assert len({len(row["embedding"]) for row in embeddings}) == 1
    assert all(sum(v * v for v in row["embedding"]) == pytest.approx(1, abs=1e-4) for row in embeddings)
    segments = rows(published, "track_segments")
    assert {row["track_id"] for row in segments} == labels.keys()
    assert all(0 <= s["start_s"] < s["end_s"] <= labels[s["track_id"]]["duration_s"] + 0.01 for s in segments)


def test_files_have_the_declared_schemas_also_without_rows(published):
    for table, schema in TABLES.items():
        files = list((published / table / f"run_date={RUN_DATE}").glob("*.parquet"))
        assert files
        for file in files:
            assert pa.parquet.read_schema(file).equals(schema, check_metadata=False)


def test_every_label_has_a_treatment_under_every_policy(published, labels):
    treatments = rows(published, "royalty_treatments")
    keys = sorted((row["track_id"], row["policy_id"]) for row in treatments)
    assert keys == sorted((track_id, policy) for track_id in labels for policy in POLICIES)
    for row in treatments:
        label = labels[row["track_id"]]
        assert row["run_id"] == label["run_id"]
        assert (row["royalty_class"] == "pending_review") == (label["decision"] == "review")
        if label["category"] != "functional":
            assert (row["eligible"], row["stream_weight"]) == (True, 1.0)
    long = {track_id for track_id, label in labels.items() if label["duration_s"] > 121}
    paid = {row["track_id"]: row for row in treatments if row["policy_id"] == "spotify"}
    noise = [paid[t] for t, label in labels.items() if label["functional_type"] == "noise" and t not in long]
    assert any(not row["eligible"] and "at least 120 s" in row["ineligible_reason"] for row in noise)
    replaced = [row for row in treatments if row["policy_id"] == "deezer" and not row["eligible"]]
    assert replaced
    assert all(labels[row["track_id"]]["category"] == "functional" for row in replaced)


def test_manifest_describes_the_files(published):
    (manifest_path,) = published.glob("runs/*/manifest.json")
    manifest = json.loads(manifest_path.read_text())
    assert (manifest_path.parent / "_SUCCESS").exists()
    assert {file["path"]: file["sha256"] for file in manifest["files"]} == digests(published)
    assert all(gate["refused"] is False for gate in manifest["gates"])
    assert sorted(policy["policy_id"] for policy in manifest["policies"]) == sorted(POLICIES)
    assert {tally["rows"] for tally in manifest["summary"]["policies"].values()} == {
        manifest["summary"]["tables"]["track_labels"]["rows"]
    }
    assert not list(published.glob(".staging/*/*"))


def test_duckdb_reads_the_tables(published, labels):
    query = f"SELECT category, count(*) FROM read_parquet('{published}/track_labels/*/*.parquet') GROUP BY ALL"
    assert sum(count for _, count in duckdb.sql(query).fetchall()) == len(labels)


def test_the_same_run_in_another_order_and_two_processes_leaves_the_same_partition(published, tmp_path):
    lines = (SAMPLE / "catalog.jsonl").read_bytes().split(b"\n")
    # Rows that cannot be read are told by their line, so those stay where they are.
    movable = [i for i, line in enumerate(lines) if line.startswith(b'{"track_id": "trk_')]
    order = movable.copy()
    random.Random(7).shuffle(order)
    shuffled = lines.copy()
    for to, source in zip(movable, order, strict=True):
        shuffled[to] = lines[source]
    catalog = tmp_path / "catalog.jsonl"
    catalog.write_bytes(b"\n".join(shuffled))
    output = tmp_path / "out"
    shutil.copytree(published, output)
    assert job(catalog, output, "--processes", "2") == 0
    ours, theirs = digests(published), digests(output)
    # The messages of dead letters name lines, so that table alone depends on the order, and was replaced.
    ours, theirs = ({p: d for p, d in half.items() if not p.startswith("dead_letters/")} for half in (ours, theirs))
    assert ours == theirs
    assert digests(output) != digests(published)
    assert len(rows(output, "dead_letters")) == len(rows(published, "dead_letters"))


def test_a_gate_refuses_and_leaves_the_partition(published, tmp_path, capsys):
    output = tmp_path / "out"
    shutil.copytree(published, output)
    before = digests(output)
    catalog = tmp_path / "catalog.jsonl"
    catalog.write_text("".join(f'{{"track_id": "t{i}", "audio_uri": "none/{i}.mp3"}}\n' for i in range(60)))
    assert job(catalog, output) == 3
    message = capsys.readouterr().err
    assert "max_dead_letter_share" in message
    assert "60 of 60" in message
    assert digests(output) == before


def test_full_coverage_hears_all_of_a_track(labels, tmp_path):
    chosen = [row for row in labels.values() if row["duration_s"] > 25 and not row["flags"]][:3]
    catalog = tmp_path / "catalog.jsonl"
    catalog.write_text("".join(json.dumps({k: row[k] for k in ("track_id", "audio_uri")}) + "\n" for row in chosen))
    assert job(catalog, tmp_path / "out", "--coverage", "full") == 0
    segments = rows(tmp_path / "out", "track_segments")
    for row in rows(tmp_path / "out", "track_labels"):
        own = sorted((s["start_s"], s["end_s"]) for s in segments if s["track_id"] == row["track_id"])
        assert own[0][0] == 0
        assert own[-1][1] == pytest.approx(row["duration_s"], abs=0.1)
        assert all(before[1] == pytest.approx(after[0]) for before, after in itertools.pairwise(own))
        assert row["category"] == labels[row["track_id"]]["category"]


def test_another_model_folder_is_used_and_a_small_run_says_what_was_not_checked(labels, tmp_path, capsys):
    model = tmp_path / "model"
    shutil.copytree(shipped_model_folder(), model)
    metadata = json.loads((model / "earmark_model.json").read_text())
    metadata["model_version"] = "another-1.0"
    (model / "earmark_model.json").write_text(json.dumps(metadata))
    config = tmp_path / "config.yaml"
    config.write_text(f"model: {{folder: {model}, allow_unpromoted: true}}\n")
    row = next(iter(labels.values()))
    catalog = tmp_path / "catalog.jsonl"
    catalog.write_text(json.dumps({"track_id": row["track_id"], "audio_uri": row["audio_uri"]}))
    assert job(catalog, tmp_path / "out", "--config", config) == 0
    told = capsys.readouterr().out
    assert "1 track labelled" in told and "The only catalog row is accounted for" in told
    unchecked = "Not checked, for want of 50 rows (gates.min_rows_for_shares): max_dead_letter_share, max_review_share."
    assert unchecked in told
    (found,) = rows(tmp_path / "out", "track_labels")
    assert found["model_version"].removesuffix(LITERT_SUFFIX) == "another-1.0"
    assert found["run_id"] != row["run_id"]
    assert found["confidence"] == row["confidence"]
