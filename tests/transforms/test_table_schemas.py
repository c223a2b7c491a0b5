"""The tables are what the contract says, and the page about them is up to date."""

import pathlib

import pyarrow as pa
import pytest

from models.decision import FLAGS
from transforms.records import ERROR_MEANINGS, ErrorType
from transforms.table_docs import render
from transforms.table_schemas import SORT_KEYS, TABLES

LINEAGE = "model_version taxonomy_version run_id run_date"
#: Behind those of the contract, nullable.
ADDED = {"track_labels": "licensor"}
CONTRACT = {
    "track_labels": "track_id isrc release_id title artist audio_uri audio_sha256 duration_s category functional_type "
    "decision confidence p_music p_functional p_speech music_fraction functional_fraction speech_fraction duplicate_of "
    "flags label_source",
    "track_segments": "track_id start_s end_s category functional_type confidence",
    "track_embeddings": "track_id audio_sha256 embedding",
    "royalty_treatments": "track_id policy_id policy_version royalty_class eligible ineligible_reason stream_weight "
    "ddex_sound_recording_type",
    "audio_versions": "track_id audio_uri audio_sha256 size_bytes storage_version audio_etag",
    "dead_letters": "track_id catalog_row stage error_type message",
}


@pytest.mark.parametrize("table", CONTRACT)
def test_columns_are_the_contract(table):
    assert TABLES[table].names == f"{CONTRACT[table]} {LINEAGE} {ADDED.get(table, '')}".split()
    assert all(TABLES[table].field(name).nullable for name in ADDED.get(table, "").split())


def test_no_other_tables():
    assert TABLES.keys() == CONTRACT.keys() == SORT_KEYS.keys()


@pytest.mark.parametrize("table", CONTRACT)
def test_every_column_is_described_and_sort_keys_exist(table):
    assert all((field.metadata or {}).get(b"description") for field in TABLES[table])
    assert set(SORT_KEYS[table]) <= set(TABLES[table].names)


def test_types_that_consumers_rely_on():
    labels = TABLES["track_labels"]
    assert labels.field("run_date").type == pa.date32()
    assert labels.field("confidence").type == pa.float64()
    assert labels.field("flags").type.value_type == pa.string()
    assert TABLES["track_embeddings"].field("embedding").type.value_type == pa.float32()
    nullable = {field.name for field in labels if field.nullable}
    assert nullable == {"isrc", "release_id", "title", "artist", "functional_type", "duplicate_of", "licensor"}


def test_every_error_type_and_flag_is_explained():
    assert set(ERROR_MEANINGS) == set(ErrorType)
    page = render()
    for name in (*FLAGS, *(error.value for error in ErrorType)):
        assert f"| `{name}` |" in page


def test_the_page_is_up_to_date():
    page = pathlib.Path(__file__).parents[2] / "docs" / "tables.md"
    assert page.read_text(encoding="utf-8") == render(), "run: make docs"
