"""What a catalog of 1, 10 or 100 million tracks costs, from measured rates and a list of prices: docs/scale.md.

python benchmarks/scale.py --end_to_end out/benchmarks/end_to_end.json --incremental out/benchmarks/incremental.json

Reads what benchmarks/end_to_end.py and benchmarks/incremental.py measured, and prices and assumptions from
``--prices``. Prints the tables of docs/scale.md; with ``--page`` it puts them into that file between its marks.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any, Final

import yaml

ROOT: Final = pathlib.Path(__file__).parents[1]
TRACKS: Final = (1_000_000, 10_000_000, 100_000_000)
MARKS: Final = ("<!-- figures: benchmarks/scale.py -->", "<!-- end of figures -->")
#: By name of the end-to-end benchmark.
COVERAGES: Final = {"sampled, the default": "adaptive (default)", "full": "full"}


@dataclasses.dataclass(frozen=True)
class Rates:
    """What was measured, on one core.

    Attributes
    ----------
    label_cpu_s
        Processor time of one track of 3 minutes, in seconds, without start-up, by coverage.
    carry_cpu_s
        Of a track whose label is carried forward.
    network_share
        Part of ``label_cpu_s`` at sampled coverage that the network and its front end take, 0 to 1.
    """

    label_cpu_s: Mapping[str, float]
    carry_cpu_s: float
    network_share: float

    @classmethod
    def read(cls, end_to_end: Mapping[str, Any], incremental: Mapping[str, Any]) -> Rates:
        """Take them from the two benchmarks' JSON."""
        jobs = end_to_end["jobs"]
        largest = max(incremental["cases"], key=lambda case: case["rows"])
        return cls(
            {name: jobs[case]["track_cpu_s"] for name, case in COVERAGES.items()},
            largest["us_per_carried_row"] / 1e6,
            end_to_end["peers"]["own_network"] / jobs["six windows"]["track_cpu_s"],
        )


def cpu_hours(tracks: float, cpu_s: float) -> float:
    """Processor hours that the work itself takes."""
    return tracks * cpu_s / 3600


def dataflow_dollars(
    tracks: float, cpu_s: float, prices: Mapping[str, Mapping[str, float]], requests: float, shuffle_kb: float
) -> float:
    """Bill of one run on Dataflow.

    Parameters
    ----------
    tracks, cpu_s
        How many, and the processor time of each in seconds.
    prices
        See ``configs/prices.yaml``.
    requests
        Reads of object storage per track.
    shuffle_kb
        Kilobytes per track through shuffles; none for carried rows, which travel in files.
    """
    worker, dataflow = prices["worker"], prices["dataflow"]
    vcpu_hour = (
        dataflow["vcpu_hour"]
        + worker["memory_gb_per_vcpu"] * dataflow["memory_gb_hour"]
        + worker["disk_gb_per_vcpu"] * dataflow["disk_gb_hour"]
    )
    shuffle_gb = tracks * shuffle_kb / 1e6
    return (
        cpu_hours(tracks, cpu_s) / worker["utilisation"] * vcpu_hour
        + shuffle_gb * dataflow["shuffle_gb"]
        + tracks * requests * prices["storage"]["read_request"]
    )


def own_dollars(tracks: float, cpu_s: float, prices: Mapping[str, Mapping[str, float]]) -> float:
    """Cost of one run on machines of one's own."""
    return cpu_hours(tracks, cpu_s) / prices["worker"]["utilisation"] * prices["own_machine"]["core_hour"]


def tables(rates: Rates, prices: Mapping[str, Mapping[str, float]]) -> str:
    """The tables of docs/scale.md."""
    requests, shuffle_kb = prices["catalog"]["read_requests_per_track"], prices["catalog"]["shuffle_kb_per_track"]
    lines = [
        "| measured, one core | |",
        "|---|---|",
        *(f"| ms per track, {name} | {1000 * cpu_s:.1f} |" for name, cpu_s in rates.label_cpu_s.items()),
        f"| ms per carried track | {1000 * rates.carry_cpu_s:.3f} |",
        "",
        "| first run | coverage | core-hours | hours on 100 cores | Dataflow, $ | own machines, $ |",
        "|---|---|---|---|---|---|",
    ]
    for tracks in TRACKS:
        for name, cpu_s in rates.label_cpu_s.items():
            hours = cpu_hours(tracks, cpu_s)
            lines.append(
                f"| {tracks // 1_000_000} million | {name} | {hours:,.0f} "
                f"| {hours / 100 / prices['worker']['utilisation']:,.1f} "
                f"| {dataflow_dollars(tracks, cpu_s, prices, requests, shuffle_kb):,.0f} "
                f"| {own_dollars(tracks, cpu_s, prices):,.0f} |"
            )
    share = prices["catalog"]["new_share_per_day"]
    lines += [
        "",
        f"| a day later, {100 * share:g} % new | new tracks | core-hours: carried + new | Dataflow, $ "
        "| own machines, $ | of a first run |",
        "|---|---|---|---|---|---|",
    ]
    label_cpu_s = rates.label_cpu_s["sampled, the default"]
    for tracks in TRACKS:
        new, kept = share * tracks, (1 - share) * tracks
        carried, fresh = cpu_hours(kept, rates.carry_cpu_s), cpu_hours(new, label_cpu_s)
        dollars = dataflow_dollars(kept, rates.carry_cpu_s, prices, 0, 0) + dataflow_dollars(
            new, label_cpu_s, prices, requests, shuffle_kb
        )
        own = own_dollars(kept, rates.carry_cpu_s, prices) + own_dollars(new, label_cpu_s, prices)
        of_first = (carried + fresh) / cpu_hours(tracks, label_cpu_s)
        lines.append(
            f"| {tracks // 1_000_000} million | {new:,.0f} | {carried:,.2f} + {fresh:,.2f} | {dollars:,.2f} "
            f"| {own:,.2f} | {100 * of_first:.1f} % |"
        )
    taken = rates.network_share
    lines += [
        "",
        f"The network and its front end take {100 * taken:.0f} % of a track's processor time at six windows. A GPU "
        f"that did them for nothing would leave {100 * (1 - taken):.0f} % of it, so it pays only where its price per "
        f"hour is below {taken / (1 - taken):.2f} of that of the vCPUs that feed it.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--end_to_end", type=pathlib.Path, required=True)
    parser.add_argument("--incremental", type=pathlib.Path, required=True)
    parser.add_argument("--prices", type=pathlib.Path, default=ROOT / "configs" / "prices.yaml")
    parser.add_argument("--page", type=pathlib.Path, help="a Markdown file with the marks, rewritten in place")
    arguments = parser.parse_args()
    for flag in ("end_to_end", "incremental"):
        if not getattr(arguments, flag).is_file():
            parser.error(f"--{flag} {getattr(arguments, flag)}: is not there; run benchmarks/{flag}.py first")
    rates = Rates.read(json.loads(arguments.end_to_end.read_text()), json.loads(arguments.incremental.read_text()))
    made = tables(rates, yaml.safe_load(arguments.prices.read_text()))
    print(made, end="")
    if arguments.page is not None:
        text = arguments.page.read_text()
        before, start, rest = text.partition(MARKS[0])
        _, end, after = rest.partition(MARKS[1])
        if not start or not end:
            parser.error(f"--page {arguments.page}: has no {MARKS[0]} … {MARKS[1]}")
        arguments.page.write_text(f"{before}{start}\n{made}{end}{after}")


if __name__ == "__main__":
    main()
