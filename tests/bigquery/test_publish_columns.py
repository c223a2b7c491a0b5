"""Columns that change: a new one that may be null is added, anything that would break a reader is refused."""

import datetime
import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import UserError
from pipelines.publish_tables import run
from tests.bigquery.emulated_bigquery import PROJECT
from tests.bigquery.publishing import DAY, flags, make_run, rows_in_bigquery, rows_of_files
from transforms.bigquery_schema import BIGQUERY_TABLES
from transforms.table_schemas import TABLES

NEXT_DAY = DAY + datetime.timedelta(days=1)


@pytest.fixture
def declare(monkeypatch):
    """Changes what is declared for track_labels, as another version of Earmark would."""

    def change(schema: pa.Schema) -> None:
        for declared in (TABLES, BIGQUERY_TABLES):
            monkeypatch.setitem(declared, "track_labels", schema)

    return change


def column(name, kind, nullable=True):
    return pa.field(name, kind, nullable, {"description": f"New: {name}."})


def in_schema(output, schema):
    """Bring the labels of a published run into another schema, new columns filled, as another Earmark would have."""
    (manifest_path,) = output.glob("runs/*/manifest.json")
    manifest = json.loads(manifest_path.read_text())
    for entry in manifest["files"]:
        if entry["table"] == "track_labels":
            path = output / entry["path"]
            old = pq.ParquetFile(path).read()
            new = {pa.float64(): -23.5, pa.list_(pa.string()): ["a", "b"]}
            filled = [
                old[f.name] if f.name in old.column_names else pa.array([new[f.type]] * len(old), f.type)
                for f in schema
            ]
            pq.write_table(pa.Table.from_arrays(filled, schema=schema), path)
            data = path.read_bytes()
            entry.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    manifest_path.write_text(json.dumps(manifest))


def test_new_columns_are_added_and_old_readers_and_old_files_go_on(server, new_dataset, output, declare, tmp_path):
    dataset = new_dataset()
    assert run(flags(server, output, dataset)) == 0
    by_name = f"SELECT {', '.join(TABLES['track_labels'].names)} FROM `{PROJECT}.{dataset}.track_labels`"
    all_columns = f"SELECT * FROM `{PROJECT}.{dataset}.track_labels` ORDER BY track_id"
    before, before_all = sorted(server.ask(by_name), key=str), server.ask(all_columns)

    first, *others = TABLES["track_labels"]
    schema = pa.schema([first, column("loudness_lufs", pa.float64()), column("tags", pa.list_(pa.string())), *others])
    make_run(tmp_path, "later", 6, NEXT_DAY)
    in_schema(tmp_path, schema)
    declare(schema)
    assert run(flags(server, tmp_path, dataset, NEXT_DAY)) == 0

    live = server.client.get_table(f"{PROJECT}.{dataset}.track_labels").schema
    assert [(field.name, field.mode) for field in live][-2:] == [("loudness_lufs", "NULLABLE"), ("tags", "REPEATED")]
    assert live[-2].description == "New: loudness_lufs."
    old_day = f" WHERE run_date = DATE '{DAY}'"
    assert sorted(server.ask(by_name + old_day), key=str) == before
    found = server.ask(all_columns.replace(" ORDER", f"{old_day} ORDER"))
    assert [row[: len(before_all[0])] for row in found] == before_all
    assert rows_in_bigquery(server, dataset, "track_labels", NEXT_DAY) == rows_of_files(
        tmp_path, "track_labels", NEXT_DAY
    )

    # A run that was made before there were such columns.
    server.ask(f"DELETE FROM `{PROJECT}.{dataset}.published_runs` WHERE TRUE")
    assert run(flags(server, output, dataset)) == 0
    assert sorted(server.ask(by_name + old_day), key=str) == before


def test_a_column_that_may_be_null_by_now(server, new_dataset, output, declare, tmp_path):
    dataset = new_dataset()
    assert run(flags(server, output, dataset)) == 0
    position = TABLES["track_labels"].get_field_index("duration_s")
    relaxed = TABLES["track_labels"].field(position).with_nullable(True)
    schema = TABLES["track_labels"].set(position, relaxed)
    make_run(tmp_path, "later", 6, NEXT_DAY)
    in_schema(tmp_path, schema)
    declare(schema)
    assert run(flags(server, tmp_path, dataset, NEXT_DAY)) == 0
    (live,) = [f for f in server.client.get_table(f"{PROJECT}.{dataset}.track_labels").schema if f.name == "duration_s"]
    assert live.mode == "NULLABLE"


def changed_type(schema):
    position = schema.get_field_index("confidence")
    return schema.set(position, column("confidence", pa.string(), nullable=False))


def list_of(schema):
    position = schema.get_field_index("title")
    return schema.set(position, column("title", pa.list_(pa.string()), nullable=False))


def removed(schema):
    return schema.remove(schema.get_field_index("isrc"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [(changed_type, "The column confidence of table track_labels is FLOAT64 in BigQuery, and this Earmark writes "
      "STRING"),
     (list_of, "The column title of table track_labels is STRING in BigQuery, and this Earmark writes ARRAY<STRING>"),
     (removed, "The table track_labels in BigQuery has a column isrc (STRING) that this Earmark does not write"),
     (lambda schema: schema.append(column("loudness", pa.float64(), nullable=False)),
      "The column loudness (FLOAT64) of table track_labels is new and may not be null")],
)  # fmt: skip
def test_what_would_break_readers_is_refused_before_anything_is_done(
    server, dataset, output, declare, change, sentence
):
    expected = rows_of_files(output, "track_segments")
    declare(change(TABLES["track_labels"]))
    before = len(server.requests)
    with pytest.raises(UserError) as refusal:
        run(flags(server, output, dataset))
    assert sentence in str(refusal.value)
    assert {request.split()[0] for request in server.requests[before:]} == {"GET"}
    assert rows_in_bigquery(server, dataset, "track_segments") == expected


def test_a_table_that_is_not_partitioned_as_ours(server, new_dataset, output):
    dataset = new_dataset()
    server.client.create_table(f"{PROJECT}.{dataset}.track_labels")
    with pytest.raises(UserError, match=r"track_labels is no table partitioned by the day of run_date"):
        run(flags(server, output, dataset))
