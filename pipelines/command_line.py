"""What the jobs' command lines share: one-sentence errors with exit status 2, and flags that are Beam's."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import difflib
import errno
import io
import itertools
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn

from models.errors import RunFailedError, UserError
from pipelines.full_disk import full_disk_sentence, is_full_disk
from transforms.printable import printable

EXIT_PUBLISHED = 0
EXIT_FAILED = 1
EXIT_BAD_ARGUMENTS = 2
EXIT_REFUSED = 3
EXIT_INTERRUPTED = 130

#: The in-process runner by its full name: the short name ``DirectRunner`` first tries to download another runner.
IN_PROCESS_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"

#: How alike a flag is to one that there is, to be taken for it.
_ALIKE: Final = 0.75

#: The flags that say where jobs write.
_PLACES: Final = ("--output", "--database", "--search_output", "--ann_index")


class ArgumentParser(argparse.ArgumentParser):
    """An argparse parser without abbreviated flags that raises :class:`UserError` instead of printing its usage."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, and keep what was given for its complaints."""
        self._given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise argparse's message as a :class:`UserError`, with the flag that was likely meant."""
        known = flags_of(self)
        unknown = [flag for flag, _ in _given(self._given) if flag not in known] if "arguments" in message else []
        for flag in unknown:
            if close := difflib.get_close_matches(flag, known, n=1, cutoff=_ALIKE):
                raise UserError(f"{flag}: there is no such flag; did you mean {close[0]}?")
        raise UserError(f"{message}; see --help")


def run_date(text: str) -> datetime.date:
    """Parse ``YYYY-MM-DD`` for argparse."""
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise ValueError
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write it as YYYY-MM-DD, such as 2026-11-22") from None


def check_beam_flags(flags: Sequence[str], known_to_job: Sequence[str]) -> None:
    """Refuse flags that neither the job nor Beam knows, so that a misspelt one is not silently ignored.

    A portable runner's job server may know more flags than Beam's Python side, so unknown ones pass when ``--runner``
    names one.

    Raises
    ------
    UserError
        Names the flag and the closest one that exists, or Beam's own complaint about a value.
    """
    if not flags:
        return
    from apache_beam.options.pipeline_options import PipelineOptions

    # Beam exits and prints its usage on a bad value; its last line is the message.
    complaint = io.StringIO()
    parser = argparse.ArgumentParser(prog="beam", allow_abbrev=False, add_help=False)
    for options_class in _subclasses(PipelineOptions):
        with contextlib.suppress(argparse.ArgumentError):
            options_class._add_argparse_args(parser)
    try:
        with contextlib.redirect_stderr(complaint):
            known, unknown = parser.parse_known_args(list(flags))
    except SystemExit:
        raise UserError(
            f"{complaint.getvalue().strip().splitlines()[-1].removeprefix('beam: error: ')} (a Beam flag)"
        ) from None
    runner = str(getattr(known, "runner", None) or "")
    if unknown and not re.search("portable|flink|spark", runner, re.IGNORECASE):
        flag = unknown[0].split("=", 1)[0]
        if not flag.startswith("-"):
            raise UserError(f"{unknown[0]!r}: belongs to no flag; every argument is given as --name VALUE, see --help")
        every_flag = [*known_to_job, *(text for action in parser._actions for text in action.option_strings)]
        close = difflib.get_close_matches(flag, every_flag, n=1, cutoff=_ALIKE)
        raise UserError(
            f"{flag}: neither this job nor Beam has such a flag"
            + (f"; did you mean {close[0]}?" if close else "; see --help")
        )


def _subclasses(options_class: Any) -> list[Any]:
    found: list[Any] = []
    for subclass in options_class.__subclasses__():
        if subclass.__module__.startswith("apache_beam."):
            found += [subclass, *_subclasses(subclass)]
    return found


def flags_of(parser: argparse.ArgumentParser) -> list[str]:
    """Every flag that a parser knows."""
    return [text for action in parser._actions for text in action.option_strings]


def exit_status(run: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """Run a job and turn what its user got wrong into one line on standard error, and one to paste.

    Returns
    -------
    int
        The job's own status, 2 after a :class:`UserError`, 130 after a Ctrl-C, or 1 after a :class:`RunFailedError` and
        where a disk is full. Anything else that goes wrong is a crash and shows its traceback.
    """
    given = sys.argv[1:] if argv is None else argv
    try:
        return run(argv)
    except UserError as error:
        print(f"earmark: {printable(str(error))}", file=sys.stderr)
        if error.to_paste:
            print(printable(error.to_paste), file=sys.stderr)
        return EXIT_BAD_ARGUMENTS
    except KeyboardInterrupt:  # where the job has no handler of its own, as while it looks at its flags
        print("\nearmark: stopped by SIGINT.", file=sys.stderr)
        return 128 + signal.SIGINT
    except RunFailedError as error:
        print(f"earmark: {printable(str(error))}", file=sys.stderr)
        return EXIT_FAILED
    except Exception as error:
        if is_full_disk(error):
            places = ", ".join(f"{flag} {value}" for flag, value in _given(given) if flag in _PLACES)
            sentence = f"{full_disk_sentence(places or 'where it writes')} Then run the same command again."
            print(f"earmark: {printable(sentence)}", file=sys.stderr)
            return EXIT_FAILED
        if not isinstance(error, OSError) or error.errno != errno.ENAMETOOLONG or not isinstance(error.filename, str):
            raise
        # Of whatever flag it is: a catalog's paths never get this far.
        name = error.filename if len(error.filename) <= 80 else error.filename[:79] + "…"
        flag = _flag_of(error.filename, given)
        print(
            f"earmark: {flag}{printable(name)}: the path is too long for its file system; give a shorter one.",
            file=sys.stderr,
        )
        return EXIT_BAD_ARGUMENTS


def _flag_of(value: str, argv: Sequence[str]) -> str:
    """The flag whose value begins with or is in ``value``, and a blank; empty when there is none."""
    for flag, text in _given(argv):
        if text and text.rstrip("/") in value:
            return f"{flag} "
    return ""


def _given(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each flag with its value, given as ``--name VALUE`` or ``--name=VALUE``."""
    for flag, given in itertools.pairwise(["", *argv]):
        named, equals, joined = given.partition("=")
        name, text = (named, joined) if equals and named.startswith("--") else (flag, given)
        if name.startswith("--"):
            yield name, text
