"""A job on a portable engine (Flink, Spark, Prism) as the process sees it that started the job and waits for it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

import grpc

from models.errors import RunFailedError

#: Longest wait for a job service to take a cancellation.
_CANCEL_S: Final = 10.0


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
    _silence_reader()
    with _cancelled_on_signals(result):
        try:
            result.wait_until_finish()
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


def _silence_reader() -> None:
    """Keep to one account of a lost job service: Beam's thread that reads its messages would print a traceback too.

    It may do so after the wait has ended, so this is not undone.
    """
    before = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        name = arguments.thread.name if arguments.thread is not None else ""
        if name != "wait_until_finish_read" or not isinstance(arguments.exc_value, grpc.RpcError):
            before(arguments)

    threading.excepthook = hook


def _last_line(error: Exception) -> str:
    """What a worker's traceback, or the engine's own message, comes down to."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__


@contextlib.contextmanager
def _cancelled_on_signals(result: Any) -> Iterator[None]:
    """Cancel the job on SIGINT and SIGTERM, then let the handler act that was there before.

    Workers would go on otherwise, at somebody's cost, for a run that will never be published.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        # In a thread, since a job service that has gone may not answer.
        answered: list[bool] = []
        thread = threading.Thread(target=_cancel, args=(result, answered), daemon=True)
        thread.start()
        thread.join(_CANCEL_S)
        told = "was cancelled" if answered else "could not be cancelled and may go on there"
        with contextlib.suppress(OSError):
            os.write(2, f"\nearmark: the job on the engine {told}.".encode())
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cancel(result: Any, answered: list[bool]) -> None:
    with contextlib.suppress(Exception):  # whatever is wrong with the service, this process ends
        result.cancel()
        answered.append(True)
