"""Publishes generated runs in a moment, and asks a warehouse."""

from __future__ import annotations

import pathlib
from typing import Any

import duckdb

from tests.transforms.generated_tables import GeneratedRun, manifest_of, write_directly
from transforms.publish_local import LocalStorage
from transforms.publishing import Publication


def publish(output: pathlib.Path, run: GeneratedRun) -> None:
    """Publish ``run`` as the main job would, in the place of an earlier run of its date."""
    storage = LocalStorage(str(output))
    storage.grace_s = 0.0
    with Publication(str(output), run.run_date.isoformat(), run.run_id, storage=storage) as publication:
        summary = write_directly(run, publication.prepare())
        publication.publish(summary.files, manifest_of(summary))


def ask(database: pathlib.Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(query).fetchall()
