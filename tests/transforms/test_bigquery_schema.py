"""The BigQuery tables come from the declared schemas, and what may change in them is decided by rule."""

import pytest

from models.errors import UserError
from transforms.bigquery_schema import (
    BIGQUERY_TABLES,
    CLUSTERING,
    PARTITION_COLUMN,
    bigquery_columns,
    merged_columns,
    missing_columns,
    relaxed_columns,
    sql_type,
)
from transforms.bigquery_views import qualified


@pytest.mark.parametrize("table", BIGQUERY_TABLES)
def test_every_table_has_its_columns_its_partition_and_its_clusters(table):
    columns = {column["name"]: column for column in bigquery_columns(BIGQUERY_TABLES[table])}
    assert list(columns) == BIGQUERY_TABLES[table].names
    assert (columns[PARTITION_COLUMN]["type"], columns[PARTITION_COLUMN]["mode"]) == ("DATE", "REQUIRED")
    assert all(column["description"] for column in columns.values())
    assert len(CLUSTERING[table]) <= 4  # BigQuery's limit
    for name in CLUSTERING[table]:
        assert (columns[name]["type"], columns[name]["mode"] != "REPEATED") == ("STRING", True)


def test_lists_are_repeated_and_nullability_is_kept():
    found = {c["name"]: (sql_type(c), c["mode"]) for c in bigquery_columns(BIGQUERY_TABLES["track_labels"])}
    assert found["flags"] == ("ARRAY<STRING>", "REPEATED")
    assert found["confidence"] == ("FLOAT64", "REQUIRED")
    assert found["title"] == ("STRING", "NULLABLE")


def live(**changed):
    """A live table as BigQuery tells of it, with its older names of types."""
    older = {"FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "INT64": "INTEGER"}
    columns = bigquery_columns(BIGQUERY_TABLES["royalty_treatments"])
    return [c | {"type": older.get(c["type"], c["type"])} | changed.get(c["name"], {}) for c in columns]


def test_a_table_as_declared_needs_nothing():
    assert missing_columns("royalty_treatments", live()) == []
    assert relaxed_columns("royalty_treatments", live()) == []
    assert merged_columns("royalty_treatments", live()) == live()


def test_a_missing_nullable_column_is_added_at_the_end():
    there = [column for column in live() if column["name"] != "ineligible_reason"]
    (added,) = missing_columns("royalty_treatments", there)
    assert (added["name"], added["mode"]) == ("ineligible_reason", "NULLABLE")
    assert [c["name"] for c in merged_columns("royalty_treatments", there)] == [
        *(c["name"] for c in there), "ineligible_reason"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("there", "sentence"),
    [(live(eligible={"type": "STRING"}), "eligible of table royalty_treatments is STRING in BigQuery, and this Earmark "
      "writes BOOL"),
     (live(policy_id={"mode": "REPEATED"}), "policy_id of table royalty_treatments is ARRAY<STRING> in BigQuery"),
     ([*live(), {"name": "pool", "type": "NUMERIC"}], "has a column pool (NUMERIC) that this Earmark does not write"),
     (live()[1:], "track_id (STRING) of table royalty_treatments is new and may not be null")],
)  # fmt: skip
def test_what_would_break_readers_is_refused(there, sentence):
    with pytest.raises(UserError) as refusal:
        missing_columns("royalty_treatments", there)
    assert sentence in str(refusal.value)


def test_null_may_be_allowed_later_and_never_forbidden():
    assert relaxed_columns("royalty_treatments", live(ineligible_reason={"mode": "REQUIRED"})) == ["ineligible_reason"]
    assert relaxed_columns("royalty_treatments", live(policy_id={"mode": "NULLABLE"})) == []
    assert merged_columns("royalty_treatments", live(policy_id={"mode": "NULLABLE"}))[1]["mode"] == "NULLABLE"


def test_tables_get_their_data_set_and_columns_of_that_name_none():
    sql = "SELECT SUM(streams) AS streams FROM streams AS s JOIN track_labels USING (x) WHERE streams > 0"
    assert qualified(sql, "p.d") == (
        "SELECT SUM(streams) AS streams FROM `p.d.streams` AS s JOIN `p.d.track_labels` USING (x) WHERE streams > 0"
    )
