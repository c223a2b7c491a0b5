"""Strangers' words, made fit for a terminal."""

from __future__ import annotations


def printable(text: str, longest: int | None = None) -> str:
    """Without characters that could steer a terminal, and cut to ``longest``; a title may hold anything."""
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return shown if longest is None or len(shown) <= longest else shown[: longest - 1] + "…"
