"""Build harder audio for evaluation out of a corpus split and synthesis.

python -m pipelines.build_evaluation_set --manifest corpus/manifest.csv --split dev --output out/evaluation-set
"""

from __future__ import annotations

import collections
import pathlib
import sys
from collections.abc import Sequence

from models.errors import UserError
from models.labels_of_corpus import read_manifest
from pipelines.command_line import EXIT_PUBLISHED, ArgumentParser, exit_status
from transforms.output_folders import make_folder


def make_parser() -> ArgumentParser:
    """The parser of this job."""
    parser = ArgumentParser(
        "python -m pipelines.build_evaluation_set",
        "Cut, mix, encode, loop and synthesise harder audio out of one split of a corpus. Writes the audio and a\n"
        "manifest.csv for pipelines.evaluate_classifier. docs/operations.md describes the parts.",
    )
    parser.add_argument(
        "--manifest", required=True, metavar="FILE", help="CSV with path, label, subtype, split, package"
    )
    parser.add_argument("--split", required=True, help="only recordings of this split are used")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write; must be empty or new")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same set (default: 1)")
    parser.add_argument("--parts", nargs="+", metavar="NAME", help="only these parts (default: all)")
    parser.add_argument("--tracks", type=int, default=20, help="size of the set; 20 (the default) gives 835 files")
    return parser


def run(argv: Sequence[str] | None = None) -> int:
    """Parse, check, build; return the exit status.

    Raises
    ------
    UserError
        For a bad argument or manifest, before any work; for a recording that cannot be decoded.
    """
    arguments = make_parser().parse_args(argv)
    try:
        from models.evaluation_set import MANIFEST_FILE, PARTS, check_parts, sources_of, write_evaluation_set
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed; run pip install -e '.[dev]' in Earmark's folder.") from error
    parts = list(dict.fromkeys(arguments.parts or PARTS))
    check_parts(parts)
    if arguments.tracks < 1:
        raise UserError(f"--tracks {arguments.tracks}: must be 1 or more.")
    if arguments.seed < 0:
        raise UserError(f"--seed {arguments.seed}: must be 0 or more.")
    output = pathlib.Path(arguments.output)
    if output.is_dir() and any(output.iterdir()):
        raise UserError(f"--output {output}: is not empty; give a new folder, or empty this one.")
    recordings, _ = read_manifest(arguments.manifest, for_training=False)
    sources = sources_of(recordings, arguments.manifest, arguments.split, parts, arguments.seed)
    make_folder("--output", output)

    def told(part: str, written: int) -> None:
        print(f"{part}: {written} files", file=sys.stderr)

    rows = write_evaluation_set(sources, arguments.split, parts, arguments.tracks, arguments.seed, output, told)
    for (name, label), count in sorted(collections.Counter((row["slice"], row["label"]) for row in rows).items()):
        print(f"{name:24}{label:12}{count:6}")
    size_mb = sum((output / row["path"]).stat().st_size for row in rows) / 1e6
    print(f"{len(rows)} files, {size_mb:.0f} MB; their manifest is {output / MANIFEST_FILE}.")
    return EXIT_PUBLISHED


def main() -> None:
    """Console script ``earmark-build-evaluation-set``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
