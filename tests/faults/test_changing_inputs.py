"""Catalog and audio that change while a run reads them: it notices, or goes by one reading of them."""

import hashlib
import json
import os

import pytest

from tests.faults.disturbed_job import ROOT, Job, finish, one_sentence
from transforms.catalog_checks import catalog_fingerprint


def rewritten(job: Job) -> None:
    job.write_catalog(["words"])


def appended(job: Job) -> None:
    with job.catalog.open("a") as stream:
        stream.write('{"track_id": "late", "audio_uri": "audio/words.mp3"}\n')


def replaced(job: Job) -> None:
    """As a careful writer does it, to the same size and the same time of writing."""
    status = job.catalog.stat()
    new = job.folder / "new"
    new.write_text(job.catalog.read_text().replace("words", "swords", 1).replace("room", "oom", 1))
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(job.catalog)
    assert job.catalog.stat().st_size == status.st_size


@pytest.mark.parametrize("change", [rewritten, appended, replaced])
def test_a_catalog_that_changes_between_its_digest_and_its_reading(change, job: Job) -> None:
    process = job.start_held_before_reading()
    change(job)
    job.release()
    status, errors = finish(process)
    assert status == 1, errors
    line = one_sentence(errors)
    assert "--catalog" in line
    assert "the file catalog.jsonl changed while the run was reading it" in line
    assert job.published() == {}
    if change is not rewritten:
        return
    job.run()
    (manifest,) = [json.loads(data) for path, data in job.published().items() if path.endswith("manifest.json")]
    assert manifest["catalog"]["digest"] == catalog_fingerprint(str(job.catalog))


def test_a_catalog_that_changes_after_its_reading_is_that_of_the_next_run(
    job: Job, undisturbed: dict[str, bytes]
) -> None:
    process = job.start_held()
    rewritten(job)
    job.release()
    status, errors = finish(process)
    assert status == 0, errors
    assert job.published() == undisturbed
    job.run()
    assert [row["track_id"] for row in job.table("track_labels")] == ["words"]
    assert job.published().keys().isdisjoint(path for path in undisturbed if path.startswith("runs/"))


def test_audio_that_changes_between_its_sha256_and_its_decoding(job: Job, undisturbed: dict[str, bytes]) -> None:
    """No row may carry the sha256 of other audio than its label is of."""
    other = (ROOT / "sample/audio/russian/01-first.mp3").read_bytes()
    process = job.start_held()
    (held,) = job.held()
    changed = {name: path.read_bytes() for name in ("words", "room", "latin") if (path := job.audio(name)).name != held}
    in_its_place, overwritten = sorted(changed)[:2]
    (job.folder / "new").write_bytes(other)
    (job.folder / "new").replace(job.audio(in_its_place))
    with job.audio(overwritten).open("r+b") as stream:
        stream.write(other[:1000])
    job.release()
    status, errors = finish(process)
    assert status == 0, errors
    assert job.published()
    assert job.causes() == {"none": "missing_audio", in_its_place: "audio_changed", overwritten: "audio_changed"}
    for row in job.table("track_labels"):
        assert row["audio_sha256"] == hashlib.sha256(job.audio(row["track_id"]).read_bytes()).hexdigest()
    for name, content in changed.items():
        job.audio(name).write_bytes(content)
    job.decoder_faults({})
    job.run()
    assert job.published() == undisturbed


def test_audio_that_changes_while_it_is_decoded(job: Job, undisturbed: dict[str, bytes]) -> None:
    process = job.start_held()
    (held,) = job.held()
    path = job.folder / "audio" / held
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    job.release()
    status, errors = finish(process)
    assert status == 0, errors
    assert job.published()
    assert job.causes() == {"none": "missing_audio", path.stem: "audio_changed"}
    path.write_bytes(content)
    job.decoder_faults({})
    job.run()
    assert job.published() == undisturbed
