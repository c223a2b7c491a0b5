"""Compare two runs track by track: what changed, why, and what money it moves.

python -m pipelines.compare_runs --before out --after out-of-the-new-model --output comparison
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pipelines.command_line import EXIT_PUBLISHED, EXIT_REFUSED, exit_status
from pipelines.compare_options import parse
from transforms.comparison import compare
from transforms.comparison_console import print_comparison
from transforms.comparison_limits import nothing_in_common


def run(argv: Sequence[str] | None = None) -> int:
    """Parse, check, compare; return the exit status.

    Returns
    -------
    int
        0 when compared, 3 when a limit is crossed, or was given and no track has a label in both runs.

    Raises
    ------
    UserError
        For a bad argument, tables or streams; nothing was written.
    """
    options = parse(argv)
    if options.backwards:
        print(f"earmark: {options.backwards}", file=sys.stderr)
    record = compare(options.before, options.after, options.settings, options.output)
    print_comparison(record, str(options.output))
    crossed = [limit for limit in record["limits"] if limit["refused"]]
    if crossed and (nothing := nothing_in_common(record)):
        print(f"earmark: {nothing} None of the limits was checked.", file=sys.stderr)
    else:
        for limit in crossed:
            print(f"earmark: {limit['gate']}: {limit['message']}", file=sys.stderr)
    return EXIT_REFUSED if crossed else EXIT_PUBLISHED


def main() -> None:
    """Console script ``earmark-compare-runs``."""
    sys.exit(exit_status(run))


if __name__ == "__main__":
    main()
