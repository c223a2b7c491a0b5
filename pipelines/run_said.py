"""What a run says on the terminal when it has ended."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence

from transforms.console_report import print_report
from transforms.gates import GateRefusal, refusal_message


def say_refused(
    refused: Sequence[GateRefusal], staging_dir: str, how_to_see: str | None, notes: Sequence[str], page: str | None
) -> None:
    """Say on standard error which gates refused to publish, and what may be done.

    Parameters
    ----------
    refused
        Which, and why.
    how_to_see
        How to see the changes that a gate refused; null where none did.
    notes
        What was noticed of the catalog.
    page
        Where the run's page was left, if it was.
    """
    lines = [refusal_message(refused, staging_dir), *([how_to_see] if how_to_see else [])]
    lines += [f"  {note}" for note in notes]
    lines += [f"  Its page shows why: {page}"] if page else []
    print("\n".join(lines), file=sys.stderr)


def say_published(output: str, run_date: str, run_id: str, gates: Sequence[str], notes: Sequence[str]) -> None:
    """Say on standard output what was published, and where.

    Parameters
    ----------
    gates
        What gates say of a run that they let pass; said of a local run.
    notes
        What was noticed of the catalog.
    """
    with _whoever_reads():
        if "://" not in output:
            print_report(output, run_date, run_id, [*gates, *notes])
            return
        print(f"Published run {run_id} to {output}; its manifest is in runs/{run_id}/.")
        for note in notes:
            print(note)


@contextlib.contextmanager
def _whoever_reads() -> Iterator[None]:
    """Print what nobody may read to its end, as behind ``| head``: the run is published, and its status says so."""
    try:
        yield
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # rich ends the process for a closed pipe, with status 1
        # What is still in a buffer must not fail when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
