"""A small published run with treatments under the policies that ship, made without listening to anything."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
from collections.abc import Iterable
from typing import Any

from models.policy_files import policies_in_force
from models.royalty_rule import NO_RELEASE, RoyaltyFacts, treat
from tests.transforms.generated_tables import generate_run, manifest_of, write_directly
from transforms.publishing import Publication
from transforms.run_summary import RunSummary

LINEAGE = ("model_version", "taxonomy_version", "run_id", "run_date")


def publish_run(
    output: pathlib.Path,
    run_date: str,
    *names: str,
    run_id: str = "run-a",
    tracks: int = 40,
    labels: Iterable[dict[str, Any]] | None = None,
    dead_letters: Iterable[dict[str, Any]] | None = None,
    manifest: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Publish a generated run; gives its labels.

    ``labels`` and ``dead_letters`` take the place of generated ones; ``manifest`` adds to what is written of the run.
    """
    with Publication(str(output), run_date, run_id) as publication:
        written, summary, made = stage_run(
            publication.prepare(), run_date, *names, run_id=run_id, tracks=tracks, labels=labels,
            dead_letters=dead_letters,
        )  # fmt: skip
        publication.publish(summary.files, made | (manifest or {}))
    return written


def stage_run(
    staging_dir: str,
    run_date: str,
    *names: str,
    run_id: str = "run-a",
    tracks: int = 40,
    labels: Iterable[dict[str, Any]] | None = None,
    dead_letters: Iterable[dict[str, Any]] | None = None,
) -> tuple[list[dict[str, Any]], RunSummary, dict[str, Any]]:
    """Write such a run's files; gives labels, summary and manifest."""
    date = datetime.date.fromisoformat(run_date)
    run = generate_run(run_id, tracks, run_date=date)
    policies = policies_in_force(names, date)
    own = {"run_id": run_id, "run_date": date}
    tables = dict(run.tables)
    for table, rows in (("track_labels", labels), ("dead_letters", dead_letters)):
        if rows is not None:
            tables[table] = [row | own for row in rows]
    treatments = []
    for label in tables["track_labels"]:
        facts = RoyaltyFacts(label["category"], label["functional_type"], label["decision"], label["duration_s"])
        lineage = {column: label[column] for column in LINEAGE}
        for policy in policies:
            ids = {"track_id": label["track_id"], "policy_id": policy.policy_id, "policy_version": policy.version}
            treatments.append(ids | treat(facts, NO_RELEASE, policy).columns() | lineage)
    run = dataclasses.replace(run, tables=tables | {"royalty_treatments": treatments})
    summary = write_directly(run, staging_dir)
    made = manifest_of(summary) | {"policies": [policy.model_dump(mode="json") for policy in policies]}
    if tables["track_labels"]:
        made["model"] = {"model_version": tables["track_labels"][0]["model_version"]}
        made["taxonomy_version"] = tables["track_labels"][0]["taxonomy_version"]
    return tables["track_labels"], summary, made
