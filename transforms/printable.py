"""Words for a terminal: strangers' made fit for it, and numbers with their noun."""

from __future__ import annotations


def printable(text: str, longest: int | None = None) -> str:
    """Without characters that could steer a terminal, and cut to ``longest``; a title may hold anything."""
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return shown if longest is None or len(shown) <= longest else shown[: longest - 1] + "…"


def counted(number: int, noun: str) -> str:
    """A number and what it counts, such as ``1 track`` and ``1,234 tracks``; of a noun that takes an s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
