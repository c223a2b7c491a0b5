"""Dividing a pool exactly: whole cents that add up, first among licensors, then within each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

#: One stream of weight 1, in the integer units in which weighted streams are counted.
WEIGHT_UNITS: Final = 10**9
#: One whole pool, in the integer units in which shares are counted.
SHARE_UNITS: Final = 10**9

#: A licensor, or null where the streams name none, and a royalty class.
CellKey: TypeAlias = tuple[str | None, str]


@dataclasses.dataclass(frozen=True, slots=True)
class PayoutCell:
    """The streams of one licensor's tracks of one royalty class in one month, under one policy.

    Attributes
    ----------
    tracks
        Tracks that have a row in the month, with zero streams too.
    streams
        All their streams: those that earn, ``ineligible_streams`` and ``below_minimum_streams``.
    ineligible_streams
        Streams of tracks that the policy does not pay.
    below_minimum_streams
        Streams of tracks that it would pay, if they had enough streams in 12 months.
    weighted_units
        What the others count, in units of ``1 / WEIGHT_UNITS`` of a music stream.
    """

    licensor: str | None
    royalty_class: str
    tracks: int
    streams: int
    ineligible_streams: int
    below_minimum_streams: int
    weighted_units: int

    @property
    def key(self) -> CellKey:
        """Whose cell it is."""
        return self.licensor, self.royalty_class


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Divide ``total`` in whole units in proportion to ``weights``.

    Each part is the exact one, rounded down or up; the parts that were cut most are rounded up, the first of equals
    first. All parts are 0 when all weights are.

    Parameters
    ----------
    total
        0 or more.
    weights
        Each 0 or more.

    Returns
    -------
    list of int
        As many as ``weights``; they add up to ``total``, unless all weights are 0.
    """
    if total < 0 or any(weight < 0 for weight in weights):
        raise ValueError(f"negative amounts cannot be divided: total {total}, weights {list(weights)[:10]}")
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    parts = [total * weight // whole for weight in weights]
    by_cut = sorted(range(len(weights)), key=lambda index: (-(total * weights[index] % whole), index))
    for index in by_cut[: total - sum(parts)]:
        parts[index] += 1
    return parts


def divide_pool(cells: Sequence[PayoutCell], units: int) -> dict[CellKey, int]:
    """Divide a pool among the cells of one policy by their weighted streams.

    Licensors first, then the classes of each: a track that changes its class and not its weight leaves what every
    other licensor gets as it was, to the cent.

    Parameters
    ----------
    cells
        Each key once.
    units
        The pool, in cents or in ``SHARE_UNITS``.
    """
    by_licensor: dict[str | None, list[PayoutCell]] = {}
    for cell in sorted(cells, key=cell_order):
        by_licensor.setdefault(cell.licensor, []).append(cell)
    groups = list(by_licensor.values())
    divided: dict[CellKey, int] = {}
    licensor_units = largest_remainder(units, [sum(cell.weighted_units for cell in group) for group in groups])
    for group, group_units in zip(groups, licensor_units, strict=True):
        parts = largest_remainder(group_units, [cell.weighted_units for cell in group])
        divided.update((cell.key, part) for cell, part in zip(group, parts, strict=True))
    return divided


def cell_order(cell: PayoutCell) -> tuple[bool, str, str]:
    """Sort key: by licensor, the unnamed one first, then by class."""
    return cell.licensor is not None, cell.licensor or "", cell.royalty_class


def differences(before: Mapping[CellKey, int], after: Mapping[CellKey, int]) -> list[tuple[CellKey, int, int]]:
    """What each cell gets under two policies, with 0 where a policy has no such cell; sorted."""
    keys = sorted(before.keys() | after.keys(), key=lambda key: (key[0] is not None, key[0] or "", key[1]))
    return [(key, before.get(key, 0), after.get(key, 0)) for key in keys]


def scaled(units: int, digits: int) -> Decimal:
    """``units`` divided by ``10 ** digits``, exactly."""
    # Not by scaleb, which rounds to the context's 28 digits.
    return Decimal((units < 0, tuple(map(int, str(abs(units)))), -digits))
