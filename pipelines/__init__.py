"""The jobs: one file each, options in and transforms composed."""

from __future__ import annotations

import logging
import os
from typing import Final

#: What Beam 2.77 warns of on a local run and nobody needs to mend: optional packages of its own that are missing
#: (Google's clients, which are the extra ``gcp``, and one that a metric of the model's load wants), and a folder that
#: only containers have.
_NEEDLESS: Final = ("apitools not found", "Resource module is not available", "No semi_persistent_directory found")
_LOCAL_WORKERS: Final = "apache_beam.runners.portability.local_job_service"


def _worth_reading(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not any(text in message for text in _NEEDLESS)


# Here, because the first of them comes while Beam is imported. Worker processes log through the second logger.
for _name in (None, _LOCAL_WORKERS):
    logging.getLogger(_name).addFilter(_worth_reading)

# Arrow's own pool keeps what it freed to itself, tens of megabytes beside as many that Python and Beam freed: so it
# takes its memory where they do. Here, because it decides when it is imported. Worker processes inherit the variable.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
