"""Writes ``docs/tables.md`` from the schemas: ``python -m transforms.table_docs > docs/tables.md``."""

from __future__ import annotations

import sys

import pyarrow as pa

from models.decision import FLAGS, REVIEW_FLAGS
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from transforms.payout_tables import PREVIEW_TABLES
from transforms.records import ERROR_MEANINGS
from transforms.table_schemas import SORT_KEYS, TABLES

_TABLE_MEANINGS = {
    "track_labels": "One row per catalog track that could be labelled. `track_id` is unique in a partition.",
    "track_segments": "What is heard when: neighbouring windows of one category, merged. With `sampled` coverage the "
    "stretch between two heard windows of one category counts as theirs.",
    "track_embeddings": "One vector per labelled track, for search. Never compare vectors of two `model_version`s.",
    "audio_versions": "One row per labelled track: by what the next run tells that its audio is the same "
    "([operations.md](operations.md#incremental-runs)).",
    "royalty_treatments": "One row per labelled track and policy; [royalties.md](royalties.md) explains each column.",
    "dead_letters": "One row per catalog row that could not be labelled, with the cause.",
}
_PREVIEW_MEANING = (
    "What `python -m pipelines.preview_payout` writes to its `--output`, a file each ([royalties.md](royalties.md))."
)


def render() -> str:
    """The whole page as Markdown."""
    parts = [
        "# Tables\n",
        "This page is made from `transforms/table_schemas.py` by `python -m transforms.table_docs`; do not edit it.\n",
        "Every table is partitioned by run date: `OUT/<table>/run_date=YYYY-MM-DD/*.parquet`. The column `run_date` "
        "also stands in the files. Every catalog row ends in exactly one of `track_labels` and `dead_letters`; "
        "identical rows count as one.\n",
    ]
    for name, meaning in _TABLE_MEANINGS.items():
        parts += [f"## `{name}`\n", f"{meaning} Rows are ordered by {', '.join(SORT_KEYS[name])} within a file.\n"]
        parts.append(_columns(TABLES[name]))
    parts += [
        "## Values\n",
        f"**category**: {_codes(CATEGORIES)}. **functional_type**: {_codes(FUNCTIONAL_TYPES)}.\n",
        "### flags\n",
        "A flag that sends to review does so for every label that has it; the others only tell.\n",
        _flags(),
        "### error_type\n",
        _meanings("error_type", {error.value: text for error, text in ERROR_MEANINGS.items()}),
    ]
    parts += ["## Payout preview\n", f"{_PREVIEW_MEANING}\n"]
    for name, schema in PREVIEW_TABLES.items():
        parts += [f"### {name}\n", _columns(schema)]
    return "\n".join(parts)


def _codes(values: tuple[str, ...]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _columns(schema: pa.Schema) -> str:
    rows = ["| column | type | null | meaning |", "|---|---|---|---|"]
    for field in schema:
        kind = f"list<{field.type.value_type}>" if pa.types.is_list(field.type) else str(field.type)
        description = field.metadata[b"description"].decode()
        rows.append(f"| `{field.name}` | {kind} | {'yes' if field.nullable else 'no'} | {description} |")
    return "\n".join(rows) + "\n"


def _flags() -> str:
    rows = ["| flag | sends to review | meaning |", "|---|---|---|"]
    rows += [f"| `{flag}` | {'yes' if flag in REVIEW_FLAGS else 'no'} | {text} |" for flag, text in FLAGS.items()]
    return "\n".join(rows) + "\n"


def _meanings(heading: str, meanings: dict[str, str]) -> str:
    rows = [f"| {heading} | meaning |", "|---|---|", *(f"| `{key}` | {text} |" for key, text in meanings.items())]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
