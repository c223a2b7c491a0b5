"""How a pipeline ends: done, failed, or never started because only a template of it was written."""

from __future__ import annotations

import sys
from typing import Any

from apache_beam.runners.portability.portable_runner import PipelineResult as PortableResult
from apache_beam.runners.runner import PipelineState

from pipelines.command_line import JobFailedError
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
    JobFailedError
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
    print(f"{job} has started. Should this process be stopped, the job goes on.", file=sys.stderr)
    print(_STAGED.format(staging_dir=staging_dir), file=sys.stderr, flush=True)
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRuntimeException

    try:
        state = result.wait_until_finish()
    except DataflowRuntimeException as error:
        raise JobFailedError(f"{job}: {error}; nothing was published.") from error
    if state != PipelineState.DONE:
        raise JobFailedError(f"{job} ended as {state}; nothing was published.")
    return True
