"""The flags of a track: those of its audio, which stay while the audio does, and those that its catalog row raises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from models.decision import DecisionSettings, duration_flags
from models.metadata_rules import contradiction_flags

#: Raised by the catalog row alone.
_OF_ROW: Final = frozenset(
    {"declared_type_contradicts_audio", "duration_in_other_unit", "longer_than_catalog", "release_contradicts_audio",
     "title_contradicts_audio"}
)  # fmt: skip


def track_flags(
    audio_flags: Iterable[str],
    category: str,
    duration_s: float,
    settings: DecisionSettings,
    *,
    title: str | None,
    release_title: str | None,
    declared_type: str | None,
    genres: Iterable[str],
    duration_ms: int | None,
) -> list[str]:
    """All flags of a track, sorted.

    Parameters
    ----------
    audio_flags, category, duration_s
        What was decided and measured of the audio; the length in seconds, as ``track_labels`` has it.
    settings
        Of the decision rule.
    title, release_title, declared_type, genres, duration_ms
        What the catalog row says.
    """
    return sorted(
        {
            *audio_flags,
            *duration_flags(duration_s, duration_ms, settings),
            *contradiction_flags(category, title, release_title, declared_type, genres),
        }
    )


def flags_of_audio(flags: Iterable[str]) -> list[str]:
    """Those of a track's flags that its audio raised, whatever its catalog row said then.

    ``shorter_than_catalog`` is of the audio when the file ends before its own container says, as ``truncated`` tells;
    otherwise the catalog's ``duration_ms`` raised it.
    """
    found = set(flags) - _OF_ROW
    if "truncated" not in found:
        found.discard("shorter_than_catalog")
    return sorted(found)
