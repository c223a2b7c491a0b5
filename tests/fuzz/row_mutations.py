"""Mutated catalog rows, as JSON lines, CSV and Parquet: what row N of a seed is depends on nothing else."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.catalog_validation import CONTRACT_COLUMNS

Rng = np.random.Generator

TEXTS = [
    "", " ", "\t\n", "Rain", "雨の音", "é" * 300, "x" * 256, "x" * 600, "y" * 5000, "z" * 200_000,
    "\x1b[31mred\x1b[0m", "\x1b]0;t\x07",
    "a\nb", "a\r\nINFO: all is well", "a\0b", "\u202egnp.exe", "\ud800", "half \udc00 emoji", "\ufeff", "\u2028",
    "\x7f\x9b2J",
    "'; DROP TABLE track_labels; --",
    '"); --', "$(touch /tmp/owned)", "`id`", "; rm -rf /", "| cat /etc/passwd", "%00", "%s%n",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "{{7*7}}", "${jndi:ldap://127.0.0.1/a}", "=1+1",
    "+1", "-1", "@SUM(A1)",
    "=HYPERLINK(\"http://x\")", "nan", "NaN", "Infinity", "1e400", "-0", "0x10", "١٢٣", "null", "true", "[]", "{}",
    "180000", "180000.0",
    "[bold]rich[/bold]", "[/]", "US-RC1-76-07839", "usrc17607839", "music", "white_noise",
    "NonMusicalWorkSoundRecording", "a|b;c",
]  # fmt: skip
PATHS = [
    "../{f}", "{f}/../{f}", "./{f}", "/etc/passwd", "//etc/passwd", "file:///etc/passwd", "FILE:///etc/passwd",
    "http://127.0.0.1:9/a.mp3",
    "gs://b/a.mp3", "s3://b/a", "concat:{f}|{f}", "pipe:0", "data:audio/mp3;base64,AAAA",
    "subfile,,start,0,end,9,,:{f}", "crypto:{f}",
    "%2e%2e/{f}", "..%2f{f}", "..\\{f}", "\\\\server\\share\\a.mp3", "C:\\a.mp3", "{f}\0.txt", "{f}\n", " {f}",
    "{f} ", "{f}/", "*", "?.mp3", "[a-z]*",
    "{{f}}", "~/{f}", "$HOME/{f}", "-i", "--help", "/dev/zero", "/dev/stdin", "/proc/self/mem",
    "/proc/self/environ", ".", "..", "", "audio" * 60,
    "d/" * 1000 + "a", "x" * 255, "x" * 256, "x" * 4096, "x" * 4097, "é" * 200, "\ud800.mp3", "link-out.mp3",
    "folder-out/a.mp3", "pipe.fifo", "socket.sock", "folder",
]  # fmt: skip
VALUES = [
    None, True, False, 0, 1, -1, 180_000, 2**31, 2**53 + 1, 2**63, 2**64, 10**400, -(10**30), 0.5, 180_000.0, 1e308,
    float("nan"),
    float("inf"), -float("inf"), [], [None], ["rain", None, "sleep"], ["x" * 600], [1, 2], [["deep"]], {},
    {"a": {"b": [1]}}, ["g"] * 300,
]  # fmt: skip


def row_of(rng: Rng, number: int, sounds: list[str]) -> dict[str, Any]:
    """A row with some hostile values; a third of them are sound in the columns that must be."""
    row: dict[str, Any] = {
        "track_id": f"t{number}",
        "audio_uri": str(rng.choice(sounds)),
        "title": "Rain",
        "duration_ms": 1200,
    }
    for _ in range(int(rng.choice([0, 1, 1, 2, 4]))):
        column = str(rng.choice([*CONTRACT_COLUMNS, "unknown", "audio_uri", "track_id"]))
        kind = rng.random()
        if column == "audio_uri" and kind < 0.8:
            row[column] = PATHS[int(rng.integers(len(PATHS)))].replace("{f}", str(rng.choice(sounds)))
        elif kind < 0.55:
            row[column] = TEXTS[int(rng.integers(len(TEXTS)))]
        elif kind < 0.9:
            row[column] = VALUES[int(rng.integers(len(VALUES)))]
        elif column in row:
            del row[column]
    if rng.random() < 0.05:
        row["track_id"] = f"t{int(rng.integers(20))}"  # the same id as another row
    return row


def json_line(rng: Rng, row: dict[str, Any]) -> bytes:
    """A row as a line, sometimes one that is no JSON; it holds no line end."""
    text = json.dumps(row, ensure_ascii=bool(rng.random() < 0.5))
    kind = rng.random()
    if kind < 0.03:
        text = text[:-1] + ', "track_id": "twice", "title": 1e999}'
    elif kind < 0.06:
        text = "[" * int(rng.choice([1, 50, 5000])) + text
    elif kind < 0.08:
        text = "{" * 3000 + '"a":' * 10
    elif kind < 0.10:
        text = json.dumps(VALUES[int(rng.integers(len(VALUES)))])
    elif kind < 0.11:
        text = text[:-1] + ', "pad": "' + "x" * (1 << 20) + '"}'
    line = bytearray(text.encode("utf-8", "surrogatepass"))
    if kind > 0.9:
        for _ in range(int(rng.choice([1, 3, 20]))):
            line[int(rng.integers(len(line)))] = int(rng.integers(256))
    elif kind > 0.87:
        line = line[: int(rng.integers(len(line)))]
    return bytes(line).replace(b"\n", b" ") + (b"\r" if rng.random() < 0.1 else b"")


def write_json_lines(path: pathlib.Path, seed: int, numbers: range, sounds: list[str]) -> int:
    """Write a row per number; gives how many lines are not blank."""
    lines = []
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        lines.append(json_line(rng, row_of(rng, number, sounds)))
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    return sum(bool(line.strip()) for line in lines)


def write_csv(path: pathlib.Path, seed: int, numbers: range, sounds: list[str]) -> int:
    """Write a record per number, well quoted; gives how many there are."""
    columns = [*CONTRACT_COLUMNS, "unknown"]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        row = row_of(rng, number, sounds)
        cells = ["" if row.get(name) is None else str(row[name]) if not isinstance(row[name],
        int) or abs(row[name]) < 10**300 else "9" * 4000
                 for name in columns]  # fmt: skip
        kind = rng.random()
        cells = cells[:-1] if kind < 0.03 else [*cells, "more"] if kind < 0.06 else cells
        writer.writerow([cell.replace("\r", " ") for cell in cells])
    path.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
    return len(numbers)


def write_torn_csv(path: pathlib.Path, seed: int, numbers: range, sounds: list[str]) -> None:
    """Write CSV whose bytes are torn: how many records that makes is for the reader to say."""
    write_csv(path, seed, numbers, sounds)
    header, _, body = path.read_bytes().partition(b"\n")
    rng = np.random.default_rng([seed, 10**6])
    torn = bytearray(body)
    for at in rng.integers(len(torn), size=max(10, len(torn) // 20_000)):
        torn[int(at)] = int(rng.choice([0x22, 0x2C, 0x0A, 0x0D, 0x00, 0xFF, 0x80]))
    path.write_bytes(header + b"\n" + bytes(torn))


def write_parquet(folder: pathlib.Path, seed: int, numbers: range, sounds: list[str]) -> int:
    """Write files whose columns are of many types; gives the number of rows."""
    kinds: list[tuple[str, pa.DataType, Any]] = [
        ("duration_ms", pa.timestamp("ns"), datetime.datetime(2026, 1, 1)), ("duration_ms", pa.decimal128(30, 2),
        decimal.Decimal("1200.00")),
        ("duration_ms", pa.float64(), float("nan")), ("duration_ms", pa.uint64(), 2**64 - 1), ("title", pa.binary(),
        b"\xff\xfe"),
        ("title", pa.int64(), 7), ("genres", pa.list_(pa.string()), ["a", None]), ("genres", pa.map_(pa.string(),
        pa.int32()), [("a", 1)]),
        ("genres", pa.struct([("a", pa.list_(pa.date32()))]), {"a": [datetime.date(2026, 1, 1)]}), ("audio_uri",
        pa.large_string(), sounds[0]),
        ("track_id", pa.int64(), 5), ("track_id", pa.binary(), b"\x80id"), ("artist", pa.duration("ns"),
        datetime.timedelta(days=9)),
        ("artist", pa.time64("ns"), datetime.time(1)), ("artist", pa.bool_(), True), ("isrc", pa.null(), None),
        ("language", pa.float16(), np.float16(1)),
    ]  # fmt: skip
    rows = 0
    parts = np.array_split(np.array(numbers), len(kinds))
    for index, ((column, data_type, value), part) in enumerate(zip(kinds, parts, strict=True)):
        records = []
        for number in part.tolist():
            rng = np.random.default_rng([seed, number])
            row = {key: _text(item) for key, item in row_of(rng, number, sounds).items()}
            records.append(row | {column: value if rng.random() < 0.7 else None})
        names = [*CONTRACT_COLUMNS]
        fields = {name: data_type if name == column else pa.string() for name in names}
        arrays = [pa.array([record.get(name) for record in records], fields[name]) for name in names]
        table = pa.Table.from_arrays(arrays, names=names)
        pq.write_table(table, folder / f"part-{index:02d}.parquet", row_group_size=16)
        rows += len(records)
    return rows


def _text(value: Any) -> str | None:
    """Text that a Parquet string column can hold."""
    return (
        None
        if value is None
        else (value if isinstance(value, str) else repr(value)[:5000]).encode("utf-8", "replace").decode()
    )
