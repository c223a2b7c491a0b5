"""A job on a portable engine (Flink, Spark, Prism) as the process sees it that started the job and waits for it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.job_server import JobServer
from apache_beam.runners.portability.portable_runner import PortableRunner

from models.errors import RunFailedError
from pipelines.interrupts import InterruptedJobError, raised_signals
from transforms.worker_life import child_processes, kill_child_processes

#: Longest wait for a job service to take a cancellation.
_CANCEL_S: Final = 10.0
_REASON_CHARACTERS: Final = 250


@contextlib.contextmanager
def own_engine(pipeline: beam.Pipeline) -> Iterator[None]:
    """Stop the engine that Beam starts for a job that names none, when the block ends, which a signal may do.

    Beam itself stops it when the interpreter ends, which is too late: the engine's folder is among the job's temporary
    files, and gone by then; and after a signal the interpreter does not come to its end.

    Parameters
    ----------
    pipeline
        Started inside the block. Does nothing where its runner is no portable one.
    """
    if not isinstance(pipeline.runner, PortableRunner):
        yield
        return
    engines: list[JobServer] = []
    default = pipeline.runner.default_job_server

    def noted(options: PipelineOptions) -> JobServer:
        engines.append(default(options))
        return engines[-1]

    pipeline.runner.default_job_server = noted
    before = child_processes()
    try:
        # Raised, since Beam ends an engine that does not answer yet when something is raised, and in no other way.
        with raised_signals():
            yield
    except InterruptedJobError as interrupted:
        _stop(engines)
        # Beam does not know an engine yet whose start the signal came into.
        kill_child_processes(but=before)
        signal.raise_signal(interrupted.number)
        raise
    finally:
        _stop(engines)


def _stop(engines: Sequence[JobServer]) -> None:
    for engine in engines:
        engine.stop()  # does nothing the second time


def start_job(pipeline: beam.Pipeline) -> Any:
    """Give a pipeline to its runner.

    Returns
    -------
    PipelineResult
        What ``Pipeline.run()`` gives. On a portable engine the job is at work then, or soon will be; a local run is
        over.

    Raises
    ------
    RunFailedError
        The portable engine could not be started or did not take the job, as when Beam cannot fetch its jar or binary.
        Every other runner raises its own errors.
    """
    if not isinstance(pipeline.runner, PortableRunner):
        return pipeline.run()
    _silence_threads()
    try:
        return pipeline.run()
    except (OSError, RuntimeError, ValueError, grpc.RpcError, grpc.FutureTimeoutError) as error:
        details = error.details() if isinstance(error, grpc.Call) else str(error)
        reason = " ".join((details or type(error).__name__).split())
        reason = reason if len(reason) <= _REASON_CHARACTERS else f"{reason[: _REASON_CHARACTERS - 1]}…"
        raise RunFailedError(
            f"--runner {type(pipeline.runner).__name__}: the job could not be given to its engine "
            f"({reason}); nothing was published. docs/distributed.md says what an engine "
            "needs, and how to start its job service yourself."
        ) from error


def wait_for_portable_job(result: Any) -> None:
    """Wait until the job is done; a signal that ends this process cancels it first.

    Parameters
    ----------
    result
        What ``Pipeline.run()`` of a portable runner gave.

    Raises
    ------
    RunFailedError
        The job failed or was cancelled on the engine, or its job service was lost.
    """
    with raised_signals():
        try:
            result.wait_until_finish()
        except InterruptedJobError:
            _cancel(result)
            raise
        except grpc.RpcError as error:
            details = error.details() if isinstance(error, grpc.Call) else None
            raise RunFailedError(
                f"The job service was lost while the job was at work ({details or type(error).__name__}); nothing was "
                "published. If the engine goes on with the job, cancel it there; then run the same command again."
            ) from error
        except Exception as error:  # Beam raises what it comes upon, RuntimeError as a rule
            raise RunFailedError(
                f"The job failed on the engine: {_last_line(error)}; nothing was published. The same command may be "
                "run again."
            ) from error


def _silence_threads() -> None:
    """Keep to one account of a job service that was lost or never started: threads would print tracebacks too.

    Those are Beam's, which reads the service's messages, and gRPC's, which waits for it. They may do so after the wait
    has ended, so this is not undone.
    """
    before = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        name = arguments.thread.name if arguments.thread is not None else ""
        lost = name == "wait_until_finish_read" and isinstance(arguments.exc_value, grpc.RpcError)
        never_started = isinstance(arguments.exc_value, ValueError) and "Channel closed" in str(arguments.exc_value)
        if not (lost or never_started):
            before(arguments)

    threading.excepthook = hook


def _last_line(error: Exception) -> str:
    """What a worker's traceback, or the engine's own message, comes down to."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__


def _cancel(result: Any) -> None:
    """Cancel the job, whose workers would go on at somebody's cost for a run that will never be published."""

    def cancel() -> None:
        with contextlib.suppress(Exception):  # whatever is wrong with the service, this process ends
            result.cancel()
            answered.append(True)

    # In a thread, since a job service that has gone may not answer.
    answered: list[bool] = []
    thread = threading.Thread(target=cancel, daemon=True)
    thread.start()
    thread.join(_CANCEL_S)
    told = "was cancelled" if answered else "could not be cancelled and may go on there"
    with contextlib.suppress(OSError):
        os.write(2, f"\nearmark: the job on the engine {told}.".encode())
