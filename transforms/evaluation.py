"""From the labels that a model gave, and the truth, to the record of an evaluation."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.audio_facts import AudioFacts, audio_facts
from models.bootstrap import estimate
from models.decision import DecisionSettings, needs_review
from models.evaluation_columns import EXPECTED_DECISION, PAIR
from models.evaluation_slices import slices_of
from models.labels_of_corpus import Recording
from models.metrics import Bools, weighted_share
from models.model_comparison import compare
from models.neighbours import neighbour_figures
from models.taxonomy import CATEGORIES, FUNCTIONAL, FUNCTIONAL_TYPES
from models.track_figures import NO_TYPE, JudgedTracks, kept_category, slice_figures, type_figures

#: Wrong labels that the report lists.
WORST: Final = 50


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """What one model says of a manifest.

    Attributes
    ----------
    labels, dead_letters
        Rows of ``track_labels`` and ``dead_letters``; a ``track_id`` is the index of a recording.
    embeddings
        Of each label, shape (labels, size).
    mean_windows
        Windows heard per distinct audio; null when nobody counted.
    """

    labels: pa.Table
    dead_letters: pa.Table
    embeddings: npt.NDArray[np.float32]
    mean_windows: float | None

    @classmethod
    def of_tables(cls, labels: pa.Table, embeddings: pa.Table, dead_letters: pa.Table, windows: int | None) -> Labelled:
        """Bring tables into the manifest's order; ``windows`` is how many were decoded in all."""
        index = np.array([int(i) for i in labels["track_id"].to_pylist()], np.int64)
        vector_of = dict(zip(embeddings["track_id"].to_pylist(), embeddings["embedding"].to_pylist(), strict=True))
        labels = labels.take(np.argsort(index))
        vectors = [vector_of[track_id] for track_id in labels["track_id"].to_pylist()]
        audio = len(set(labels["audio_sha256"].to_pylist()))
        return cls(
            labels=labels,
            dead_letters=dead_letters,
            embeddings=np.array(vectors, np.float32).reshape(len(vectors), -1 if vectors else 0),
            mean_windows=windows / audio if windows is not None and audio else None,
        )

    @property
    def model_version(self) -> str | None:
        """The model's version as it stands in the labels; None without a label."""
        return str(self.labels["model_version"][0]) if len(self.labels) else None

    def take(self, places: Sequence[int]) -> Labelled:
        """The labels at some places."""
        chosen = np.array(places, np.int64)
        return dataclasses.replace(self, labels=self.labels.take(chosen), embeddings=self.embeddings[chosen])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """A record with what its pictures and tables are made from.

    Attributes
    ----------
    record
        What ``evaluation.json`` holds, but for what only the job knows.
    recordings, facts, tracks
        Of each label, in the order of ``labelled``.
    labelled
        What the model says.
    counted
        Which labels are in the figures: all whose expected decision is not ``review``.
    """

    record: dict[str, Any]
    recordings: list[Recording]
    facts: list[AudioFacts]
    tracks: JudgedTracks
    labelled: Labelled
    counted: Bools


def judge(recordings: Sequence[Recording], labels: pa.Table) -> JudgedTracks:
    """Put labels beside the truth; ``recordings`` are those of the labels, in their order."""
    type_index = {None: NO_TYPE} | {name: index for index, name in enumerate(FUNCTIONAL_TYPES)}
    called_types = labels["functional_type"].to_pylist()
    columns = [labels[f"p_{name}"].to_numpy() for name in CATEGORIES]
    return JudgedTracks(
        truth=np.array([CATEGORIES.index(r.label) for r in recordings], np.int64),
        called=np.array([CATEGORIES.index(c) for c in labels["category"].to_pylist()], np.int64),
        probabilities=np.stack(columns, axis=1).astype(np.float64),
        auto=np.array([d == "auto" for d in labels["decision"].to_pylist()], np.bool_),
        true_type=np.array([type_index[r.functional_type] for r in recordings], np.int64),
        called_type=np.array([type_index[t] for t in called_types], np.int64),
        package=np.array([r.package for r in recordings], np.str_),
    )


def measure(recordings: Sequence[Recording], labels: pa.Table, threads: int) -> list[AudioFacts]:
    """The facts of each labelled recording; each distinct audio is measured once."""
    path_of = {sha256: r.path for sha256, r in zip(labels["audio_sha256"].to_pylist(), recordings, strict=True)}
    duration_of = dict(zip(labels["audio_sha256"].to_pylist(), labels["duration_s"].to_pylist(), strict=True))
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        measured = pool.map(audio_facts, path_of.values(), [duration_of[sha256] for sha256 in path_of])
        facts = dict(zip(path_of, measured, strict=True))
    return [facts[sha256] for sha256 in labels["audio_sha256"].to_pylist()]


def evaluate(
    recordings: Sequence[Recording], labelled: Labelled, settings: DecisionSettings, threads: int = 2
) -> Evaluated:
    """Work out every figure.

    Parameters
    ----------
    recordings
        The whole manifest.
    labelled
        What the model says of it.
    settings
        The decision rule's: what errors cost.
    threads
        For measuring audio.
    """
    told = [recordings[int(i)] for i in labelled.labels["track_id"].to_pylist()]
    tracks = judge(told, labelled.labels)
    facts = measure(told, labelled.labels, threads)
    extra = [dict(r.extra) for r in told]
    counted = np.array([EXPECTED_DECISION not in e for e in extra], np.bool_)
    slices = slices_of(
        _chosen(told, counted), labelled.labels["duration_s"].to_numpy()[counted], _chosen(facts, counted)
    )
    figured = tracks.of(counted)
    record = {
        "figures": {name: slice_figures(figured.of(members)) for name, members in slices.items()},
        "functional_type": type_figures(figured),
        "neighbours": neighbour_figures(labelled.embeddings[counted], figured),
        "category_kept": _category_kept(tracks, extra),
        "expected_review": _expected_review(tracks.of(~counted)),
        "worst": _worst(told, tracks, labelled.labels, counted, settings),
        "dead_letters": [
            {"path": recordings[int(row["track_id"])].path, "error_type": row["error_type"], "message": row["message"]}
            for row in labelled.dead_letters.select(["track_id", "error_type", "message"]).to_pylist()
        ],
    }
    return Evaluated(record, told, facts, tracks, labelled, counted)


def compare_labels(evaluated: Evaluated, baseline: Labelled) -> tuple[dict[str, Any], pa.Table]:
    """Compare with another model's labels of the same manifest, on the tracks that both labelled.

    Returns
    -------
    record
        What ``evaluation.json`` holds under ``comparison``.
    rows
        One per track that both labelled and that is in the figures.
    """
    place_of = {track_id: place for place, track_id in enumerate(baseline.labels["track_id"].to_pylist())}
    ids = evaluated.labelled.labels["track_id"].to_pylist()
    places = [i for i, track_id in enumerate(ids) if evaluated.counted[i] and track_id in place_of]
    told = [evaluated.recordings[i] for i in places]
    first = evaluated.labelled.take(places)
    second = baseline.take([place_of[ids[i]] for i in places])
    model, other = judge(told, first.labels), judge(told, second.labels)
    slices = slices_of(told, first.labels["duration_s"].to_numpy(), [evaluated.facts[i] for i in places])
    record = {
        **compare(model, other, slices),
        "baseline_figures": {name: slice_figures(other.of(members)) for name, members in slices.items()},
        "baseline_functional_type": type_figures(other),
        "baseline_neighbours": neighbour_figures(second.embeddings, other),
        "baseline_mean_windows": baseline.mean_windows,
    }
    outcome = np.where(
        model.correct,
        np.where(other.correct, "both right", "only the model right"),
        np.where(other.correct, "only the baseline right", "both wrong"),
    )
    columns: dict[str, Any] = {
        "path": [r.path for r in told],
        "package": [r.package for r in told],
        "true_category": [r.label for r in told],
        "subtype": [r.subtype for r in told],
        "duration_s": first.labels["duration_s"],
        "outcome": outcome.tolist(),
    }
    judged = ("category", "functional_type", "decision", *(f"p_{name}" for name in CATEGORIES), "flags")
    for prefix, side in (("model", first), ("baseline", second)):
        columns |= {f"{prefix}_{name}": side.labels[name] for name in judged}
    return record, pa.table(columns)


def told_rows(evaluated: Evaluated) -> pa.Table:
    """The labels, each with its truth, its place and what was measured: ``labels.parquet``."""
    told = evaluated.labelled.labels
    extra = [dict(r.extra) for r in evaluated.recordings]
    added: dict[str, pa.Array] = {
        "path": pa.array([r.path for r in evaluated.recordings], pa.string()),
        "true_category": pa.array([r.label for r in evaluated.recordings], pa.string()),
        "true_functional_type": pa.array([r.functional_type for r in evaluated.recordings], pa.string()),
        **{name: pa.array([getattr(r, name) for r in evaluated.recordings], pa.string())
           for name in ("subtype", "split", "package")},
        **{name: pa.array([getattr(f, name) for f in evaluated.facts], data_type)
           for name, data_type in (("codec", pa.string()), ("bitrate_kbps", pa.float64()),
                                   ("sample_rate_hz", pa.int64()), ("channels", pa.int64()),
                                   ("rms_dbfs", pa.float64()))},
        **{name: pa.array([e.get(name) for e in extra], pa.string()) for name in (EXPECTED_DECISION, PAIR)},
    }  # fmt: skip
    for name, values in added.items():
        told = told.append_column(name, values)
    return told


def _chosen(items: Sequence[Any], members: Bools) -> list[Any]:
    return [item for item, member in zip(items, members, strict=True) if member]


def _category_kept(tracks: JudgedTracks, extra: Sequence[dict[str, str]]) -> dict[str, Any]:
    group = np.array([e.get(PAIR, "") for e in extra], np.str_)
    slice_of = np.array([e.get("slice", "") for e in extra], np.str_)
    return {
        **kept_category(group, tracks.called, tracks.package),
        "slices": {
            f"slice:{name}": kept_category(group[members], tracks.called[members], tracks.package[members])
            for name in sorted(set(slice_of[(group != "") & (slice_of != "")].tolist()))
            for members in [slice_of == name]
        },
    }


def _expected_review(tracks: JudgedTracks) -> dict[str, Any]:
    every = np.ones(len(tracks), np.bool_)
    return {
        "tracks": len(tracks),
        "packages": len(set(tracks.package)),
        **estimate({"sent_to_review": lambda w: weighted_share(~tracks.auto, every, w)}, list(tracks.package)),
        "called": {name: int((tracks.called == index).sum()) for index, name in enumerate(CATEGORIES)},
    }


def always_reviewed(labels: pa.Table) -> Bools:
    """Which labels a flag sends to a person whatever a review costs."""
    return np.array(
        [
            needs_review([flag for flag in flags if flag != "uncertain"])
            or (category == FUNCTIONAL and "music_heard" in flags)
            for flags, category in zip(labels["flags"].to_pylist(), labels["category"].to_pylist(), strict=True)
        ],
        np.bool_,
    )


def _worst(
    told: Sequence[Recording], tracks: JudgedTracks, labels: pa.Table, counted: Bools, settings: DecisionSettings
) -> list[dict[str, Any]]:
    """The wrong labels that cost most: those acted on first, then by what acting would cost, then by confidence."""
    costs = settings.costs.matrix()[tracks.truth, tracks.called]
    wrong = np.flatnonzero(~tracks.correct & counted)
    confidence = labels["confidence"].to_numpy()
    order = sorted(
        wrong.tolist(),
        key=lambda i: (-(costs[i] if tracks.auto[i] else settings.costs.review), -costs[i], -confidence[i], i),
    )
    rows = labels.take(np.array(order[:WORST], np.int64)).to_pylist()
    return [
        {
            "path": told[i].path,
            "package": told[i].package,
            "truth": told[i].label,
            "subtype": told[i].subtype,
            "label": row["category"],
            "functional_type": row["functional_type"],
            "probabilities": {name: row[f"p_{name}"] for name in CATEGORIES},
            "flags": row["flags"],
            "decision": row["decision"],
            "cost": float(costs[i]),
            "duration_s": row["duration_s"],
        }
        for i, row in zip(order, rows, strict=False)
    ]
