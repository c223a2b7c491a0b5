"""A run's manifest: what was published, from what, and by which software. The same run gives the same bytes."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any, Final

import pyarrow as pa

from models.taxonomy import TAXONOMY_VERSION
from transforms.gates import GateReading
from transforms.run_summary import RunSummary
from transforms.table_schemas import TABLES

MANIFEST_VERSION: Final = 1
#: The parts of the main job's config that a label depends on; workers, time-outs and gates are no part of it.
ROW_SETTINGS: Final = ("coverage", "audio", "decision")
_PACKAGES: Final = ("apache-beam", "tensorflow", "av", "soundfile", "numpy", "pyarrow")


def build_manifest(
    summary: RunSummary,
    gates: Sequence[GateReading],
    *,
    model: Mapping[str, Any],
    config: Mapping[str, Any],
    catalog: Mapping[str, Any],
    policies: Sequence[Mapping[str, Any]] = (),
    labelling: Mapping[str, Any] | None = None,
    previous: Mapping[str, Any] | None = None,
    audio_root: str | None = None,
    software: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Compose the manifest of a run, JSON-ready.

    Parameters
    ----------
    summary
        What the run counted, with the files that it staged.
    gates
        From :func:`transforms.gates.read_gates`.
    model, config, catalog, policies
        What the caller says of them; JSON-ready, without times of day or paths that change from run to run.
    labelling
        What the labels depend on beside audio and catalog: while it is the same a later run may carry them forward.
    previous
        The run that labels were carried forward from; null without one.
    audio_root
        Where the audio was, of :func:`transforms.previous_run.noted_audio_root`: a later run that finds its audio
        elsewhere believes no etag and no times.
    software
        Versions by package; by default those of the installed packages that a row can depend on.
    """
    return {
        "manifest_version": MANIFEST_VERSION,
        "run_id": summary.run_id,
        "run_date": summary.run_date,
        "model": dict(model),
        "taxonomy_version": TAXONOMY_VERSION,
        "config_sha256": config_digest(config),
        "config": dict(config),
        "catalog": dict(catalog),
        "audio_root": audio_root,
        "labelling": dict(labelling) if labelling is not None else None,
        "previous": dict(previous) if previous is not None else None,
        "policies": [dict(policy) for policy in policies],
        "files": [
            {
                "path": f"{file.table}/run_date={summary.run_date}/{file.name}",
                "table": file.table,
                "rows": file.rows,
                "bytes": file.bytes,
                "sha256": file.sha256,
            }
            for file in sorted(summary.files)
        ],
        "schemas": {table: schema_json(schema) for table, schema in TABLES.items()},
        "summary": {name: value for name, value in summary.to_json().items() if name != "files"},
        "gates": [reading.to_json() for reading in gates],
        "software": dict(software if software is not None else software_versions()),
    }


def config_digest(config: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON-ready configuration, 64 hexadecimal digits; the order of its keys does not matter."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def schema_json(schema: pa.Schema) -> list[dict[str, Any]]:
    """Give a pyarrow schema as a list of columns: name, type, nullable, description."""
    return [
        {
            "name": field.name,
            "type": str(field.type),
            "nullable": field.nullable,
            "description": (field.metadata or {}).get(b"description", b"").decode("utf-8"),
        }
        for field in schema
    ]


def software_versions() -> dict[str, str]:
    """Versions of Python and of the packages that a row can depend on; a package that is not installed is left out."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def check_date(run_date: str) -> None:
    """Raise ``ValueError`` unless ``run_date`` is an ISO 8601 date such as ``2026-01-31``."""
    if datetime.date.fromisoformat(run_date).isoformat() != run_date:
        raise ValueError(f"run_date {run_date!r} is not written as YYYY-MM-DD")


def changed_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Give what differs between two records of settings, in order: dotted key, value before, value after.

    A key that one of them lacks has the value None there.
    """
    old, new = dict(_leaves(before)), dict(_leaves(after))
    keys = sorted(old.keys() | new.keys())
    return [(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


def _leaves(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
