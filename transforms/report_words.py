"""How a run's page writes numbers, times and strangers' words."""

from __future__ import annotations

from typing import Any, Final

from markupsafe import Markup, escape

#: Invisible, and needed: they join and part letters in Persian and Hindi, and the parts of emoji.
_JOINERS: Final = "\u200c\u200d"


def count(number: int) -> str:
    """Write a whole number with commas: ``1,234``."""
    return f"{number:,}"


def compact(number: int) -> str:
    """Write a whole number in few characters: ``950``, ``1.2k``, ``3.4M``."""
    for limit, unit in ((999_500_000, "G"), (999_500, "M"), (1000, "k")):
        if number >= limit:
            value = number / {"G": 1e9, "M": 1e6, "k": 1e3}[unit]
            return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"
    return str(number)


def share(part: float, whole: float = 1.0) -> str:
    """Write a share in percent with one decimal; of nothing it is a dash."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.05:
        return "< 0.1 %"
    return f"{percent:.1f} %"


def percent(part: float, whole: float = 1.0) -> str:
    """Write a share as a length in SVG, such as ``12.34%``, between 0 and 100."""
    return f"{min(100.0, max(0.0, 100 * part / whole if whole else 0.0)):.2f}%"


def clock(seconds: float) -> str:
    """Write a time in a track: ``0:07.5``, ``3:25`` or ``1:02:03``; tenths only in the first minute."""
    tenths = round(10 * seconds)
    if tenths < 600:
        return f"0:{tenths // 10:02}.{tenths % 10}" if tenths % 10 else f"0:{tenths // 10:02}"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def duration(seconds: float) -> str:
    """Write how long something took: ``0.42 s``, ``12.3 s``, ``4 min 05 s`` or ``2 h 03 min``."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 7200:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600:,} h {whole // 60 % 60:02} min"


def size(number: int) -> str:
    """Write a number of bytes: ``512 B``, ``3.4 kB``, ``1.2 GB``."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def shown(text: Any, most: int = 300) -> str:
    """Write a stranger's words: cut to ``most`` characters, without those that hide or turn what follows."""
    words = str(text)
    if len(words) > most:
        words = words[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return "".join(
        character if character.isprintable() or character in _JOINERS else "\N{REPLACEMENT CHARACTER}"
        for character in words
    )


def figure(value: Any, of_gate: dict[str, Any]) -> str:
    """Write a gate's figure or limit: in percent where the gate is about shares."""
    if value is None:
        return "–"
    is_share = isinstance(of_gate["limit"], float) or isinstance(of_gate["value"], float)
    if is_share and abs(value) <= 1:
        return share(value)
    return f"{value:,.4g}" if isinstance(value, float) else count(int(value))


def words(name: str) -> str:
    """Write an identifier as words: ``sound_effect`` as ``sound effect``."""
    return name.replace("_", " ")


def breakable(name: str) -> Markup:
    """Let a long identifier break behind its underscores; gives escaped HTML."""
    return escape(name).replace("_", Markup("_<wbr>"))


FILTERS: Final = {
    function.__name__: function
    for function in (count, compact, share, percent, clock, duration, size, shown, figure, words, breakable)
}
