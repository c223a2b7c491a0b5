"""TensorFlow without its start-up chatter."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Final

#: Lines that TensorFlow writes before its own log level counts, and which no setting turns off.
_CHATTER: Final = re.compile(
    rb"(?:WARNING: All log messages before absl::InitializeLog|[IWE]\d{4} .*(?:oneDNN custom operations|"
    rb"cpu_feature_guard|computation_placer|cud[a-z_]+\.cc|gpu_device\.cc|port\.cc)|"
    rb"To enable the following instructions|INFO: Created TensorFlow Lite XNNPACK delegate)"
)


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Import and start TensorFlow inside this block: its greeting is dropped, all else goes to standard error after it.

    The greeting comes from C++ code, so the file descriptor itself is turned aside while the block lasts.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):  # no standard error to keep clean
        yield
        return
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            aside.seek(0)
            for line in aside:
                # Another thread's half line may stand before it.
                chatter = _CHATTER.search(line)
                with contextlib.suppress(OSError):
                    os.write(2, line[: chatter.start()] if chatter else line)
