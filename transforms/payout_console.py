"""What a person reads at the end of a payout preview."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.payout_shares import SHARE_UNITS, CellKey, scaled
from transforms.payout_tables import PolicyPayout
from transforms.printable import printable

#: Licensors that are shown, those with the largest shares; all are in the files.
_MOST_LICENSORS = 10
_LONGEST_NAME = 60


def print_payout(payouts: Sequence[PolicyPayout], notes: Sequence[str], console: Console | None = None) -> None:
    """Print each policy's pool by class, then the largest licensors under all of them.

    Parameters
    ----------
    notes
        Sentences to print below.
    """
    console = console or Console()
    base = payouts[0]
    classes = Table(title="By royalty class", title_justify="left")
    for heading in ("policy", "class", "tracks", "streams", "not paid", "amount" if base.cents else "share"):
        justify: Literal["left", "right"] = "left" if heading in ("policy", "class") else "right"
        classes.add_column(heading, justify=justify, no_wrap=True)
    for payout in payouts:
        for royalty_class in sorted({cell.royalty_class for cell in payout.cells}):
            cells = [cell for cell in payout.cells if cell.royalty_class == royalty_class]
            classes.add_row(
                payout.terms.policy_id,
                royalty_class,
                f"{sum(cell.tracks for cell in cells):,}",
                f"{sum(cell.streams for cell in cells):,}",
                f"{sum(cell.ineligible_streams + cell.below_minimum_streams for cell in cells):,}",
                _worth(payout, [cell.key for cell in cells]),
            )
    console.print(classes)

    licensors = Table(title="By licensor", title_justify="left")
    licensors.add_column("licensor")
    for payout in payouts:
        licensors.add_column(payout.terms.policy_id, justify="right", no_wrap=True)
    names = {cell.licensor for cell in base.cells}
    by_share = sorted(names, key=lambda name: (-_share_of(base, name), name or ""))
    for name in by_share[:_MOST_LICENSORS]:
        licensors.add_row(
            Text(printable(name, _LONGEST_NAME) if name is not None else "(none named)"),
            *(_worth(payout, _keys(payout, name)) for payout in payouts),
        )
    if len(names) > _MOST_LICENSORS:
        licensors.add_row(f"… {len(names) - _MOST_LICENSORS:,} more", *[""] * len(payouts))
    console.print(licensors)
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def _keys(payout: PolicyPayout, licensor: str | None) -> list[CellKey]:
    return [cell.key for cell in payout.cells if cell.licensor == licensor]


def _share_of(payout: PolicyPayout, licensor: str | None) -> int:
    return sum(payout.shares[key] for key in _keys(payout, licensor))


def _worth(payout: PolicyPayout, keys: Sequence[CellKey]) -> str:
    """What cells get together: money, or without a pool their share."""
    if payout.cents:
        return money_text(sum(payout.cents[key] for key in keys))
    return f"{sum(payout.shares[key] for key in keys) / SHARE_UNITS:.2%}"


def money_text(cents: int) -> str:
    """An amount as text, such as ``1,234.50``."""
    return f"{scaled(cents, 2):,}"
