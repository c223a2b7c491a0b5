"""The metadata of the main job's Flex Template, from the flags that the job really has.

python -m pipelines.flex_template_metadata > docker/flex_template.json
"""

from __future__ import annotations

import argparse
import json
from typing import Any, Final

from pipelines.categorize_options import make_parser

#: Not for a template: flags of local runs, and of what comes after the job.
_LEFT_OUT: Final = frozenset({"processes", "staged"})
#: What Dataflow checks a value against before it starts a launcher: workers must be able to reach every path.
_PATTERNS: Final = {
    "catalog": r"^(gs://|bigquery:).+",
    "audio_root": r"^gs://.+",
    "output": r"^gs://.+",
    "config": r"^gs://.+",
    "previous": r"^gs://.+",
    "run_date": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
}


def metadata() -> dict[str, Any]:
    """The metadata, as ``gcloud dataflow flex-template build --metadata-file`` takes them."""
    parser = make_parser()
    return {
        "name": "Earmark: label an audio catalog",
        "description": (parser.description or "").split("\n", 1)[0],
        "streaming": False,
        "parameters": [
            _parameter(action)
            for action in parser._actions
            # A template gives every flag a value, so flags without one are none of its parameters.
            if action.dest not in _LEFT_OUT and action.nargs != 0
        ],
    }


def _parameter(action: argparse.Action) -> dict[str, Any]:
    parameter: dict[str, Any] = {
        "name": action.dest,
        "label": action.dest.replace("_", " ").capitalize(),
        "helpText": action.help,
        "isOptional": not action.required,
    }
    if action.choices is not None:
        return parameter | {"paramType": "ENUM", "enumOptions": [{"value": choice} for choice in action.choices]}
    if action.dest in _PATTERNS:
        parameter["regexes"] = [_PATTERNS[action.dest]]
    return parameter | {"paramType": "TEXT"}


def main() -> None:
    """Print the metadata as JSON."""
    print(json.dumps(metadata(), indent=2))


if __name__ == "__main__":
    main()
