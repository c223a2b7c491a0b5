"""Labels as the main job writes them, said by a test and not by a model."""

import pyarrow as pa

from transforms.evaluation import Labelled
from transforms.table_schemas import TABLES

HOSTILE = '"><img src=x onerror=alert(1)>'


def label(track_id, category, decision="auto", confidence=0.9, flags=(), functional_type=None):
    rest = (1 - confidence) / 2
    values = {f"p_{name}": confidence if name == category else rest for name in ("music", "functional", "speech")}
    functional_type = functional_type or ("noise" if category == "functional" else None)
    fill = {"string": "x", "double": 0.0, "date32[day]": None}
    row = {f.name: None if f.nullable else fill.get(str(f.type)) for f in TABLES["track_labels"]}
    return row | values | {
        "track_id": track_id, "audio_sha256": f"sha-{track_id}", "duration_s": 6.0, "category": category,
        "functional_type": functional_type, "decision": decision, "confidence": confidence, "flags": list(flags),
    }  # fmt: skip


def labelled(rows, windows=None):
    schema = pa.schema([f.with_nullable(True) for f in TABLES["track_labels"]])
    embeddings = pa.table(
        {"track_id": [r["track_id"] for r in rows], "embedding": [[float(i), 1.0] for i in range(len(rows))]}
    )
    dead_letters = pa.table({"track_id": ["1"], "error_type": ["empty_audio"], "message": [HOSTILE]})
    return Labelled.of_tables(pa.Table.from_pylist(rows, schema), embeddings, dead_letters, windows)
