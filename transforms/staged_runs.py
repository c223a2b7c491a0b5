"""A run in staging that a gate refused, read like a published one."""

from __future__ import annotations

import dataclasses
import datetime
import json

from models.errors import UserError
from transforms.published_runs import PublishedRun, check_sizes, read_file
from transforms.run_storage import MANIFEST, storage_for
from transforms.run_summary import SUMMARY_NAME, RunSummary
from transforms.table_schemas import TABLES


def read_staged_run(folder: str, flag: str = "--tables") -> PublishedRun | None:
    """Read a run that a gate refused, from its folder in ``.staging``; null when the folder is no such one.

    Raises
    ------
    UserError
        A file has gone or is not the one that was written.
    """
    storage = storage_for(folder)
    found, papers = storage.read(SUMMARY_NAME), storage.read(MANIFEST)
    if found is None:
        return None
    given = f"{flag} {folder}"
    try:
        summary = RunSummary.from_json(json.loads(found))
        manifest = json.loads(papers) if papers is not None else {}
        lineage = json.loads(next(iter(summary.lineages), '["", "", "", ""]'))
        run = PublishedRun(
            run_id=summary.run_id,
            run_date=datetime.date.fromisoformat(summary.run_date),
            model_version=lineage[0],
            taxonomy_version=lineage[1],
            config_sha256=str(manifest.get("config_sha256", "")),
            files=tuple(
                read_file(storage, dataclasses.asdict(file), file.table)
                for file in summary.files
                if file.table in TABLES
            ),
            manifest=manifest,
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise UserError(
            f"{given}: {SUMMARY_NAME} is none of Earmark's ({type(error).__name__}: {error}); give the folder that a "
            "refusal of categorize_tracks names, or an --output folder."
        ) from error
    check_sizes(storage, run, given)
    return run
