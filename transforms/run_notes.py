"""What a run noticed of its catalog as a whole, in sentences with the mend; none of it stops the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from transforms.printable import counted
from transforms.run_summary import RunSummary

#: Fewer of the labels than this share may be slips of single rows.
_LEAST_SHARE: Final = 0.001
_MENDS: Final = {
    "ms": "It was read as milliseconds: if it is in seconds, set catalog.duration_unit: s in the config.",
    "s": "It was read as seconds, as catalog.duration_unit: s says: if it is in milliseconds, leave that out.",
}


def unit_note(summary: RunSummary, config: Mapping[str, Any]) -> str | None:
    """Say that the catalog's lengths are in another unit than they were read in; null when they are not.

    Parameters
    ----------
    config
        The run's, JSON-ready, as its manifest has it.
    """
    tracks = summary.flags.get("duration_in_other_unit", 0)
    if not tracks or tracks < _LEAST_SHARE * summary.label_rows:
        return None
    unit = config.get("catalog", {}).get("duration_unit", "ms")
    return (
        f"duration_ms seems to be in another unit: {tracks:,} of {counted(summary.label_rows, 'labelled track')} last "
        f"1,000 times as long as the catalog says, or a thousandth (flag duration_in_other_unit). {_MENDS[unit]}"
    )
