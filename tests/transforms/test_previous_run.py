"""Which run labels are carried forward from, and whether its labels still hold."""

import dataclasses
import datetime
import json

import pytest

from models.errors import UserError
from tests.transforms.generated_tables import generate_run, manifest_of, write_directly
from transforms.previous_run import find_previous_run, noted_audio_root, why_not_carried
from transforms.publish_local import LocalStorage
from transforms.publishing import Publication

LABELLING = {"model_version": "m1", "taxonomy_version": "1", "settings": {"coverage": "sampled", "decision": {"x": 1}}}


def publish(output, date: str, run_id: str, labelling=LABELLING, tracks: int = 12, **written) -> dict:
    """Publish a generated run; gives its manifest."""
    run = generate_run(run_id, tracks, run_date=datetime.date.fromisoformat(date))
    storage = LocalStorage(str(output))
    storage.grace_s = 0.0
    with Publication(str(output), date, run_id, storage=storage) as publication:
        summary = write_directly(run, publication.prepare())
        manifest = manifest_of(summary) | {"labelling": labelling, **written}
        publication.publish(summary.files, manifest)
    return json.loads((output / "runs" / run_id / "manifest.json").read_text())


def day(number: int) -> datetime.date:
    return datetime.date(2026, 1, number)


def test_the_newest_run_before_the_date_is_found(tmp_path):
    for number in (3, 1, 5):
        publish(tmp_path, day(number).isoformat(), f"run-{number}")
    found = find_previous_run(str(tmp_path), day(4))
    assert (found.run_id, found.run_date) == ("run-3", "2026-01-03")
    assert find_previous_run(str(tmp_path), day(9)).run_id == "run-5"


def test_a_run_of_the_date_itself_is_none(tmp_path):
    publish(tmp_path, "2026-01-03", "run-3")
    assert find_previous_run(str(tmp_path), day(3)) is None
    assert find_previous_run(str(tmp_path), day(2)) is None


def test_a_small_run_is_passed_over_for_one_that_has_most_of_the_catalog(tmp_path):
    for number, tracks in ((1, 30), (2, 20), (3, 9), (4, 10)):
        publish(tmp_path, day(number).isoformat(), f"run-{number}", tracks=tracks)

    def found(before: int, *share: float):
        run = find_previous_run(str(tmp_path), day(before), *share)
        return run.run_id, run.labels, dict(run.passed_over)

    assert found(5, 0.5) == ("run-2", 20, {"2026-01-04": 10, "2026-01-03": 9})
    assert found(5, 0.7) == ("run-1", 30, {"2026-01-04": 10, "2026-01-03": 9, "2026-01-02": 20})
    assert found(5, 1 / 3) == ("run-4", 10, {}), "as many as that is enough"
    assert found(5, 0.0) == found(5) == ("run-4", 10, {})
    assert found(3, 0.5) == ("run-2", 20, {})
    # One that nobody can read hides no other, unless it is the one to carry from.
    (tmp_path / "runs" / "run-1" / "manifest.json").write_text("{")
    assert found(5, 0.5) == ("run-4", 10, {})
    (tmp_path / "runs" / "run-4" / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="the run of 2026-01-04"):
        found(5, 0.5)


def test_the_largest_is_looked_for_in_some_partitions(tmp_path, monkeypatch):
    monkeypatch.setattr("transforms.previous_run.LOOKED_BACK", 3)
    for number, tracks in ((1, 12), (2, 1), (3, 1), (4, 1)):
        publish(tmp_path, day(number).isoformat(), f"run-{number}", tracks=tracks)
    assert find_previous_run(str(tmp_path), day(5), 0.5).run_id == "run-4"
    assert find_previous_run(str(tmp_path), day(4), 0.5).run_id == "run-1"


def test_an_empty_or_missing_folder_holds_none(tmp_path):
    assert find_previous_run(str(tmp_path), day(3)) is None
    assert find_previous_run(str(tmp_path / "none"), day(3)) is None


def test_its_rows_are_read_by_file_and_by_spans_of_track_ids(tmp_path, monkeypatch):
    publish(tmp_path, "2026-01-03", "run-3")
    found = find_previous_run(str(tmp_path), day(4))
    assert found.buckets == 1
    monkeypatch.setattr("transforms.previous_run._BATCH_ROWS", 5)
    ids = [f"träck-{number:04d}" for number in range(12)]
    for table, times in (("track_labels", 1), ("track_segments", 2)):
        rows = found.sorted_rows(table, 0, ["track_id", "confidence"])
        # Between two ids, at one, the same again, many batches, behind the last.
        spans = [rows.up_to(last) for last in (ids[2] + "0", ids[3], ids[3], ids[10], "z", "zz")]
        assert [span.schema.names for span in spans] == [["track_id", "confidence"]] * 6
        wanted = [ids[:3], ids[3:4], [], ids[4:11], ids[11:], []]
        assert [span["track_id"].to_pylist() for span in spans] == [
            [track_id for track_id in some for _ in range(times)] for some in wanted
        ]


def test_equal_settings_carry_and_others_are_named(tmp_path):
    publish(tmp_path, "2026-01-03", "run-3")
    found = find_previous_run(str(tmp_path), day(4))
    assert why_not_carried(found, LABELLING) is None
    changed = json.loads(json.dumps(LABELLING))
    changed["settings"]["decision"]["x"] = 2
    changed["model_version"] = "m2"
    reason = why_not_carried(found, changed)
    assert "model_version was 'm1' and is 'm2'" in reason
    assert "settings.decision.x was 1 and is 2" in reason
    assert "coverage" not in reason
    more = {**changed, "a": 1, "b": 2}
    assert why_not_carried(found, more).endswith("; and 1 more")


def test_an_audio_root_is_noted_as_the_folder_that_it_leads_to_and_is_no_part_of_the_digest(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    noted = {
        noted_audio_root(root) for root in ("real", "./real/", "link", f"{tmp_path}/real", f"file://{tmp_path}/real")
    }
    assert noted == {str((tmp_path / "real").resolve())}
    assert noted_audio_root("gs://bucket/audio/") == noted_audio_root("gs://bucket/audio") == "gs://bucket/audio"
    publish(tmp_path / "a", "2026-01-03", "run-3", audio_root="/one")
    publish(tmp_path / "b", "2026-01-03", "run-3", audio_root="/two")
    publish(tmp_path / "c", "2026-01-03", "run-3", catalog={"digest": "another"})
    found = [find_previous_run(str(tmp_path / name), day(4)) for name in "abc"]
    assert [run.audio_root for run in found] == ["/one", "/two", None]
    assert len({run.manifest_sha256 for run in found[:2]}) == 1
    assert len({run.manifest_sha256 for run in found}) == 2


def test_a_run_with_the_columns_of_another_earmark_is_not_carried_from(tmp_path):
    manifest = publish(tmp_path, "2026-01-03", "run-3")
    assert manifest["schemas"]["track_labels"][-1]["name"] == "licensor"
    manifest["schemas"]["track_labels"].pop()
    (tmp_path / "runs/run-3/manifest.json").write_text(json.dumps(manifest))
    found = find_previous_run(str(tmp_path), day(4))
    assert why_not_carried(found, LABELLING) == "another Earmark wrote it, with other columns in track_labels"
    manifest["schemas"]["track_labels"].append({"name": "x"})
    (tmp_path / "runs/run-3/manifest.json").write_text(json.dumps(manifest))
    assert "track_labels" in why_not_carried(find_previous_run(str(tmp_path), day(4)), LABELLING)


@pytest.mark.parametrize("absent", [None])
def test_a_run_of_an_older_earmark_is_not_carried_from(tmp_path, absent):
    publish(tmp_path, "2026-01-03", "run-3", labelling=absent)
    found = find_previous_run(str(tmp_path), day(4))
    assert "older Earmark" in why_not_carried(found, LABELLING)
    assert why_not_carried(dataclasses.replace(found, labelling=LABELLING), LABELLING) is None
