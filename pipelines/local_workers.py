"""How Beam's local runner starts its worker processes: as Earmark's own module, and out of the way of signals."""

from __future__ import annotations

import shlex
import sys
from typing import Any, Final

import apache_beam as beam
from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

#: Ctrl-C and a scheduler's SIGTERM may go to every process at once; what they do is for the main process to say, and
#: a worker that died of one would be an error of the run there. What is ignored stays so behind ``exec``, so that no
#: moment of a worker's start is open to them.
_COMMAND: Final = f"trap '' INT TERM; exec {shlex.quote(sys.executable)} -m transforms.local_worker"


def use_own_workers(pipeline: beam.Pipeline) -> None:
    """Have the worker processes of a local run started by :data:`_COMMAND`; nothing where the run has none.

    Beam's runner makes up the command line of its workers by itself, so it is replaced in the graph that it is given.

    Parameters
    ----------
    pipeline
        Not started yet.
    """
    if not isinstance(pipeline.runner, FnApiRunner):
        return
    run = pipeline.runner.run_via_runner_api

    def run_with_own_workers(graph: Any, options: Any) -> Any:
        for environment in graph.components.environments.values():
            if environment.urn == python_urns.SUBPROCESS_SDK:
                environment.payload = _COMMAND.encode()
        return run(graph, options)

    pipeline.runner.run_via_runner_api = run_with_own_workers
