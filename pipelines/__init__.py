"""The jobs: one file each, options in and transforms composed."""

from __future__ import annotations

import logging
from typing import Final

#: What Beam 2.77 warns of when optional packages of its own are missing: Google's clients, which are the extra ``gcp``,
#: and one that only a metric of the model's load needs. Neither is the user's to mend.
_OPTIONAL: Final = ("apitools not found", "Resource module is not available")

# Here, because the first of them comes while Beam is imported.
logging.getLogger().addFilter(lambda record: not record.getMessage().startswith(_OPTIONAL))
