"""Signals as exceptions, for code that waits for what runs elsewhere; afterwards they do what they did before."""

import signal
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
