"""What the content of one audio can make fail in classifying it, told from what is wrong with the worker."""

from __future__ import annotations

import re
from typing import Final

from models.errors import RunFailedError, UserError
from transforms.printable import printable

#: Errors that say nothing of the audio in hand: they end the run, or an engine tries the bundle again elsewhere.
NOT_OF_THE_AUDIO: Final = (MemoryError, OSError, ImportError, UserError, RunFailedError)
#: Paths and addresses of the machine: the rows of a run that is started again elsewhere must be the same.
_OF_THE_MACHINE: Final = re.compile(r"0x[0-9a-fA-F]+|(?<![\w/.])/[^\s:,;'\"()]+|tmp\w{6,}")
_MOST_CHARACTERS: Final = 200


def failure_of(error: Exception) -> str:
    """Name an error and what it says, such as ``ZeroDivisionError (float division by zero)``.

    Of a long message the first line counts, cut to 200 characters; paths and addresses of the machine are left out, as
    a dead letter's message holds none.
    """
    try:
        text = str(error)
    except Exception:  # an error that cannot even be told must not cost more than its audio
        text = ""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    said = printable(_OF_THE_MACHINE.sub("…", line), _MOST_CHARACTERS)
    return f"{type(error).__name__} ({said})" if said else type(error).__name__
