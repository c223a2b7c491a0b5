"""Policy files: finding them by name or path, reading them, and choosing the version that is in force on a date."""

from __future__ import annotations

import datetime
import difflib
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

import pydantic
import yaml

from models.errors import UserError
from models.royalty_policy import RoyaltyPolicy
from models.strict_yaml import load_strictly

#: The folder of the policies that ship; in an installed package it lies beside ``models`` too.
SHIPPED_POLICIES = pathlib.Path(__file__).parents[1] / "configs" / "policies"
_MOST_BYTES = 1 << 20


def policies_in_force(names: Sequence[str], date: datetime.date) -> tuple[RoyaltyPolicy, ...]:
    """Find the version in force of each policy, ordered by ``policy_id``.

    Parameters
    ----------
    names
        What ``--policy`` was given, each a ``policy_id`` that ships, a YAML file, or a folder of YAML files that are
        versions of one policy.
    date
        The run date. Of several versions in force the one that began last is taken.

    Raises
    ------
    UserError
        A name that is none of these, a wrong file, no version in force, or two policies of one id.
    """
    chosen: dict[str, tuple[str, RoyaltyPolicy]] = {}
    for name in dict.fromkeys(names):
        policy = _in_force(name, _versions(name), date)
        if policy.policy_id in chosen:
            raise UserError(
                f"--policy {name}: has the policy_id {policy.policy_id}, as --policy {chosen[policy.policy_id][0]} has "
                "too; give it a policy_id of its own."
            )
        chosen[policy.policy_id] = (name, policy)
    return tuple(chosen[policy_id][1] for policy_id in sorted(chosen))


def shipped_policies() -> dict[str, list[RoyaltyPolicy]]:
    """Every policy that ships, by id, each with its versions."""
    found: dict[str, list[RoyaltyPolicy]] = {}
    for path in sorted(SHIPPED_POLICIES.glob("*.yaml")):
        policy = read_policy(path, str(path.name))
        found.setdefault(policy.policy_id, []).append(policy)
    return found


def read_policy(path: pathlib.Path, name: str) -> RoyaltyPolicy:
    """Read one policy file.

    Parameters
    ----------
    name
        What the user gave to name it.

    Raises
    ------
    UserError
        It cannot be read, is no YAML, or a key or value is wrong; names file, key, value and mend.
    """
    flag = f"--policy {name}"
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UserError(f"{flag}: cannot be read ({reason}); give the path of a YAML file.") from error
    if len(data) > _MOST_BYTES:
        raise UserError(f"{flag}: is larger than {_MOST_BYTES} bytes, so it is no policy file.")
    try:
        content = load_strictly(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date such as 2026-02-30 is a ValueError
        raise UserError(f"{flag}: is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{flag}: holds no policy; configs/policies/example-contract.yaml shows every key.")
    try:
        return RoyaltyPolicy.model_validate(content)
    except pydantic.ValidationError as error:
        problems = "; ".join(_sentence(problem) for problem in error.errors()[:3])
        raise UserError(f"{flag}: {problems}; configs/policies/example-contract.yaml shows every key.") from error


def _versions(name: str) -> list[RoyaltyPolicy]:
    shipped = shipped_policies()
    if name in shipped:  # whatever lies in the working folder under that name; a path to it has a slash
        return shipped[name]
    path = pathlib.Path(name)
    if name and (path.exists() or path.suffix in (".yaml", ".yml") or "/" in name):
        return _versions_at(path, name)
    close = difflib.get_close_matches(name, shipped, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UserError(
        f"--policy {name!r}: no such policy; {hint}{', '.join(sorted(shipped))} ship with Earmark, and a path "
        "names a file of your own."
    )


def _versions_at(path: pathlib.Path, name: str) -> list[RoyaltyPolicy]:
    if not path.is_dir():
        return [read_policy(path, name)]
    files = sorted(
        file for file in path.iterdir() if file.suffix in (".yaml", ".yml") and not file.name.startswith(".")
    )
    if not files:
        raise UserError(f"--policy {name}: the folder holds no YAML file; give a file, or a folder of one's versions.")
    versions = [read_policy(file, str(file)) for file in files]
    ids = sorted({policy.policy_id for policy in versions})
    if len(ids) > 1:
        raise UserError(
            f"--policy {name}: the folder holds several policies ({', '.join(ids)}); give each a --policy of its own."
        )
    for earlier, later in itertools.combinations(versions, 2):
        if earlier.version == later.version:
            raise UserError(
                f"--policy {name}: two files are version {earlier.version!r} of {ids[0]}; rows name the version, "
                "so give each its own."
            )
    return versions


def _in_force(name: str, versions: list[RoyaltyPolicy], date: datetime.date) -> RoyaltyPolicy:
    in_force = [policy for policy in versions if policy.is_in_force(date)]
    if not in_force:
        spans = ", ".join(
            f"{policy.version} from {policy.effective_from}"
            + (f" to {policy.effective_to}" if policy.effective_to else "")
            for policy in sorted(versions, key=lambda policy: policy.effective_from)
        )
        raise UserError(f"--policy {name}: no version is in force on the run date {date}; there is {spans}.")
    latest = max(policy.effective_from for policy in in_force)
    begun = [policy for policy in in_force if policy.effective_from == latest]
    if len(begun) > 1:
        raise UserError(
            f"--policy {name}: the versions {' and '.join(sorted(policy.version for policy in begun))} both begin on "
            f"{latest}; change the effective_from of one."
        )
    return begun[0]


def _sentence(problem: Any) -> str:
    """One pydantic problem as ``key: value: what is wrong``."""
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(location[-1], RoyaltyPolicy.model_fields, n=1)
        return f"{key}: no such key" + (f"; did you mean {close[0]}?" if close else "")
    if problem["type"] == "missing":
        return f"{key}: is missing"
    message = problem["msg"].removeprefix("Value error, ")
    if not location:
        return str(message)
    shown = repr(problem["input"])
    return f"{key}: {shown if len(shown) <= 100 else shown[:99] + '…'}: {message[0].lower()}{message[1:]}"
