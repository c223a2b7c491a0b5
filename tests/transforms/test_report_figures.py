"""What a run's page counts from the tables: the queue's order above all."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transforms.report_tables import dead_letter, label, segment, treatment, write
from transforms.report_figures import CONFIDENCE_BINS, count_figures
from transforms.streams_parquet import STREAMS


def streams_file(folder, *rows) -> list[str]:
    path = folder / "streams.parquet"
    columns = [dict(zip(("track_id", "month", "licensor", "streams"), row, strict=True)) for row in rows]
    pq.write_table(pa.Table.from_pylist(columns, schema=STREAMS), path)
    return [str(path)]


def queue(figures) -> list[tuple[str, int, int | None]]:
    return [(item.label["track_id"], item.tracks, item.streams) for item in figures.queue]


@pytest.fixture
def labels() -> list[dict]:
    return [
        label("a", confidence=0.8),
        label("b", confidence=0.7),
        label("c1", "c", confidence=0.95),
        label("c2", "c", confidence=0.95, duplicate_of="c1"),
        label("c3", "c", confidence=0.95, decision="auto", duplicate_of="c1"),
        label("d", confidence=0.5, decision="auto"),
    ]


def test_without_streams_the_audio_that_settles_most_tracks_comes_first(labels, tmp_path):
    figures = count_figures(write(tmp_path, track_labels=labels), 10)
    assert queue(figures) == [("c1", 2, None), ("b", 1, None), ("a", 1, None)]
    assert figures.review_audios == 3
    assert figures.month is None
    assert figures.licensors == []


def test_streams_of_the_latest_month_come_first(labels, tmp_path):
    files = streams_file(
        tmp_path, ("a", "2026-01", "A", 5), ("a", "2026-01", "B", 2), ("b", "2025-12", "A", 900),
        ("c1", "2026-01", "A", 3), ("c2", "2026-01", None, 1), ("c3", "2026-01", "A", 50), ("x", "2026-01", "A", 4),
    )  # fmt: skip
    figures = count_figures(write(tmp_path, track_labels=labels), 10, files)
    assert queue(figures) == [("a", 1, 7), ("c1", 2, 4), ("b", 1, 0)]
    assert figures.month == "2026-01"
    found = [(row.licensor, row.music, row.unlabelled, row.review, row.streams) for row in figures.licensors]
    assert found == [("A", 3, 1, 2, 62), ("B", 1, 0, 1, 2), (None, 1, 0, 1, 1)]


def test_small_licensors_are_one_line(tmp_path):
    rows = [(f"t{number:02}", "2026-01", f"L{number:02}", 100 - number) for number in range(23)]
    figures = count_figures(write(tmp_path), 10, streams_file(tmp_path, *rows))
    last = figures.licensors[-1]
    assert (len(figures.licensors), last.others, last.unlabelled, last.streams) == (21, 3, 3, 80 + 79 + 78)
    assert sum(row.streams for row in figures.licensors) == sum(row[3] for row in rows)


def test_as_many_as_asked_for_with_their_segments_in_order(labels, tmp_path):
    segments = [segment("c1", 10, 20), segment("c1", 0, 10, category="speech"), segment("a", 0, 5)]
    figures = count_figures(write(tmp_path, track_labels=labels, track_segments=segments), 2)
    assert [(item.label["track_id"], len(item.segments)) for item in figures.queue] == [("c1", 2), ("b", 0)]
    assert [row["start_s"] for row in figures.queue[0].segments] == [0, 10]
    assert figures.queue[0].label["flags"] == ["uncertain"]
    assert count_figures(write(tmp_path, track_labels=labels), 0).queue == []


def test_confidence_is_counted_in_bins_by_decision(labels, tmp_path):
    labels += [label("e", confidence=1.0), label("f", confidence=0.0), label("g", confidence=0.05)]
    counts = count_figures(write(tmp_path, track_labels=labels), 1).confidence
    assert sum(map(sum, counts.values())) == len(labels)
    assert counts["review"][CONFIDENCE_BINS - 1] == 3  # 0.95 twice, and 1.0
    assert counts["auto"][CONFIDENCE_BINS - 1] == 1
    assert counts["review"][:2] == [1, 1]
    assert counts["auto"][10] == 1


def test_causes_with_a_few_examples_each(tmp_path):
    letters = [dead_letter(number) for number in range(5)]
    letters += [dead_letter(9, stage="catalog", error_type="invalid_row", track_id=None)]
    causes = count_figures(write(tmp_path, dead_letters=letters), 1).causes
    assert [(cause.stage, cause.error_type, cause.rows) for cause in causes] == [
        ("audio", "missing_audio", 5), ("catalog", "invalid_row", 1),
    ]  # fmt: skip
    assert [example["track_id"] for example in causes[0].examples] == ["gone-0", "gone-1", "gone-2"]
    assert causes[1].examples[0]["message"] == "no file 9"


def test_treatments_by_policy_and_class(tmp_path):
    rows = [treatment("a"), treatment("b"), treatment("c", royalty_class="functional", stream_weight=0.2)]
    found = count_figures(write(tmp_path, royalty_treatments=rows), 1).treatments
    assert [(row.policy_id, row.royalty_class, row.stream_weight, row.rows) for row in found] == [
        ("p", "functional", 0.2, 1), ("p", "music", 1.0, 2),
    ]  # fmt: skip


def test_no_rows_at_all(tmp_path):
    figures = count_figures(write(tmp_path), 12)
    assert (figures.queue, figures.review_audios, figures.causes, figures.treatments) == ([], 0, [], [])


def test_without_streams_the_licensors_are_those_of_the_catalog(labels, tmp_path):
    labels = [
        row | {"licensor": licensor} for row, licensor in zip(labels, ["A", "B", "A", "A", None, "B"], strict=True)
    ]
    labels[0]["category"] = "functional"
    figures = count_figures(write(tmp_path, track_labels=labels), 1)
    found = [
        (row.licensor, row.functional, row.music, row.review, row.unlabelled, row.streams) for row in figures.licensors
    ]
    assert found == [("A", 1, 2, 3, 0, 0), ("B", 0, 2, 1, 0, 0), (None, 0, 1, 0, 0, 0)]
    assert figures.month is None


def test_a_table_that_is_too_old_for_licensors(labels, tmp_path):
    tables = write(tmp_path, track_labels=[row | {"licensor": "A"} for row in labels])
    path = tmp_path / "track_labels-0.parquet"
    pq.write_table(pq.read_table(path).drop_columns("licensor"), path)
    found = {row.licensor: row.music for row in count_figures(tables, 1).licensors}
    assert found == {None: 3, "A": 3}
