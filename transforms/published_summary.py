"""The summary of an earlier partition, which a run compares itself with."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
from typing import Final

from transforms.publish_manifest import check_date
from transforms.run_storage import MANIFEST, run_id_of, storage_for
from transforms.run_summary import RunSummary

#: How many partitions are looked at for one that is large enough to compare with.
LOOKED_BACK: Final = 31

_LOG = logging.getLogger(__name__)


def published_summary(output: str, before: str, *, least_labels: int = 0) -> RunSummary | None:
    """Read the summary of the latest partition for a date earlier than ``before``; null when there is none.

    Parameters
    ----------
    output
        The output folder of a run, local or ``gs://…``.
    before
        ISO 8601.
    least_labels
        One with fewer labels is passed over where one of the :data:`LOOKED_BACK` latest has as many.
    """
    check_date(before)
    storage = storage_for(output)
    latest: RunSummary | None = None
    looked_at = 0
    for folder in reversed(storage.list_successes("track_labels")):
        with contextlib.suppress(ValueError):
            date = datetime.date.fromisoformat(folder.removeprefix("run_date="))
            if date >= datetime.date.fromisoformat(before):
                continue
            run_id = run_id_of(storage, f"track_labels/{folder}")
            manifest = storage.read(f"runs/{run_id}/{MANIFEST}")
            if run_id is not None and manifest is not None:
                summary = RunSummary.from_json(json.loads(manifest)["summary"])
                if summary.label_rows >= least_labels:
                    return summary
                latest = latest or summary
                looked_at += 1
                if looked_at == LOOKED_BACK:
                    break
                continue
            _LOG.warning("%s has no manifest; looking at earlier partitions.", storage.full_path(folder))
    return latest
