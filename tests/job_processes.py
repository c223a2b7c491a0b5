"""What the operating system says of a job's processes: who is alive in its session, and which of them decode."""

import contextlib
import os
import pathlib
import resource
import time

#: What may run as a decoder process in tests.
DECODERS = ("transforms.decoder_child", "tests.faults.commanded_decoder")


def cpu_of_ended_children_s() -> float:
    """Processor time of the children that have ended, which no load of the machine changes much."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def has_exited(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def session_members(session: int) -> list[int]:
    """Processes of a session that live; a job that was started with ``start_new_session`` is a session of its own."""
    members = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(entry.name)) == session and not has_exited(int(entry.name)):
                members.append(int(entry.name))
        except ProcessLookupError:
            continue
    return members


def running(session: int, module: str) -> list[int]:
    """Processes of a session that were started as ``python -m module``."""
    found = []
    for pid in session_members(session):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if module.encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                found.append(pid)
    return sorted(found)


def decoders(session: int) -> list[int]:
    """Decoder processes of a job: there are some while it labels."""
    return [pid for module in DECODERS for pid in running(session, module)]


def wait_until_gone(session: int, within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while session_members(session) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = {pid: pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() for pid in session_members(session)}
    assert left == {}, "processes outlive their job"
