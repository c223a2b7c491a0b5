"""Publishes runs in children that are killed, and checks the state after each; a process of its own, see its caller.

``python -m tests.transforms.publish_trials OUTPUT TRIALS``: one JSON line per trial. The children are forked, so that
Beam is imported once; this process itself starts no thread.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from tests.transforms.generated_tables import (
    RUN_DATE,
    GeneratedRun,
    generate_run,
    manifest_of,
    write_directly,
    write_with_beam,
)
from tests.transforms.published_state import problems, read_table, rows_by_table
from transforms.publish_local import LocalStorage
from transforms.publishing import Publication
from transforms.reconcile import read_run_summary
from transforms.table_schemas import TABLES

STEPS = (
    "prepared", "written", "verified", "papers staged", "planned", "replaced runs marked",
    *(f"table {table}" for table in TABLES), "manifest", "success", "plan done", "cleared",
)  # fmt: skip
DATE = RUN_DATE.isoformat()


class WithoutExchange(LocalStorage):
    """As on a file system that cannot exchange two names; dies between its two renames when it is told to."""

    die_in_table = ""

    def _exchange(self, first: pathlib.Path, second: pathlib.Path) -> bool:  # type: ignore[override]
        if self.die_in_table and self.die_in_table in str(second):
            second.rename(first.with_name(f"{first.name}.retired"))
            os.kill(os.getpid(), signal.SIGKILL)
        return False


def finish_only(output: str, run: GeneratedRun, storage: LocalStorage) -> None:
    """What the next run of the date does before its pipeline, and no more."""
    with Publication(output, DATE, "run-that-only-prepares", storage=storage) as publication:
        publication.prepare()


def publish(
    output: str, run: GeneratedRun, storage: LocalStorage, die_at: str = "", *, with_beam: bool = False
) -> None:
    def on_step(step: str) -> None:
        if step == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with Publication(output, DATE, run.run_id, on_step=on_step, storage=storage) as publication:
        staging_dir = publication.prepare()
        if with_beam:
            write_with_beam(run, staging_dir, shards=2)
            summary = read_run_summary(staging_dir)
        else:
            summary = write_directly(run, staging_dir)
        on_step("written")
        publication.publish(summary.files, manifest_of(summary), {"timings.json": b"{}", "report.html": b"<p>"})


def in_child(
    *arguments: Any, do: Callable[..., None] = publish, kill_after_s: float | None = None, **options: Any
) -> bool:
    """Run ``do`` in a child; whether it was killed.

    Raises
    ------
    RuntimeError
        It failed otherwise.
    """
    child = os.fork()
    if child == 0:
        try:
            do(*arguments, **options)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if os.waitstatus_to_exitcode(status) not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a child ended with status {status}")
    return os.WIFSIGNALED(status)


def report(**line: Any) -> None:
    print(json.dumps(line), flush=True)


def wait_for_the_reader(output: str) -> None:
    """Wait until the caller has looked at every table anew; it adds a byte to a file after each round."""
    rounds = pathlib.Path(f"{output}.rounds")
    enough = rounds.stat().st_size + 2  # one may be half done
    while rounds.stat().st_size < enough:
        time.sleep(0.002)


def random_moments(output: str, *, trials: int, with_beam: bool, seed: int) -> None:
    """Kill at a moment drawn from the time that a whole run takes, then run the same again; a reader looks on."""
    rng = random.Random(seed)
    storage = LocalStorage(output)
    storage.grace_s = 0.2  # ample for this disk, and the test is over sooner
    begin = time.monotonic()
    in_child(output, generate_run("run-0"), storage, with_beam=with_beam)
    whole_s = time.monotonic() - begin
    wait_for_the_reader(output)
    for trial in range(1, trials + 1):
        run = generate_run(f"run-{trial}")
        moment_s = rng.uniform(0, whole_s)
        killed = in_child(output, run, storage, with_beam=with_beam, kill_after_s=moment_s)
        begin = time.monotonic()
        in_child(output, run, storage, with_beam=with_beam)
        whole_s = max(0.01, time.monotonic() - begin - storage.grace_s)
        wait_for_the_reader(output)
        report(
            trial=trial, moment_s=moment_s, whole_s=whole_s, killed=killed, problems=problems(pathlib.Path(output), run)
        )


def every_step(output: str) -> None:
    """Kill behind each step in turn and let another process finish what was begun.

    Even trials then run the same again, odd ones another run of the date.
    """
    folder = pathlib.Path(output)

    def storage() -> LocalStorage:
        made = LocalStorage(output)
        made.grace_s = 0.0
        return made

    before = generate_run("run-before")
    in_child(output, before, storage())
    for trial, step in enumerate(STEPS):
        run = generate_run(f"run-{trial}")
        killed = in_child(output, run, storage(), die_at=step)
        whole = {"before": rows_by_table(before), "new": rows_by_table(run)}
        seen = {
            table: next((name for name, rows in whole.items() if rows[table] == read_table(folder, table)), "neither")
            for table in TABLES
        }
        in_child(output, run, storage(), do=finish_only)
        finished = [name for name, other in (("before", before), ("new", run)) if not problems(folder, other)]
        after = run if trial % 2 == 0 else generate_run(f"run-{trial}-other")
        in_child(output, after, storage())
        report(trial=step, killed=killed, seen=seen, finished=finished, problems=problems(folder, after))
        before = after


def between_renames(output: str) -> None:
    """Kill between the two renames of a file system without an exchange."""
    folder = pathlib.Path(output)
    in_child(output, generate_run("run-before"), WithoutExchange(output))
    for table in (next(iter(TABLES)), "track_labels"):
        run = generate_run(f"run-{table}")
        storage = WithoutExchange(output)
        storage.grace_s = 0.0
        storage.die_in_table = f"/{table}/run_date="
        killed = in_child(output, run, storage)
        absent = read_table(folder, table) is None
        storage.die_in_table = ""
        in_child(output, run, storage)
        report(trial=table, killed=killed, absent=absent, problems=problems(folder, run))


if __name__ == "__main__":
    where, which = sys.argv[1:]
    if which == "moments":
        random_moments(where, trials=10, with_beam=False, seed=1)
    elif which == "beam_moments":
        random_moments(where, trials=1, with_beam=True, seed=2)
    elif which == "steps":
        every_step(where)
    elif which == "between_renames":
        between_renames(where)
