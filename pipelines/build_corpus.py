"""Build the training corpus that the recipe describes: ``python -m pipelines.build_corpus --help``."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from models.corpus_build import MOST_MISSING, BuiltCorpus, build_corpus, corpus_folder
from models.corpus_files import check_ffmpeg
from models.corpus_licences import check_library
from models.corpus_packages import check_clients
from models.corpus_recipe import SMALL_MB, Package, read_recipe
from models.errors import UserError
from pipelines.command_line import EXIT_PUBLISHED, EXIT_REFUSED, ArgumentParser, exit_status
from pipelines.interrupts import stop_on_signals

RECIPE = "configs/corpus_recipe.yaml"


@dataclasses.dataclass(frozen=True, slots=True)
class CorpusOptions:
    """Checked arguments of the job.

    Attributes
    ----------
    packages, suffixes
        What of the recipe to build, and the suffixes of audio files.
    output
        Folder of the corpus.
    package_dir
        Folder with downloaded packages, or None.
    jobs
        Downloads and decoders at once.
    """

    packages: list[Package]
    suffixes: list[str]
    output: Path
    package_dir: Path | None
    jobs: int


def parse(argv: Sequence[str] | None) -> CorpusOptions:
    """Read and check the arguments, the recipe and the programs that are needed.

    Raises
    ------
    UserError
        Names the flag, key or program, and the mend.
    """
    parser = ArgumentParser(prog="earmark-build-corpus", description=__doc__ or "")
    parser.add_argument("--output", required=True, help="folder of the corpus; an earlier build there is continued")
    parser.add_argument("--recipe", default=RECIPE, help=f"YAML file (default: {RECIPE})")
    parser.add_argument("--small", action="store_true", help=f"leave out packages over {SMALL_MB:g} MB")
    parser.add_argument("--packages", nargs="+", metavar="NAME", help="only these packages of the recipe")
    parser.add_argument("--package_dir", metavar="DIR", help="take .deb and .whl files from here and download nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="downloads and decoders at once")
    arguments: argparse.Namespace = parser.parse_args(argv)
    if not 1 <= arguments.jobs <= 64:
        raise UserError(f"--jobs {arguments.jobs}: is not between 1 and 64.")
    recipe = read_recipe(arguments.recipe)
    packages = recipe.chosen(arguments.packages, arguments.small)
    package_dir = Path(arguments.package_dir).absolute() if arguments.package_dir is not None else None
    check_clients(packages, package_dir)
    check_ffmpeg()
    check_library()
    return CorpusOptions(
        packages, recipe.audio_suffixes, Path(arguments.output).absolute(), package_dir, arguments.jobs
    )


def report(built: BuiltCorpus, packages: int) -> str:
    """Say what came of a build, in a few lines."""
    lines = []
    if built.missing:
        lines.append(f"{len(built.missing)} of {packages} packages are missing: {', '.join(sorted(built.missing))}.")
    if built.manifest is None:
        lines.append(
            f"No manifest was written, since over {MOST_MISSING:.0%} are missing. Run the same command again, or name "
            "those to build with --packages."
        )
        return "\n".join(lines)
    groups = collections.defaultdict(list)
    for row in built.rows:
        groups[row["split"], row["label"]].append(float(row["duration_s"]))
    for (split, label), durations_s in sorted(groups.items()):
        lines.append(f"{split:5}  {label:10}  {len(durations_s):5} files  {sum(durations_s) / 3600:6.2f} h")
    copies = f"{built.copies} more left out as a copy of one of them in another encoding"
    lines.append(f"{built.manifest} lists {len(built.rows)} recordings; {copies}.")
    return "\n".join(lines)


def run(argv: Sequence[str] | None = None) -> int:
    """Build the corpus and say what came of it; return the exit status."""
    options = parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    with corpus_folder(options.output), stop_on_signals():
        built = build_corpus(options.packages, options.suffixes, options.output, options.package_dir, options.jobs)
    print(report(built, len(options.packages)))
    return EXIT_REFUSED if built.manifest is None else EXIT_PUBLISHED


def main() -> None:
    """Console script."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
