"""All figures of a comparison as one JSON document, and rows of tracks to show. The same runs give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

from models.payout_shares import SHARE_UNITS, differences, scaled
from models.taxonomy import CATEGORIES, FUNCTIONAL, MUSIC
from transforms.comparison_money import MovedMoney
from transforms.gates import GateReading
from transforms.publish_manifest import ROW_SETTINGS, changed_settings
from transforms.published_runs import PublishedRun
from transforms.run_changes import CAUSES, SIDES, LabelChanges, config_differs

COMPARISON_VERSION: Final = 1
#: Most rows of a list that could be as long as a catalog; the Parquet files have all.
MOST_ROWS: Final = 100
STATES: Final = ("labelled", "dead_letter", "absent")


def comparison_record(
    connection: Any, runs: tuple[PublishedRun, PublishedRun], changes: LabelChanges, money: Sequence[MovedMoney],
    month: str | None, pool: str | None, limits: Sequence[GateReading],
) -> dict[str, Any]:  # fmt: skip
    """Compose ``comparison.json``.

    Parameters
    ----------
    connection
        With the tables of :func:`transforms.comparison_tables.write_comparison_tables`.
    month, pool
        Of the streams; null without any.
    limits
        What was held against a limit.
    """
    return {
        "comparison_version": COMPARISON_VERSION,
        **{side: _run(run) for side, run in zip(SIDES, runs, strict=True)},
        "config_changed": config_differs(*runs),
        "config_changes": _config_changes(*runs),
        "limits": [reading.to_json() for reading in limits],
        "tracks": _tracks(connection, changes),
        "confusion": _confusion(connection),
        "causes": _causes(connection),
        "functional_types": _type_changes(connection),
        "states": _states(connection),
        "dead_letters": _dead_letters(connection),
        "drift": _drift(connection),
        "money": None if month is None else {"month": month, "pool": pool, "policies": [_money(m) for m in money]},
    }


def _run(run: PublishedRun) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "run_date": run.run_date.isoformat(),
        "model_version": run.model_version,
        "taxonomy_version": run.taxonomy_version,
        "config_sha256": run.config_sha256 or None,
        "config": {name: run.manifest.get("config", {}).get(name) for name in ROW_SETTINGS},
        "policies": {policy["policy_id"]: policy["version"] for policy in run.manifest.get("policies", ())},
        "labels": run.rows("track_labels"),
        "dead_letters": run.rows("dead_letters"),
    }


def _config_changes(before: PublishedRun, after: PublishedRun) -> list[dict[str, Any]]:
    """Settings of labels that differ, by their dotted key; none where a run does not say."""
    if not config_differs(before, after):
        return []
    settings = [{name: run.manifest["config"].get(name) for name in ROW_SETTINGS} for run in (before, after)]
    return [{"key": key, "before": old, "after": new} for key, old, new in changed_settings(*settings)]


def _tracks(connection: Any, changes: LabelChanges) -> dict[str, Any]:
    row = connection.execute(
        """
        SELECT count(*) FILTER (functional_type_changed), count(*) FILTER (decision_changed),
            count(*) FILTER (treatment_changed),
            count(*) FILTER (category_changed OR functional_type_changed OR decision_changed)
        FROM changed
        """
    ).fetchone()
    names = ("functional_type_changed", "decision_changed", "treatment_changed", "label_changed")
    return {
        "labelled_in_both": changes.both,
        "category_changed": changes.changed,
        "changed_share": changes.changed_share,
        "music_before": changes.music_before,
        "music_to_functional": changes.music_to_functional,
        "music_to_functional_auto": changes.music_to_functional_auto,
        "music_to_functional_share": changes.music_to_functional_share,
        **dict(zip(names, row, strict=True)),
    }


def _confusion(connection: Any) -> dict[str, dict[str, int]]:
    """Tracks by category before (outer) and after (inner)."""
    found = connection.execute(
        "SELECT b.category, a.category, count(*) FROM labels_before AS b JOIN labels_after AS a USING (track_id) "
        "GROUP BY ALL"
    ).fetchall()
    counts = {(was, now): tracks for was, now, tracks in found}
    # A run of another taxonomy may have had categories that are no more.
    categories = [*CATEGORIES, *sorted({name for pair in counts for name in pair} - set(CATEGORIES))]
    return {was: {now: counts.get((was, now), 0) for now in categories} for was in categories}


def _causes(connection: Any) -> list[dict[str, Any]]:
    found = connection.execute(
        """
        SELECT cause, count(*), count(*) FILTER (category_changed),
            count(*) FILTER (category_before = $music AND category_after = $functional), sum(streams)::BIGINT
        FROM changed_tracks GROUP BY cause
        """,
        {"music": MUSIC, "functional": FUNCTIONAL},
    ).fetchall()
    names = ("cause", "tracks", "category_changed", "music_to_functional", "streams")
    rows = [dict(zip(names, row, strict=True)) for row in found]
    return sorted(rows, key=lambda row: list(CAUSES).index(row["cause"]))


def _type_changes(connection: Any) -> list[dict[str, Any]]:
    """Tracks that changed category or type, by both, most first; a type of null is no functional track."""
    found = connection.execute(
        """
        SELECT category_before, functional_type_before, category_after, functional_type_after, count(*) AS tracks
        FROM changed_tracks WHERE category_changed OR functional_type_changed
        GROUP BY ALL
        ORDER BY tracks DESC, category_before, functional_type_before, category_after, functional_type_after
        """
    ).fetchall()
    names = ("category_before", "functional_type_before", "category_after", "functional_type_after", "tracks")
    return [dict(zip(names, row, strict=True)) for row in found]


def _states(connection: Any) -> dict[str, dict[str, int]]:
    """Tracks by state before (outer) and after (inner): labelled, dead letter or absent."""
    found = connection.execute(
        "SELECT coalesce(b.state, 'absent'), coalesce(a.state, 'absent'), count(*) "
        "FROM states_before AS b FULL JOIN states_after AS a USING (track_id) GROUP BY ALL"
    ).fetchall()
    counts = {(was, now): tracks for was, now, tracks in found}
    return {was: {now: counts.get((was, now), 0) for now in STATES} for was in STATES}


def _dead_letters(connection: Any) -> list[dict[str, Any]]:
    """Rows of ``dead_letters`` by cause in both runs, with the tracks that became and ceased to be one."""
    found = connection.execute(
        """
        WITH counted AS (
            SELECT error_type, count(*) AS before, 0 AS after, 0 AS became, 0 AS ceased
            FROM dead_letters_before GROUP BY error_type
            UNION ALL SELECT error_type, 0, count(*), 0, 0 FROM dead_letters_after GROUP BY error_type
            UNION ALL SELECT error_type_after, 0, 0, count(*), 0 FROM presence_changes
                WHERE state_before = 'labelled' AND state_after = 'dead_letter' GROUP BY ALL
            UNION ALL SELECT error_type_before, 0, 0, 0, count(*) FROM presence_changes
                WHERE state_before = 'dead_letter' AND state_after = 'labelled' GROUP BY ALL
        )
        SELECT error_type, sum(before)::BIGINT, sum(after)::BIGINT, sum(became)::BIGINT, sum(ceased)::BIGINT
        FROM counted GROUP BY error_type ORDER BY error_type
        """
    ).fetchall()
    names = ("error_type", "rows_before", "rows_after", "became", "ceased")
    return [dict(zip(names, row, strict=True)) for row in found]


def _drift(connection: Any) -> dict[str, Any]:
    """Rows of the file ``drift`` by dimension; of licensors those with the most tracks that changed category."""
    names = ("value", "tracks_before", "tracks_after", "share_before", "share_after", "share_change")
    drift: dict[str, Any] = {}
    for dimension in ("category", "functional_type", "decision", "flag"):
        found = connection.execute(
            f"SELECT {', '.join(names)} FROM drift WHERE dimension = $dimension ORDER BY value",  # noqa: S608
            {"dimension": dimension},
        ).fetchall()
        drift[dimension] = [dict(zip(names, row, strict=True)) for row in found]
    return drift | {"licensor": _licensors(connection)}


def _licensors(connection: Any) -> dict[str, Any]:
    columns = ", ".join(
        f"count(*) FILTER ({side[0]}.category = '{category}') AS {category}_{side}"
        for category in CATEGORIES
        for side in SIDES
    )
    found = connection.execute(
        f"""
        SELECT licensor, count(*) AS tracks, sum(streams)::BIGINT AS streams, {columns},
            count(*) FILTER (b.category <> a.category) AS category_changed,
            count(*) FILTER (b.category = 'music' AND a.category = 'functional') AS music_to_functional,
            coalesce(sum(streams) FILTER (b.category <> a.category), 0)::BIGINT AS streams_changed,
            count(*) OVER () AS licensors
        FROM month_streams LEFT JOIN labels_before AS b USING (track_id) LEFT JOIN labels_after AS a USING (track_id)
        GROUP BY licensor
        ORDER BY streams_changed DESC, category_changed DESC, streams DESC, licensor NULLS FIRST
        LIMIT {MOST_ROWS}
        """  # noqa: S608 - names of ours
    )
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {"licensors": rows[0]["licensors"] if rows else 0, "rows": [_without(row, "licensors") for row in rows]}


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def _money(money: MovedMoney) -> dict[str, Any]:
    """Shares and amounts as text, exactly."""
    has_pool = money.moved_cents is not None
    by_class = _summed(money, 1)
    licensors = sorted(_summed(money, 0), key=lambda row: (-abs(row["units"]), row["key"] or "", row["key"] is None))
    return {
        "policy_id": money.policy_id,
        "version_before": money.before.terms.version,
        "version_after": money.after.terms.version,
        "divided_in_both": money.divided,
        "moved_share": share_text(money.moved_share),
        "moved_between_licensors_share": share_text(Fraction(money.moved_between_licensors, SHARE_UNITS)),
        "moved_between_licensors_amount": _amount(money.moved_cents) if has_pool else None,
        "tracks": money.tracks,
        "royalty_classes": [_parts(row, "royalty_class", has_pool) for row in by_class],
        "licensors": [_parts(row, "licensor", has_pool) for row in licensors[:MOST_ROWS]],
        "licensor_count": len(licensors),
        "top_tracks": [
            {name: value if name in _NUMBERS or value is None else str(value) for name, value in row.items()}
            for row in money.top_tracks
        ],
    }


_NUMBERS: Final = ("streams", "share_difference")


def _summed(money: MovedMoney, part: int) -> list[dict[str, Any]]:
    """Shares and cents before and after, summed by licensor (part 0 of a cell's key) or class (1), in order."""
    rows: dict[str | None, dict[str, Any]] = {}
    for name, before, after in (
        ("units", money.before.shares, money.after.shares),
        ("cents", money.before.cents, money.after.cents),
    ):
        for key, was, now in differences(before, after):
            zeros = {f"{what}{end}": 0 for what in ("units", "cents") for end in ("", "_before", "_after")}
            row = rows.setdefault(key[part], {"key": key[part]} | zeros)
            row[f"{name}_before"] += was
            row[f"{name}_after"] += now
            row[name] += now - was
    return sorted(rows.values(), key=lambda row: (row["key"] is not None, row["key"] or ""))


def _parts(row: dict[str, Any], name: str, has_pool: bool) -> dict[str, Any]:
    parts: dict[str, Any] = {name: row["key"]}
    for end, suffix in (("_before", "_before"), ("_after", "_after"), ("", "_difference")):
        parts[f"share{suffix}"] = str(scaled(row[f"units{end}"], 9))
        parts[f"amount{suffix}"] = _amount(row[f"cents{end}"]) if has_pool else None
    return parts


def _amount(cents: int | None) -> str | None:
    return None if cents is None else str(scaled(cents, 2))


def share_text(share: Fraction | None) -> str | None:
    """A share rounded to nine decimals."""
    return None if share is None else str(scaled(round(share * SHARE_UNITS), 9))


def changed_rows(connection: Any, where: str, limit: int = MOST_ROWS) -> list[dict[str, Any]]:
    """Rows of ``changed_tracks``, those with most streams at stake first, then the most confident.

    Parameters
    ----------
    where
        A condition of ours.
    """
    found = connection.execute(
        f"SELECT * FROM changed_tracks WHERE {where} "  # noqa: S608 - see above
        f"ORDER BY streams DESC NULLS LAST, confidence_after DESC, track_id LIMIT {limit}"
    )
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def presence_rows(connection: Any, before: str, after: str, limit: int = MOST_ROWS) -> list[dict[str, Any]]:
    """Rows of ``presence_changes`` from one state to another, those with most streams at stake first."""
    found = connection.execute(
        "SELECT * FROM presence_changes WHERE state_before = $before AND state_after = $after "  # noqa: S608
        f"ORDER BY streams DESC NULLS LAST, track_id LIMIT {limit}",
        {"before": before, "after": after},
    )
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
