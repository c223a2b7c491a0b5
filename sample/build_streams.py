#!/usr/bin/env python3
"""Make up a year of streams for the sample shard, for the payout preview and the warehouse to be tried on.

    python sample/build_streams.py [--output FILE]

The numbers are invented: nobody streamed these tracks. They are what a service's own table looks like: a few tracks
with most of the streams, noise that is streamed night after night, songs that nobody finds, tracks that came in the
middle of the year, and one that was taken out of the catalog. Hashes of track id and month stand for chance, so two
runs give the same rows.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import pathlib
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

HERE: Final = pathlib.Path(__file__).resolve().parent
MONTHS: Final = [f"{2025 + (index + 10) // 12}-{(index + 10) % 12 + 1:02}" for index in range(12)]  # to October 2026
SCHEMA: Final = pa.schema(
    [("track_id", pa.string()), ("month", pa.string()), ("licensor", pa.string()), ("streams", pa.int64())]
)
#: A track that has streams and no row in the catalog, as one that was withdrawn.
WITHDRAWN: Final = ("trk_9001", "Licensor B", "music")
#: Streams a month of a track in the middle, by what is heard on it, and how far others lie from it, as a factor.
_MIDDLE: Final = {"music": 900, "functional": 2500, "speech": 150}
_SPREAD: Final = 4.0


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "streams" / "streams.parquet")
    output: pathlib.Path = parser.parse_args().output
    output.parent.mkdir(parents=True, exist_ok=True)
    rows = sorted(streams(), key=lambda row: (row["month"], row["track_id"]))
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), output, compression="zstd")


def streams() -> list[dict[str, Any]]:
    """Rows of the table, in no certain order."""
    rows = []
    for track_id, licensor, category in [*_tracks(), WITHDRAWN]:
        # A normal deviate, so that a few tracks have most of the streams; and the month in which the track appeared.
        usual = _MIDDLE[category] * _SPREAD ** _deviate(track_id)
        first = max(0, round(12 * _share(f"{track_id} appeared") - 7))
        for month in MONTHS[first:]:
            count = int(usual * (0.8 + 0.4 * _share(f"{track_id} {month}")))
            if count:
                rows.append({"track_id": track_id, "month": month, "licensor": licensor, "streams": count})
    return rows


def _tracks() -> list[tuple[str, str, str]]:
    """Track id, licensor and what is heard, of every track that a person expects to be labelled."""
    with (HERE / "expected.csv").open(encoding="utf-8") as file:
        expected = {
            row["track_id"]: row["expected_category"] for row in csv.DictReader(file) if row["expected_category"]
        }
    licensors = {}
    for line in (HERE / "catalog.jsonl").read_bytes().splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # some lines are broken on purpose
            continue
        if isinstance(row, dict) and row.get("track_id") in expected:
            licensors[row["track_id"]] = row["licensor"]
    return [(track_id, licensor, expected[track_id]) for track_id, licensor in sorted(licensors.items())]


def _share(text: str) -> float:
    """A number from 0 to 1 that looks like chance."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def _deviate(text: str) -> float:
    """A standard normal deviate that looks like chance (Box and Muller's)."""
    radius = math.sqrt(-2 * math.log(1 - _share(f"{text} radius")))
    return radius * math.cos(2 * math.pi * _share(f"{text} angle"))


if __name__ == "__main__":
    main()
