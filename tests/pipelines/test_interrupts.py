"""Signals as exceptions, for code that waits for what runs elsewhere; afterwards they do what they did before."""

import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from pipelines.interrupts import InterruptedJobError, raised_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_innermost_block_and_then_does_what_it_did(number):
    received = []
    before = signal.signal(number, lambda signalled, frame: received.append(signalled))
    try:
        with pytest.raises(InterruptedJobError) as interrupted, raised_signals(), raised_signals():
            signal.raise_signal(number)
        assert received == []
        signal.raise_signal(interrupted.value.number)
        assert received == [number]
    finally:
        signal.signal(number, before)


def test_a_signal_that_is_not_named_is_left_alone():
    before = signal.getsignal(signal.SIGINT)
    with raised_signals(signal.SIGTERM):
        assert signal.getsignal(signal.SIGINT) is before
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL


def test_no_error_handler_of_a_library_takes_it_for_an_error():
    with pytest.raises(InterruptedJobError), raised_signals():
        try:
            signal.raise_signal(signal.SIGTERM)
        except Exception:
            pytest.fail("it was caught")


def test_in_another_thread_nothing_happens():
    handlers = []

    def work() -> None:
        with raised_signals():
            handlers.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [before]


#: A job with a worker that lives on, and a thread that keeps writing to the folder that is to go.
STOPPED = """
import pathlib, signal, subprocess, sys, threading
from pipelines.interrupts import stop_on_signals

folder = pathlib.Path(sys.argv[1])
begun = threading.Event(), threading.Event()

def write():
    for i in range(10**9):
        try:
            (folder / f"count.{i}").write_text("1")
        except OSError:
            pass
        begun[0].set()

def wait_for_worker():
    worker = subprocess.Popen(["sleep", "60"])
    begun[1].set()
    worker.wait()
    raise RuntimeError("the worker is gone")

with stop_on_signals(str(folder), kill_children=True):
    for work in (write, wait_for_worker):
        threading.Thread(target=work, daemon=True).start()
    for event in begun:
        event.wait()
    signal.raise_signal(signal.SIGTERM)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="children are known on Linux alone")
def test_a_stopped_job_leaves_one_sentence_and_neither_file_nor_process(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    job = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(folder)],
        cwd=pathlib.Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _, errors = job.communicate(timeout=50)  # ends when nobody holds its output, the worker neither
    assert job.returncode == 128 + signal.SIGTERM
    (line,) = errors.split("\n")[1:-1]
    assert line.startswith("earmark: stopped by SIGTERM")
    assert list(tmp_path.iterdir()) == []


#: A job that is interrupted once more while it deletes its temporary folder.
IMPATIENT = """
import pathlib, shutil, signal
from pipelines.interrupts import stop_on_signals, temporary_folder

delete = shutil.rmtree

def rmtree(*arguments, **settings):
    signal.raise_signal(signal.SIGINT)
    delete(*arguments, **settings)

shutil.rmtree = rmtree
with temporary_folder() as folder, stop_on_signals(folder):
    pathlib.Path(folder, "part").write_text("1")
    signal.raise_signal(signal.SIGTERM)
"""


def test_a_second_signal_does_not_cut_short_what_the_first_one_began(tmp_path):
    job = subprocess.run(
        [sys.executable, "-c", IMPATIENT], cwd=pathlib.Path(__file__).parents[2],
        env=os.environ | {"TMPDIR": str(tmp_path)}, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert job.returncode == 128 + signal.SIGTERM
    assert job.stderr.count("earmark: stopped by") == 1
    assert list(tmp_path.iterdir()) == []
