"""The exceptions that a job turns into one sentence and an exit status."""

from __future__ import annotations

import errno
from typing import Final

#: Numbers of an ``OSError`` that says that there is no room: on the disk, for the user, or in the file.
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class UserError(Exception):
    """A wrong argument, config key or input that the user can mend; the job ends with exit status 2 before any work.

    The message is one clear sentence or two: the value, where it came from, and the mend.

    Parameters
    ----------
    to_paste
        A line that mends it, for a file of the user's, where there is one: it is shown on a line of its own.
    """

    def __init__(self, message: str, to_paste: str = "") -> None:
        super().__init__(message)
        self.to_paste = to_paste


class RunFailedError(Exception):
    """What went wrong around a run that was at work, such as a full disk: the job ends with exit status 1.

    Nothing was published by halves, and the same command may be run again. The message is one clear sentence or two:
    what happened, and the mend.
    """
