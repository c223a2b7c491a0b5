"""One decoder process as its parent sees it: started, asked, timed, and its death put into words."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import IO, Any, Final

from models.audio_decoding import DECODER_OUT_OF_MEMORY
from models.window_records import DecodedWindow, DecodePlan, DecodeSummary
from transforms import decoder_messages as messages
from transforms.records import ErrorType

_MIB: Final = 1 << 20
#: Longest wait for a process to start and import its libraries, in seconds: a busy machine takes its time.
_START_TIMEOUT_S: Final = 120.0
#: Longest wait for a process to be gone after SIGKILL or after its output ended.
_EXIT_TIMEOUT_S: Final = 10.0
_PIPE_BYTES: Final = 1 << 20
#: A process that dies after it was seen to take this share of its limit died of that: a library that does not look at
#: what malloc gives it ends in a fault of its own.
_MEMORY_SHARE: Final = 0.6
#: How often it is looked at while it is waited for, in seconds.
_LOOK_EVERY_S: Final = 0.05
_KEPT_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV")


@dataclasses.dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What one decoder process may use; units as in :class:`transforms.decoder_pool.DecodeSettings`."""

    timeout_s: float
    cpu_limit_s: float
    memory_limit_mb: int
    child_module: str


class DecoderLostError(Exception):
    """The process is gone or of no use any more: the typed cause, and a sentence about it."""

    def __init__(self, error_type: ErrorType, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class DecoderProcess:
    """A running decoder.

    The thread that makes one must outlive it: Linux takes "the parent died" to mean that thread.

    Attributes
    ----------
    requests
        Number of tracks that it was asked for.
    pid
        Its process id.
    """

    def __init__(self, limits: ProcessLimits, plan: DecodePlan) -> None:
        self._limits, self._plan = limits, plan
        self.requests = 0
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100
        argument = json.dumps(
            {
                "memory_limit_mb": limits.memory_limit_mb,
                "cpu_limit_s": limits.cpu_limit_s,
                "parent_pid": os.getpid(),
            }
        )
        # A Ctrl-C goes to the decoder too, and is for its parent to act on: a process starts with the signals blocked
        # that are so in the thread that starts it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [sys.executable, "-P", "-B", "-m", limits.child_module, argument],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env=environment,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.pid = self._process.pid
        self._input, self._output = _pipe(self._process.stdin), _pipe(self._process.stdout)
        os.set_blocking(self._output.fileno(), False)
        self._poll = select.poll()
        self._poll.register(self._output, select.POLLIN)
        self._most_bytes = self._idle_bytes = 0
        self._waited_s = 0.0
        try:
            kind, _ = self._receive(_START_TIMEOUT_S)
            if kind != messages.READY:
                raise messages.BadMessageError("no greeting")
            self._idle_bytes = self._address_space_bytes()
        except BaseException:
            self.kill()
            raise

    def decode(
        self,
        path: str,
        decoders: Sequence[str],
        give: Callable[[DecodedWindow], None],
        starts: tuple[int, ...] | None = None,
    ) -> DecodeSummary:
        """Have a file decoded, handing each window to ``give`` (which may take its time: the process then waits).

        ``starts`` are the first samples of a later round's windows; null for the first round.

        Raises
        ------
        DecoderLostError
            The process crashed, hung, outgrew its memory or talked nonsense; it is gone then.
        """
        self.requests += 1
        self._waited_s = 0.0
        self._most_bytes = 0
        plan = dataclasses.replace(self._plan, starts=starts)
        request = {"path": path, "plan": dataclasses.asdict(plan), "decoders": list(decoders)}
        given = 0
        try:
            self._input.write(messages.pack(messages.REQUEST, json.dumps(request).encode()))
            while True:
                kind, payload = self._receive(self._limits.timeout_s)
                if kind == messages.WINDOW:
                    window = messages.unpack_window(payload, self._plan)
                    given += 1
                    give(window)
                elif kind == messages.SUMMARY:
                    summary = messages.unpack_summary(payload)
                    if summary.windows != given or (given == 0) > (summary.error_type is not None):
                        raise messages.BadMessageError("a summary that does not fit its windows")
                    return summary
                else:
                    raise messages.BadMessageError("an answer of no known kind")
        except messages.BadMessageError as error:
            self.kill()
            raise DecoderLostError(ErrorType.DECODER_CRASH, f"The decoder process sent {error}.") from None
        except BrokenPipeError:
            raise self._lost() from None
        except BaseException:
            self.kill()
            raise

    def signal_kill(self) -> None:
        """Send SIGKILL, from any thread; the one that made this process sees its end."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the process and wait until it is gone; harmless when it is."""
        if self._process.returncode is None:
            self.signal_kill()
            self._reap()
        self._input.close()
        self._output.close()

    def _receive(self, limit_s: float) -> tuple[bytes, bytearray]:
        kind, length = messages.HEADER.unpack(self._read(messages.HEADER.size, limit_s))
        most = messages.window_bytes(self._plan) if kind == messages.WINDOW else messages.MOST_TEXT_BYTES
        if length > most or kind not in (messages.READY, messages.WINDOW, messages.SUMMARY):
            raise messages.BadMessageError("what is no message")
        return kind, self._read(length, limit_s)

    def _read(self, length: int, limit_s: float) -> bytearray:
        """Read exactly so many bytes; only the time spent waiting for the process counts against the limit."""
        data = bytearray(length)
        missing = memoryview(data)
        while missing:
            begin = time.monotonic()
            ready = self._poll.poll(min(_LOOK_EVERY_S, max(0.0, limit_s - self._waited_s)) * 1000)
            self._waited_s += time.monotonic() - begin
            if not ready and self._waited_s < limit_s:
                self._most_bytes = max(self._most_bytes, self._address_space_bytes())
                continue
            if not ready:
                self.kill()
                message = f"The decoder gave no answer within {limit_s:g} s."
                raise DecoderLostError(ErrorType.DECODE_TIMEOUT, message)
            count = os.readv(self._output.fileno(), [missing])
            if not count:
                raise self._lost()
            missing = missing[count:]
        return data

    def _lost(self) -> DecoderLostError:
        """Put the end of a process that closed its output into words."""
        self._reap()
        self.kill()
        status = self._process.returncode
        limit_mb = self._limits.memory_limit_mb
        no_memory = f"The decoder outgrew its limit of {limit_mb} MiB of memory."
        if status == messages.EXIT_OUT_OF_MEMORY or self._died_at_memory_limit(status):
            return DecoderLostError(ErrorType.DECODER_OUT_OF_MEMORY, no_memory)
        if status == -signal.SIGXCPU:
            message = f"The decoder used more than {self._limits.cpu_limit_s:g} s of processor time."
            return DecoderLostError(ErrorType.DECODE_TIMEOUT, message)
        if status is not None and status < 0:
            name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
            return DecoderLostError(ErrorType.DECODER_CRASH, f"The decoder process died of {name}.")
        return DecoderLostError(ErrorType.DECODER_CRASH, f"The decoder process ended with exit status {status}.")

    def _died_at_memory_limit(self, status: int | None) -> bool:
        most = _MEMORY_SHARE * self._limits.memory_limit_mb * _MIB
        grown = self._most_bytes - self._idle_bytes
        return bool(self.requests and status) and status != -signal.SIGXCPU and grown > most

    def _reap(self) -> None:
        """Wait until the process is gone."""
        try:
            self._process.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:  # it closed its output and lives on
            self.signal_kill()
            self._process.wait(_EXIT_TIMEOUT_S)

    def _address_space_bytes(self) -> int:
        """Look at what the process takes, the measure of its limit; 0 where the system does not tell."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as statm:  # noqa: PTH123 (twenty times a second)
                return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0


def _pipe(stream: IO[bytes] | None) -> Any:
    if stream is None:
        raise RuntimeError("the pipe was asked for")
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):  # the limit of pipes per user may be reached: then it is just slower
            fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return stream


def is_out_of_memory(summary: DecodeSummary) -> bool:
    """Tell whether a process said itself that its memory ran out; it should not be asked again."""
    return summary.error_type == DECODER_OUT_OF_MEMORY
