"""Which Beam runner a job is given to, and that there is one of that name."""

from __future__ import annotations

from models.errors import UserError

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
