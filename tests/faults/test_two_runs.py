"""Two runs of one date at once: one wins, the other says so, and nothing is mixed."""

import json

from tests.faults.disturbed_job import Job, finish, one_sentence


def test_the_second_run_leaves_at_once_and_the_first_is_not_disturbed(job: Job, undisturbed: dict[str, bytes]) -> None:
    first = job.start_held()
    other = job.folder / "other.jsonl"
    other.write_text(json.dumps({"track_id": "other", "audio_uri": "audio/words.mp3"}) + "\n")
    status, errors = finish(job.start("--catalog", str(other)))
    assert status == 2
    assert "Another run for run_date 2026-01-31 is writing" in one_sentence(errors)
    job.release()
    status, errors = finish(first)
    assert status == 0, errors
    assert job.published() == undisturbed


def test_two_that_start_together(job: Job, undisturbed: dict[str, bytes]) -> None:
    runs = [job.start(), job.start("--processes", "2")]
    outcomes = [finish(run) for run in runs]
    statuses = sorted(status for status, _ in outcomes)
    # On a machine with little to do the later one may begin when the earlier one has ended.
    assert statuses in ([0, 2], [0, 0]), outcomes
    for status, errors in outcomes:
        assert status == 0 or "Another run" in one_sentence(errors)
    assert job.published() == undisturbed
