"""Publishing without crashes: what is written where, what replaces what, and that a repetition changes no byte."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest
from apache_beam.io.filesystem import BeamIOError

from tests.transforms.generated_tables import RUN_DATE, GeneratedRun, generate_run, manifest_of, write_directly
from tests.transforms.published_state import PARTITION, problems
from transforms.publish_local import LocalStorage, exchange
from transforms.publish_remote import RemoteStorage
from transforms.published_summary import published_summary
from transforms.publishing import Publication
from transforms.run_lock import AnotherRunError
from transforms.run_storage import Storage
from transforms.table_schemas import TABLES
from transforms.whole_files import write_whole_file

DATE = RUN_DATE.isoformat()
ROOT = pathlib.Path(__file__).parents[2]


def local(output: pathlib.Path) -> LocalStorage:
    storage = LocalStorage(str(output))
    storage.grace_s = 0.0
    return storage


def publish(run: GeneratedRun, storage: Storage, papers: dict[str, bytes] | None = None, on_step=None) -> None:
    date = run.run_date.isoformat()
    with Publication("unused", date, run.run_id, storage=storage, on_step=on_step) as publication:
        summary = write_directly(run, publication.prepare())
        publication.publish(summary.files, manifest_of(summary), papers)


def tree(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(params=["local", "remote"])
def storage(request, tmp_path) -> Storage:
    """Both storages on a real folder; the remote one goes through Beam's file systems, as gs:// would."""
    return local(tmp_path) if request.param == "local" else RemoteStorage(str(tmp_path))


def test_a_first_run_is_published_whole(storage, tmp_path):
    run = generate_run("run-a")
    publish(run, storage, {"timings.json": b"{}", "report.html": b"<p>"})
    assert problems(tmp_path, run) == []
    assert {path.name for path in (tmp_path / "runs/run-a").iterdir()} == {
        "manifest.json", "_SUCCESS", "timings.json", "report.html",
    }  # fmt: skip
    if isinstance(storage, LocalStorage):
        assert {path.name for path in tmp_path.iterdir()} == {*TABLES, "runs", ".staging", ".locks"}
        assert list((tmp_path / ".staging").iterdir()) == []


def test_another_run_of_the_date_replaces_the_first_and_says_so(storage, tmp_path):
    publish(generate_run("run-a"), storage)
    second = generate_run("run-b", 7)
    publish(second, storage)
    assert problems(tmp_path, second) == []
    assert (tmp_path / "runs/run-a/REPLACED_BY").read_text() == "run-b\n"


def test_a_run_that_comes_back_is_current_again(storage, tmp_path):
    first = generate_run("run-a")
    for run in (first, generate_run("run-b"), first):
        publish(run, storage)
    assert problems(tmp_path, first) == []
    assert (tmp_path / "runs/run-b/REPLACED_BY").read_text() == "run-a\n"


def test_the_same_run_again_changes_no_byte(storage, tmp_path):
    run = generate_run("run-a")
    publish(run, storage)
    before = tree(tmp_path)
    publish(run, storage)
    assert tree(tmp_path) == before


def test_other_dates_stay_as_they_are(storage, tmp_path):
    publish(generate_run("run-a"), storage)
    before = tree(tmp_path)
    publish(generate_run("run-b", run_date=datetime.date(2026, 2, 1)), storage)
    after = tree(tmp_path)
    assert {path: after[path] for path in before} == before
    assert {path.split("/")[1] for path in after.keys() - before.keys() if "run_date" in path} >= {
        "run_date=2026-02-01"
    }


def test_what_was_in_the_partition_before_goes_whoever_wrote_it(storage, tmp_path):
    stranger = tmp_path / "track_labels" / PARTITION / "part-from-elsewhere.parquet"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"?")
    run = generate_run("run-a")
    publish(run, storage)
    assert problems(tmp_path, run) == []


def test_a_zero_row_table_moves_on_to_the_new_run_too(storage, tmp_path):
    # Its file is the same for both runs; only _SUCCESS tells them apart.
    publish(generate_run("run-a", 0), storage)
    run = generate_run("run-b", 0)
    publish(run, storage)
    assert problems(tmp_path, run) == []


def test_the_manifest_says_what_was_published(tmp_path):
    run = generate_run("run-a")
    publish(run, local(tmp_path))
    manifest = json.loads((tmp_path / "runs/run-a/manifest.json").read_text())
    assert (manifest["run_id"], manifest["run_date"], manifest["taxonomy_version"]) == ("run-a", DATE, "1")
    assert manifest["config"] == {"coverage": "sampled"} and len(manifest["config_sha256"]) == 64
    assert manifest["gates"][0]["gate"] == "reconciliation"
    assert manifest["software"].keys() >= {"python", "apache-beam", "pyarrow"}
    assert manifest["summary"]["tables"]["track_labels"]["rows"] == 12
    assert sum(file["rows"] for file in manifest["files"] if file["table"] == "track_segments") == 24
    column = manifest["schemas"]["track_embeddings"][2]
    assert (column["name"], column["nullable"]) == ("embedding", False)
    assert "float" in column["type"] and column["description"].startswith("Unit-length vector")


def test_the_summary_of_the_latest_earlier_date_is_found(storage, tmp_path):
    assert published_summary(str(tmp_path), DATE) is None
    for day, tracks in ((29, 5), (30, 6), (31, 7)):
        publish(generate_run(f"run-{day}", tracks, run_date=datetime.date(2026, 1, day)), storage)
    publish(generate_run("run-30-again", 9, run_date=datetime.date(2026, 1, 30)), storage)
    found = published_summary(str(tmp_path), "2026-01-31")
    assert found is not None and (found.run_id, found.run_date, found.label_rows) == ("run-30-again", "2026-01-30", 9)
    latest = published_summary(str(tmp_path), "2027-01-01")
    assert latest is not None and latest.run_id == "run-31"
    assert published_summary(str(tmp_path), "2026-01-29") is None


def test_a_refused_run_stays_in_staging_until_the_next_one(tmp_path):
    first, refused, third = generate_run("run-a"), generate_run("run-b"), generate_run("run-c")
    publish(first, local(tmp_path))
    with Publication("", DATE, "run-b", storage=local(tmp_path)) as publication:
        staging_dir = pathlib.Path(publication.prepare())
        write_directly(refused, str(staging_dir))
    assert len(list(staging_dir.glob("*/*.parquet"))) == len(TABLES)
    assert problems(tmp_path, first) == ["leftovers in staging"]
    publish(third, local(tmp_path))
    assert problems(tmp_path, third) == []


def test_a_file_that_the_summary_does_not_name_is_left_out(storage, tmp_path):
    run = generate_run("run-a")
    with Publication("", DATE, run.run_id, storage=storage) as publication:
        summary = write_directly(run, publication.prepare())
        stray = pathlib.Path(publication.staging_dir, "track_labels", "part-00000-of-00001-00000000.parquet")
        stray.write_bytes(b"the other outcome of a bundle that ran twice")
        publication.publish(summary.files, manifest_of(summary))
    assert problems(tmp_path, run) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_tables_are_swapped_waits_for_the_end(tmp_path, number):
    publish(generate_run("run-a"), local(tmp_path))
    run = generate_run("run-b")

    def stop(received: int, frame: object) -> None:
        raise InterruptedError(received)

    before = signal.signal(number, stop)
    try:
        with pytest.raises(InterruptedError):
            publish(
                run,
                local(tmp_path),
                on_step=lambda step: step == "table track_segments" and os.kill(os.getpid(), number),
            )
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, before)
    assert [problem for problem in problems(tmp_path, run) if "staging" not in problem] == []


def test_two_runs_of_one_date_exclude_each_other_and_other_dates_do_not(tmp_path):
    with Publication(str(tmp_path), DATE, "run-a"):
        with pytest.raises(AnotherRunError, match=f"{DATE}.*{tmp_path}"), Publication(str(tmp_path), DATE, "run-b"):
            pass
        with Publication(str(tmp_path), "2026-02-01", "run-b"):
            pass
    with Publication(str(tmp_path), DATE, "run-b"):
        pass


def test_kill_9_frees_the_lock(tmp_path):
    program = (
        "import sys, time; from transforms.run_lock import RunLock; "
        f"lock = RunLock(sys.argv[1], {DATE!r}); lock.acquire(); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(AnotherRunError):
            Publication(str(tmp_path), DATE, "run-b").acquire()
    finally:
        holder.kill()
        holder.communicate()
    with Publication(str(tmp_path), DATE, "run-b"):
        pass


def test_on_an_object_store_the_run_that_started_last_publishes(tmp_path):
    early, late = generate_run("run-early"), generate_run("run-late")
    first = Publication("", DATE, early.run_id, storage=RemoteStorage(str(tmp_path)))
    first.acquire()
    first.prepare()
    with Publication("", DATE, late.run_id, storage=RemoteStorage(str(tmp_path))) as second:
        summary = write_directly(late, second.prepare())
        early_summary = write_directly(early, first.staging_dir)
        with pytest.raises(AnotherRunError, match="this one publishes nothing"):
            first.publish(early_summary.files, manifest_of(early_summary))
        first.release()
        second.publish(summary.files, manifest_of(summary))
    assert problems(tmp_path, late) == []


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="names are exchanged on Linux and macOS only")
def test_two_folders_exchange_their_names(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not exchange(tmp_path / "old", tmp_path / "new"):
        pytest.skip("this file system cannot exchange two names")
    assert ((tmp_path / "old/new").exists(), (tmp_path / "new/old").exists()) == (True, True)
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "old", tmp_path / "missing")


def test_a_worker_that_outlives_its_killed_run_does_not_disturb_the_next_one(tmp_path):
    """An engine may go on with the job of a killed process: it stages files while the next run clears them away."""
    storage = local(tmp_path)
    with Publication("unused", DATE, "run-a", storage=storage) as publication:
        killed = publication.prepare()
    stop, written = threading.Event(), 0

    def outlive() -> None:
        nonlocal written
        while not stop.is_set():
            with contextlib.suppress(OSError, BeamIOError):  # its own file was deleted before it was whole
                write_whole_file(killed, f"track_labels/part-{written}.parquet", b"rows")
            written += 1

    worker = threading.Thread(target=outlive)
    worker.start()
    try:
        runs = 0
        while runs < 20 or written < 100:
            run = generate_run(f"run-{runs}", 2)
            publish(run, storage)
            assert set(problems(tmp_path, run)) <= {"leftovers in staging"}
            runs += 1
    finally:
        stop.set()
        worker.join()
    last = generate_run("run-z")
    publish(last, storage)
    assert problems(tmp_path, last) == []
