"""How a pipeline ends: done, failed, or never started because only a template of it was written."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from apache_beam.runners.portability.portable_runner import PipelineResult as PortableResult
from apache_beam.runners.runner import PipelineState

from models.errors import RunFailedError
from pipelines.interrupts import InterruptedJobError, raised_signals
from pipelines.portable_job import wait_for_portable_job

_STAGED = """\
  When the job is done, its tables are in {staging_dir} and wait to be published: give this command again, with the same
  --run_date and with --staged {staging_dir}"""


def wait_until_done(result: Any, staging_dir: str) -> bool:
    """Wait for a pipeline that was given to a runner.

    Parameters
    ----------
    result
        What ``Pipeline.run()`` gave.
    staging_dir
        Where its tables will be; a job on Dataflow outlives this process, so the user is told.

    Returns
    -------
    bool
        True when its work is done; False when there is no job to wait for, as with ``--template_location``.

    Raises
    ------
    RunFailedError
        When a job on the Dataflow service or a portable engine failed or was cancelled. A local run raises its own
        errors.
    """
    if isinstance(result, PortableResult):
        wait_for_portable_job(result)
        return True
    if not hasattr(result, "has_job"):  # neither Dataflow
        result.wait_until_finish()
        return True
    if not result.has_job:
        print("A template was written. Nothing has run yet, and nothing was published.")
        print(_STAGED.format(staging_dir=staging_dir))
        return False
    job = f"Dataflow job {result.job_id()}"
    print(f"{job} has started. SIGTERM cancels it; when this process ends otherwise, it goes on.", file=sys.stderr)
    print(_STAGED.format(staging_dir=staging_dir), file=sys.stderr, flush=True)
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRuntimeException

    try:
        with raised_signals(signal.SIGTERM):
            state = result.wait_until_finish()
    except InterruptedJobError as interrupted:
        _cancel(result, job)  # a scheduler that ends this process would start a second job
        signal.raise_signal(interrupted.number)
        raise
    except DataflowRuntimeException as error:
        raise RunFailedError(f"{job}: {error}; nothing was published.") from error
    if state != PipelineState.DONE:
        raise RunFailedError(f"{job} ended as {state}; nothing was published.")
    return True


def _cancel(result: Any, job: str) -> None:
    try:
        result.cancel()
        message = f"earmark: {job} is cancelled.\n"
    except Exception as error:  # whatever it is, the process must end
        message = f"earmark: {job} could not be cancelled ({error}) and goes on.\n"
    os.write(2, message.encode())
