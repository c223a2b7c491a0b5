"""The view coverage_by_licensor, the page and the payout preview, of the same tables and streams: one count."""

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.build_warehouse import run as build_warehouse
from pipelines.preview_payout import run as preview_payout
from tests.pipelines.published_run import publish_run
from tests.transforms.published_tables import ask
from transforms.published_runs import read_published_run
from transforms.report_figures import count_figures
from transforms.run_tables import RunTables
from transforms.streams_parquet import STREAMS
from transforms.table_schemas import TABLES


def test_the_view_agrees_with_the_page_and_the_payout_about_tracks_that_lost_their_label(tmp_path):
    output, streams = tmp_path / "out", tmp_path / "streams.parquet"
    labels = publish_run(output, "2026-11-23", "spotify", run_id="run-1", tracks=18)
    dead = {column: labels[0][column] for column in ("model_version", "taxonomy_version")}
    dead |= {"catalog_row": "{}", "stage": "audio", "error_type": "missing_audio", "message": "there is no file"}
    publish_run(
        output, "2026-11-24", "spotify", run_id="run-2",
        labels=labels[4:], dead_letters=[dead | {"track_id": row["track_id"]} for row in labels[:3]],
    )  # fmt: skip
    rows = [
        {"track_id": row["track_id"], "month": "2026-11", "licensor": "AB"[number % 2], "streams": 10 + number}
        for number, row in enumerate(labels)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=STREAMS), streams)

    flags = ["--tables", str(output), "--streams", str(streams)]
    assert build_warehouse([*flags, "--database", str(tmp_path / "w.duckdb")]) == 0
    in_view = ask(
        tmp_path / "w.duckdb",
        "SELECT licensor, tracks - labelled_tracks, music_tracks, functional_tracks, speech_tracks, streams "
        "FROM coverage_by_licensor ORDER BY licensor",
    )
    tables = read_published_run(str(output), None)
    files = RunTables({table: [file.uri for file in tables.files_of(table)] for table in TABLES})
    on_page = [
        (one.licensor, one.unlabelled, one.music, one.functional, one.speech, one.streams)
        for one in count_figures(files, 0, [str(streams)]).licensors
    ]
    assert in_view == sorted(on_page)
    # Tracks 0, 1 and 2 are dead letters, and the latest run does not list track 3.
    assert [row[:2] for row in in_view] == [("A", 2), ("B", 2)]
    assert ask(tmp_path / "w.duckdb", "SELECT licensor, dead_letter_tracks FROM coverage_by_licensor ORDER BY 1") == [
        ("A", 2), ("B", 1)
    ]  # fmt: skip

    assert preview_payout([*flags, "--policy", "spotify", "--output", str(tmp_path / "payout")]) == 0
    unlabelled = pq.read_table(tmp_path / "payout" / "unlabelled_tracks.parquet").to_pylist()
    assert [row["track_id"] for row in unlabelled] == [row["track_id"] for row in labels[:4]]
