"""A small published run with treatments under the policies that ship, made without listening to anything."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib

from models.policy_files import policies_in_force
from models.royalty_rule import NO_RELEASE, RoyaltyFacts, treat
from tests.transforms.generated_tables import generate_run, manifest_of, write_directly
from transforms.publishing import Publication

LINEAGE = ("model_version", "taxonomy_version", "run_id", "run_date")


def publish_run(
    output: pathlib.Path, run_date: str, *names: str, run_id: str = "run-a", tracks: int = 40
) -> list[dict]:
    """Publish a generated run; gives its labels."""
    date = datetime.date.fromisoformat(run_date)
    run = generate_run(run_id, tracks, run_date=date)
    policies = policies_in_force(names, date)
    labels = run.tables["track_labels"]
    treatments = []
    for label in labels:
        facts = RoyaltyFacts(label["category"], label["functional_type"], label["decision"], label["duration_s"])
        lineage = {column: label[column] for column in LINEAGE}
        for policy in policies:
            ids = {"track_id": label["track_id"], "policy_id": policy.policy_id, "policy_version": policy.version}
            treatments.append(ids | treat(facts, NO_RELEASE, policy).columns() | lineage)
    run = dataclasses.replace(run, tables=run.tables | {"royalty_treatments": treatments})
    with Publication(str(output), run_date, run_id) as publication:
        summary = write_directly(run, publication.prepare())
        manifest = manifest_of(summary) | {"policies": [policy.model_dump(mode="json") for policy in policies]}
        publication.publish(summary.files, manifest)
    return labels
