"""Flags of many carried tracks at once are those of one after the other."""

import random
import re

import pyarrow as pa
import pyarrow.compute as pc

from models.decision import DecisionSettings
from models.metadata_rules import CLAIM_PATTERNS, title_claims
from models.taxonomy import CATEGORIES
from models.track_flags import flags_of_audio, track_flags
from transforms.carried_flags import flags_of_carried

#: Pieces of the words that claims are made of, and what may stand around them.
WORDS = sorted({word for text in CLAIM_PATTERNS.values() for word in re.findall(r"[^\W_]+", text)})
AROUND = ["", " ", "-", "_", "s", "x", "1", " the ", " of ", "'", ".", "\n", "é", "\u017f", "\u212a", "\u00a0"]
SETTINGS = DecisionSettings()


def titles(rng: random.Random, number: int) -> list[str | None]:
    found: list[str | None] = [None, "", "White Noise", "440 Hz Tone", "Rain Sounds with Piano", "Chapter 3", "\u017f"]
    while len(found) < number:
        pieces = [piece for _ in range(rng.randint(1, 3)) for piece in (rng.choice(AROUND), rng.choice(WORDS))]
        text = "".join([*pieces, rng.choice(AROUND)])
        found.append(rng.choice([str.lower, str.upper, str.title])(text))
    return found


def test_claims_are_found_alike_in_ascii():
    texts = [text for text in titles(random.Random(1), 4000) if text is not None and text.isascii()]
    found = dict.fromkeys(CATEGORIES, 0)
    for category, pattern in CLAIM_PATTERNS.items():
        other = pc.match_substring_regex(pa.array(texts), pattern, ignore_case=True).to_pylist()
        own = [category in title_claims(text) for text in texts]
        assert other == own
        found[category] = sum(own)
    assert all(10 < number < len(texts) / 2 for number in found.values())


def test_flags_are_those_of_one_track_after_the_other():
    rng = random.Random(2)
    rows, labels = [], []
    for title in titles(rng, 3000):
        duration_s = rng.choice([0.0, 100.0, 100.0, 181.999999, 182.0, 182.000001])
        rows.append(
            {
                "title": title,
                "release_title": rng.choice([None, "Piano Quartets", "Rain Sounds"]),
                "declared_type": rng.choice([None, None, "music", "White-Noise ", "podcast", "", "polka"]),
                "genres": rng.choice([[], ["jazz"]]),
                "duration_ms": rng.choice([None, 0, 1, 98_000, 100_000, 102_041, 180_000]),
            }
        )
        old = rng.choice(
            [[], [], [], ["truncated", "shorter_than_catalog"], ["mixed_content"], ["longer_than_catalog"]]
        )
        labels.append({"flags": old, "category": rng.choice(CATEGORIES), "duration_s": duration_s})
    wanted = [
        track_flags(flags_of_audio(label["flags"]), label["category"], label["duration_s"], SETTINGS, **row)
        for row, label in zip(rows, labels, strict=True)
    ]
    catalog = pa.Table.from_pylist(rows).cast(
        pa.schema(
            [
                *((name, pa.string()) for name in ("title", "release_title", "declared_type")),
                ("genres", pa.list_(pa.string())), ("duration_ms", pa.int64()),
            ]
        )
    )  # fmt: skip
    assert flags_of_carried(catalog, pa.Table.from_pylist(labels), SETTINGS) == wanted
    assert 300 < wanted.count([]) < 2700
    assert flags_of_carried(catalog.slice(0, 0), pa.Table.from_pylist(labels).slice(0, 0), SETTINGS) == []
