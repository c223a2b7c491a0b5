"""Flags of carried tracks by the column: rows whose words, length and old flags raise none are not looked at singly."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.decision import DecisionSettings
from models.metadata_rules import CLAIM_PATTERNS, declared_claim
from models.taxonomy import FUNCTIONAL
from models.track_flags import flags_of_audio, track_flags
from transforms.carried_rows import mask_of, whole

#: Columns of the catalog that raise flags, and those of the previous label that flags depend on.
CATALOG_COLUMNS: Final = ("title", "release_title", "declared_type", "genres", "duration_ms")
LABEL_COLUMNS: Final = ("flags", "category", "duration_s")

_Mask = npt.NDArray[np.bool_]


def flags_of_carried(catalog: pa.Table, labels: pa.Table, settings: DecisionSettings) -> list[list[str]]:
    """Decide the flags of tracks anew, as :func:`models.track_flags.track_flags` does.

    Parameters
    ----------
    catalog
        :data:`CATALOG_COLUMNS` of each track, as they are now.
    labels
        :data:`LABEL_COLUMNS` of the same tracks, as the previous run published them.
    settings
        Of the decision rule.
    """
    flags: list[list[str]] = [[]] * catalog.num_rows
    raised = np.flatnonzero(~_raises_nothing(catalog, labels, settings))
    places = pa.array(raised)
    words = catalog.select(CATALOG_COLUMNS).take(places).to_pylist()
    old = labels.select(LABEL_COLUMNS).take(places).to_pylist()
    for index, now, before in zip(raised.tolist(), words, old, strict=True):
        audio_flags = flags_of_audio(before["flags"])
        flags[index] = track_flags(audio_flags, before["category"], before["duration_s"], settings, **now)
    return flags


def _raises_nothing(catalog: pa.Table, labels: pa.Table, settings: DecisionSettings) -> _Mask:
    """Tell which tracks have no flag for certain, shape (rows,)."""
    category = whole(labels["category"])
    quiet = mask_of(pc.equal(pc.list_value_length(labels["flags"]), 0))
    quiet &= _title_is_quiet(whole(catalog["title"]), category)
    quiet &= _declared_is_quiet(whole(catalog["declared_type"]), category)
    catalog_s = pc.fill_null(catalog["duration_ms"], 0).to_numpy() / 1000
    tolerance_s = np.maximum(settings.duration_tolerance_s, settings.duration_tolerance_ratio * catalog_s)
    duration_s = labels["duration_s"].to_numpy()
    apart = (duration_s < catalog_s - tolerance_s) | (duration_s > catalog_s + tolerance_s)
    quiet &= ~(apart & (catalog_s > 0))
    return quiet


def _title_is_quiet(title: pa.Array, category: pa.Array) -> _Mask:
    """Whether a title speaks for the category, or for none where nothing but the title counts."""
    claimed, of_category = np.zeros(len(title), bool), np.zeros(len(title), bool)
    for name, pattern in CLAIM_PATTERNS.items():
        claims = mask_of(pc.fill_null(pc.match_substring_regex(title, pattern, ignore_case=True), False))
        claimed |= claims
        of_category |= claims & mask_of(pc.equal(category, name))
    # RE2 knows letters and word boundaries of ASCII only.
    is_ascii = mask_of(pc.fill_null(pc.string_is_ascii(title), True))
    return is_ascii & (of_category | (~claimed & mask_of(pc.not_equal(category, FUNCTIONAL))))


def _declared_is_quiet(declared: pa.Array, category: pa.Array) -> _Mask:
    encoded = declared.dictionary_encode()
    claims = pa.array([declared_claim(text) for text in encoded.dictionary.to_pylist()], pa.string())
    claim = claims.take(encoded.indices)
    return mask_of(pc.fill_null(pc.equal(claim, category), True))
