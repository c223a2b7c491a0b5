"""A training that was cut off goes on where it last saved: every variable, the step and the history so far."""

from __future__ import annotations

import json
import logging
import pathlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

_LOG = logging.getLogger(__name__)
#: Steps between two checkpoints; one is about 40 MB and takes a fraction of a second.
STEPS_BETWEEN: Final = 500

History = list[dict[str, float]]


class TrainingCheckpoint:
    """The one checkpoint of a training, in a file that is replaced as a whole.

    Parameters
    ----------
    path
        Of the file. Another training has another path: it must depend on the config and on the pool.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def save(self, step: int, variables: Sequence[Any], history: History) -> None:
        """Write all variables as they are after ``step`` steps."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_suffix(".tmp.npz")
        arrays = {f"variable_{place}": variable.numpy() for place, variable in enumerate(variables)}
        np.savez(unfinished, step=step, history=json.dumps(history), **arrays)
        unfinished.replace(self._path)

    def load(self, variables: Sequence[Any]) -> tuple[int, History]:
        """Put the saved values into the variables.

        Returns
        -------
        step
            Steps done; 0 when nothing was saved, and the variables are as they were.
        history
            As it was then.
        """
        if not self._path.is_file():
            return 0, []
        with np.load(self._path) as saved:
            for place, variable in enumerate(variables):
                variable.assign(saved[f"variable_{place}"])
            step, history = int(saved["step"]), json.loads(str(saved["history"]))
        _LOG.info("going on after step %d, saved in %s", step, self._path)
        return step, history
