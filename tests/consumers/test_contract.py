"""Fails when a column changes its type or meaning, or goes: on the schemas, the real files and the warehouse."""

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.decision import FLAGS
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from tests.consumers import contract
from tests.consumers.contract import COLUMNS, RULES, broken_rules, column_breaches
from transforms.records import ErrorType, Stage
from transforms.table_schemas import TABLES

SQL_TYPES = {
    pa.string(): "VARCHAR", pa.float64(): "DOUBLE", pa.bool_(): "BOOLEAN", pa.date32(): "DATE",
    pa.float32(): "FLOAT", pa.int64(): "BIGINT",
}  # fmt: skip


def columns_of(schema: pa.Schema) -> dict[str, str]:
    def sql_type(kind: pa.DataType) -> str:
        return sql_type(kind.value_type) + "[]" if pa.types.is_list(kind) else SQL_TYPES.get(kind, str(kind))

    return {f.name: sql_type(f.type) + ("" if f.nullable else " NOT NULL") for f in schema}


def test_the_declared_schemas_are_what_consumers_rely_on():
    assert TABLES.keys() >= COLUMNS.keys()
    assert [breach for table in COLUMNS for breach in column_breaches(table, columns_of(TABLES[table]))] == []


def test_the_published_files_are_what_consumers_rely_on(sample_output):
    for table in COLUMNS:
        files = sorted(sample_output.glob(f"{table}/run_date=*/*.parquet"))
        assert files
        for file in files:
            assert column_breaches(table, columns_of(pq.read_schema(file))) == []
            with duckdb.connect() as connection:
                types = connection.execute("DESCRIBE FROM read_parquet(?)", [str(file)]).fetchall()
            wanted = {name: kind.removesuffix(" NOT NULL") for name, kind in COLUMNS[table].items()}
            assert wanted.items() <= {name: kind for name, kind, *_ in types}.items()


def test_the_warehouse_is_what_consumers_rely_on(warehouse):
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for table in COLUMNS:
            found = connection.execute(
                "SELECT column_name, data_type || if(is_nullable, '', ' NOT NULL') FROM duckdb_columns() "
                "WHERE table_name = ?", [table],
            ).fetchall()  # fmt: skip
            assert column_breaches(table, dict(found)) == []
        for view, wanted in contract.VIEW_COLUMNS.items():
            assert wanted <= {row[0] for row in connection.execute(f"DESCRIBE {view}").fetchall()}, view


def test_the_words_are_what_consumers_rely_on():
    assert set(contract.CATEGORIES) == set(CATEGORIES)
    assert set(contract.FUNCTIONAL_TYPES) == set(FUNCTIONAL_TYPES)
    assert set(contract.STAGES) == set(Stage)
    assert FLAGS.keys() >= contract.KNOWN_FLAGS
    assert {str(error) for error in ErrorType} >= contract.KNOWN_ERROR_TYPES


def test_the_values_of_the_sample_are_what_consumers_rely_on(warehouse):
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        assert broken_rules(connection) == set()
        assert connection.execute("SELECT count(*) > 100 FROM track_labels").fetchone() == (True,)


TREATMENT = (
    "INSERT INTO royalty_treatments SELECT track_id, 'p', '1', '{royalty_class}', {eligible}, {reason}, {weight}, "
    "NULL, model_version, taxonomy_version, run_id, run_date FROM track_labels WHERE track_id = 'trk_0001'"
)
SOUND = {"royalty_class": "music", "eligible": True, "reason": "NULL", "weight": 1.0}


def treatment(**changed) -> str:
    return TREATMENT.format(**SOUND | changed)


ONE = "WHERE track_id = 'trk_0001'"
#: Rule → a change of one row that must break it.
MUTATIONS = {
    "one label per track and run": "INSERT INTO track_labels FROM track_labels WHERE track_id = 'trk_0001'",
    "category is one of three": f"UPDATE track_labels SET category = 'noise' {ONE}",
    "functional_type is set for functional alone": f"UPDATE track_labels SET functional_type = 'noise' {ONE}",
    "decision is auto or review": f"UPDATE track_labels SET decision = 'manual' {ONE}",
    "a review says why": f"UPDATE track_labels SET decision = 'review', flags = [] {ONE}",
    "probabilities are a distribution": f"UPDATE track_labels SET p_music = 100 * p_music {ONE}",
    "confidence is the category's probability": f"UPDATE track_labels SET confidence = 0.5 {ONE}",
    "category is the likeliest": f"UPDATE track_labels SET category = 'speech', confidence = p_speech {ONE}",
    "fractions are 0 to 1": f"UPDATE track_labels SET music_fraction = 100 {ONE}",
    "duration is seconds of sound": f"UPDATE track_labels SET duration_s = 1000 * duration_s {ONE}",
    "audio is named by its SHA-256": f"UPDATE track_labels SET audio_sha256 = left(audio_sha256, 32) {ONE}",
    "duplicate_of is the first track with the audio": f"UPDATE track_labels SET duplicate_of = track_id {ONE}",
    "flags are known and sorted": f"UPDATE track_labels SET flags = ['uncertain', 'mixed_content'] {ONE}",
    "label_source is known": f"UPDATE track_labels SET label_source = 'title' {ONE}",
    "a run has one model and taxonomy": f"UPDATE track_labels SET model_version = 'other' {ONE}",
    "run_id begins with its date": f"UPDATE track_embeddings SET run_id = 'run' {ONE}",
    "lineage is filled in": "UPDATE dead_letters SET taxonomy_version = ''",
    "a label or a dead letter, never both": "UPDATE dead_letters SET track_id = 'trk_0001' WHERE stage = 'decode'",
    "one embedding per label, of the same audio": f"DELETE FROM track_embeddings {ONE}",
    "embeddings have unit length": "UPDATE track_embeddings SET embedding = list_transform(embedding, lambda x: 2 * x)",
    "embeddings of a model have one size": f"UPDATE track_embeddings SET embedding = embedding[:64] {ONE}",
    "segments lie in their track, in order": f"UPDATE track_segments SET end_s = 1000 * end_s {ONE}",
    "segments have a category and type": f"UPDATE track_segments SET functional_type = 'music' {ONE}",
    "every label has a segment": f"DELETE FROM track_segments {ONE}",
    "stage is known": "UPDATE dead_letters SET stage = 'label'",
    "error_type is known": "UPDATE dead_letters SET error_type = 'Error'",
    "a dead letter explains itself": "UPDATE dead_letters SET catalog_row = '{' WHERE error_type = 'missing_audio'",
    "royalty_class is known": treatment(royalty_class="noise"),
    "ineligible has a reason, eligible none": treatment(eligible=False),
    "no stream weighs less than nothing": treatment(weight=-1),
    "a policy treats a labelled track once": "; ".join([treatment(), treatment()]),
}


@pytest.fixture(scope="module")
def writable(warehouse, tmp_path_factory):
    copy = tmp_path_factory.mktemp("mutated") / "w.duckdb"
    copy.write_bytes(warehouse.read_bytes())
    with duckdb.connect(str(copy)) as connection:
        yield connection


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_notices_a_single_wrong_row(writable, rule):
    writable.execute("BEGIN")
    try:
        writable.execute(MUTATIONS[rule])
        assert rule in broken_rules(writable, [rule])
    finally:
        writable.execute("ROLLBACK")


def test_sound_treatments_break_no_rule(writable):
    writable.execute("BEGIN")
    try:
        writable.execute(treatment())
        writable.execute(treatment(eligible=False, reason="'shorter than 30 s'", weight=0).replace("'p'", "'q'"))
        assert broken_rules(writable) == set()
    finally:
        writable.execute("ROLLBACK")


def test_changed_columns_are_noticed_and_a_new_nullable_one_is_not():
    labels = TABLES["track_labels"]
    index = labels.get_field_index("confidence")
    confidence = labels.field(index)

    def breaches(schema: pa.Schema) -> list[str]:
        return column_breaches("track_labels", columns_of(schema))

    assert breaches(labels.append(pa.field("mood", pa.string()))) == []
    assert breaches(labels.append(pa.field("mood", pa.string(), nullable=False))) == [
        "track_labels.mood must be nullable"
    ]
    for changed in (
        labels.remove(index),
        labels.set(index, confidence.with_type(pa.float32())),
        labels.set(index, confidence.with_nullable(True)),
        labels.set(index, confidence.with_name("score").with_nullable(True)),
    ):
        (breach,) = breaches(changed)
        assert breach.startswith("track_labels.confidence is ")
