"""Thousands of mutated audio files through the main job: none crashes or hangs it, and each one is accounted for."""

import collections
import hashlib
import json
import pathlib
import shutil
import time

import pytest

from tests.fuzz.audio_mutations import base_files, mutated
from tests.fuzz.fuzzed_job import FILES, KEPT, SEED, run_job, table, table_bytes
from transforms.records import ErrorType

#: Cases of the run that is done twice, with other workers and in another order.
AGAIN = 200


def write_cases(folder: pathlib.Path, cases: range) -> dict[str, str]:
    """Write the files and their catalog; gives the recipe by track id."""
    bases = base_files()
    (folder / "audio").mkdir(parents=True)
    recipes, rows = {}, []
    for case in cases:
        name, data, recipe = mutated(SEED, case, bases)
        (folder / "audio" / name).write_bytes(data)
        recipes[str(case)] = recipe
        rows.append({"track_id": str(case), "audio_uri": name})
    (folder / "catalog.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return recipes


def keep(folder: pathlib.Path, case: str, recipe: str, why: str) -> str:
    KEPT.mkdir(parents=True, exist_ok=True)
    for path in (folder / "audio").glob(f"case-{int(case):06d}*"):
        shutil.copyfile(path, KEPT / f"seed-{SEED}-{path.name}")
    return f"seed {SEED} case {case} ({recipe}): {why}; kept in {KEPT}"


def test_every_mutated_file_is_accounted_for(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture) -> None:
    recipes = write_cases(tmp_path, range(FILES))
    began = time.monotonic()
    summary = run_job(str(tmp_path / "catalog.jsonl"), tmp_path / "audio", tmp_path, 60 + FILES)
    labels = {row["track_id"]: row for row in table(tmp_path, "track_labels")}
    dead = {row["track_id"]: row for row in table(tmp_path, "dead_letters")}
    assert labels.keys().isdisjoint(dead)
    assert labels.keys() | dead.keys() == recipes.keys()
    assert summary["catalog_rows"]["read"]["rows"] == FILES
    problems = []
    for case, row in labels.items():
        (path,) = (tmp_path / "audio").glob(f"case-{int(case):06d}*")
        if row["audio_sha256"] != hashlib.sha256(path.read_bytes()).hexdigest():
            problems.append(keep(tmp_path, case, recipes[case], "another sha256"))
        if not (0 < row["duration_s"] <= 12 * 3600 and 0 <= row["confidence"] <= 1):
            problems.append(keep(tmp_path, case, recipes[case], f"duration {row['duration_s']}"))
    for case, row in dead.items():
        if row["error_type"] in (ErrorType.DECODER_CRASH, ErrorType.DECODE_TIMEOUT):
            print(keep(tmp_path, case, recipes[case], row["message"]))  # contained, and worth a look
        if str(tmp_path) in row["message"] or not row["message"].isprintable():
            problems.append(keep(tmp_path, case, recipes[case], f"message {row['message']!r}"))
    outcomes = collections.Counter(row["error_type"] for row in dead.values())
    outcomes["labelled"] = len(labels)
    assert not problems, "\n".join(problems)
    assert len(labels) > FILES // 5, "the mutations leave too little that can be heard"
    assert len(outcomes) >= 4
    with capsys.disabled():
        seconds, counts = time.monotonic() - began, dict(outcomes.most_common())
        print(f"\nfuzz: seed {SEED}, {FILES} audio files in {seconds:.0f} s: {counts}")


def test_the_same_files_give_the_same_tables_whoever_decodes_them(tmp_path: pathlib.Path) -> None:
    write_cases(tmp_path / "a", range(AGAIN))
    catalog = tmp_path / "a" / "catalog.jsonl"
    run_job(str(catalog), tmp_path / "a" / "audio", tmp_path / "a", 300)
    catalog.write_text("".join(reversed(catalog.read_text().splitlines(keepends=True))))
    run_job(str(catalog), tmp_path / "a" / "audio", tmp_path / "b", 300, "--processes", "2")
    assert table_bytes(tmp_path / "b") == table_bytes(tmp_path / "a")


def test_a_case_is_the_same_whatever_comes_before_it() -> None:
    bases = base_files()
    assert mutated(SEED, 42, bases) == mutated(SEED, 42, base_files())
    assert mutated(SEED, 42, bases) != mutated(SEED + 1, 42, bases)
