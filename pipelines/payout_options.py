"""Flags of the jobs that divide money: months, amounts, and the policies that a run evaluated."""

from __future__ import annotations

import argparse
import decimal
import re
from collections.abc import Sequence

from models.errors import UserError
from transforms.payout_streams import PolicyTerms
from transforms.published_runs import PublishedRun
from transforms.streams_parquet import MONTH_PATTERN

#: So that every amount fits its column.
_MOST_CENTS = 10**15


def policy_terms(run: PublishedRun, names: Sequence[str]) -> list[PolicyTerms]:
    """What the run's manifest says of each policy, so that streams are held to the version that treated the tracks."""
    there = {policy["policy_id"]: policy for policy in run.manifest.get("policies", ())}
    for name in names:
        if name not in there:
            has = f"it has {', '.join(sorted(there))}" if there else "it has none"
            raise UserError(
                f"--policy {name}: was not evaluated by the run {run.run_id}; {has}. Run "
                f"categorize_tracks with --policy {name}, or choose another --run_date."
            )
    return [PolicyTerms(name, there[name]["version"], there[name]["min_streams_12m"]) for name in names]


def month(text: str) -> str:
    """Parse ``YYYY-MM`` for argparse."""
    if not re.fullmatch(MONTH_PATTERN, text):
        raise argparse.ArgumentTypeError(f"{text!r} is no month; write it as YYYY-MM, such as 2026-11")
    return text


def cents(text: str) -> int:
    """Parse an amount of money for argparse; gives cents."""
    try:
        amount = decimal.Decimal(text) * 100 if re.fullmatch(r"\d{1,16}(\.\d{1,2})?", text, re.ASCII) else None
    except decimal.InvalidOperation:
        amount = None
    if amount is None or not 0 < amount <= _MOST_CENTS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no amount; give digits with at most two decimals, such as 1250000.00"
        )
    return int(amount)
