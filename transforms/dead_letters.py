"""Dead letters as rows of their table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transforms.records import DeadLetter


def dead_letter_row(letter: DeadLetter, lineage: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``dead_letters``.

    Parameters
    ----------
    letter
        The dead letter.
    lineage
        The lineage columns of the run.
    """
    return {
        "track_id": letter.track_id,
        "catalog_row": letter.catalog_row,
        "stage": letter.stage.value,
        "error_type": letter.error_type.value,
        "message": letter.message,
        **lineage,
    }
