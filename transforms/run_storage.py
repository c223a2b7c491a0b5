"""Where runs are published, a local disk or an object store, and the names of what stands there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, TypeAlias

from transforms.publish_local import LocalStorage

if TYPE_CHECKING:
    from transforms.publish_remote import RemoteStorage

Storage: TypeAlias = "LocalStorage | RemoteStorage"

SUCCESS: Final = "_SUCCESS"
REPLACED_BY: Final = "REPLACED_BY"
MANIFEST: Final = "manifest.json"


def storage_for(output: str) -> Storage:
    """Choose the storage of an output folder: an object store when it has a scheme (``gs://…``), else a local disk."""
    if "://" not in output:
        return LocalStorage(output)
    from transforms.publish_remote import RemoteStorage  # imports Beam

    return RemoteStorage(output)


def run_id_of(storage: Storage, folder: str) -> str | None:
    """Read which run a table's folder is of, from its ``_SUCCESS``; null when that is missing or not ours."""
    found = storage.read(f"{folder}/{SUCCESS}")
    try:
        run_id = json.loads(found)["run_id"] if found else None
    except (ValueError, KeyError, TypeError):
        return None
    return run_id if isinstance(run_id, str) else None
