"""The one exception for what a user of the project got wrong."""

from __future__ import annotations


class UserError(Exception):
    """A wrong argument, config key or input that the user can mend; the job ends with exit status 2 before any work.

    The message is one clear sentence or two: the value, where it came from, and the mend.
    """
