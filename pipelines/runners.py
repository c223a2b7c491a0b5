"""Which Beam runner a job is given to, and that there is one of that name."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from models.errors import UserError
from pipelines.command_line import IN_PROCESS_RUNNER
from pipelines.dataflow_flags import is_dataflow

_KNOWN = "DirectRunner, PortableRunner, PrismRunner, FlinkRunner, SparkRunner and DataflowRunner"


def check_runner(runner: str) -> None:
    """See that Beam has such a runner; its own answer is a traceback, after the staging folder was made.

    Parameters
    ----------
    runner
        The value of ``--runner``: a name of Beam's, or the full name of a class.

    Raises
    ------
    UserError
        There is none, or a library that it needs is not installed; names those that there are.
    """
    from apache_beam.runners.runner import PipelineRunner, create_runner

    try:
        if isinstance(create_runner(runner), PipelineRunner):
            return
        reason = "it names something else"
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        # Where Beam does not know a name it says which ones it has, among them some that fit no job of ours.
        reason = "" if isinstance(error, ValueError) else " ".join(str(error).split())[:200]
    raise UserError(
        f"--runner {runner}: there is no such runner{f' ({reason})' if reason else ''}; leave it out to run in this "
        f"process, or give one of {_KNOWN}."
    )


def choose_runner(beam_flags: Sequence[str], processes: int | None) -> tuple[str, list[str]]:
    """Choose the runner from Beam's flags and ``--processes``.

    Returns
    -------
    runner, flags
        :data:`IN_PROCESS_RUNNER` when the job runs on this machine, and flags to put behind Beam's.

    Raises
    ------
    UserError
        There is no such runner, it loses rows, or ``--processes`` does not fit.
    """
    plain = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    plain.add_argument("--runner")
    runner = plain.parse_known_args(list(beam_flags))[0].runner
    local = runner is None or runner.lower() in ("fnapirunner", IN_PROCESS_RUNNER.lower())
    if runner is not None and runner.lower() in ("dask", "daskrunner"):
        raise UserError(
            f"--runner {runner}: Beam's Dask runner loses rows; use the default, FlinkRunner or DataflowRunner."
        )
    if runner is not None and not local and not is_dataflow(runner):  # which has a sentence of its own
        check_runner(runner)
    flags = [f"--runner={IN_PROCESS_RUNNER}"] if runner is None else []
    if processes is not None:
        cores = os.cpu_count() or 1
        if not 1 <= processes <= 4 * cores:
            raise UserError(
                f"--processes {processes}: give a number from 1 to {4 * cores} (this machine has {cores} cores)."
            )
        if not local:
            raise UserError(f"--processes {processes}: is for local runs; --runner {runner} has flags of its own.")
        if processes > 1:
            flags += ["--direct_running_mode=multi_processing", f"--direct_num_workers={processes}"]
    return IN_PROCESS_RUNNER if local or runner is None else runner, flags
