"""The comparison of published runs: real files in, real files out."""

from __future__ import annotations

import html.parser
import json
import pathlib
import random
import re
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.compare_runs import run
from tests.pipelines.published_run import publish_run
from tests.transforms.compared_runs import dead_letter
from transforms.comparison_money import MOVED_MONEY, MOVED_TRACKS
from transforms.comparison_tables import COMPARISON_TABLES

HOSTILE = "<script>alert('1')</script>\u202e\x1b[2J\"><img src=x onerror=alert(1)>"
FUNCTIONAL = {"category": "functional", "functional_type": "noise"}
MUSIC = {"category": "music", "functional_type": None}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """One output folder with the runs ``a`` and ``b`` of two dates, and streams beside it."""
    output = tmp_path_factory.mktemp("compare") / "out"
    before = publish_run(output, "2026-11-23", "spotify", "deezer", run_id="a", tracks=60)
    for number, label in enumerate(before):
        label |= MUSIC if number < 40 else FUNCTIONAL
    publish_run(output, "2026-11-23", "spotify", "deezer", run_id="a", labels=before)
    after = [label | {"model_version": "m2"} for label in before]
    after[0] |= FUNCTIONAL | {"title": HOSTILE, "decision": "auto"}
    after[1] |= FUNCTIONAL | {"decision": "review"}
    after[2] |= FUNCTIONAL | {"audio_sha256": "f" * 64, "decision": "auto"}
    after[50] |= MUSIC
    gone = after.pop(59)
    dead = [dead_letter(after.pop(58)["track_id"]), dead_letter(None, "invalid_row")]
    fresh = after[3] | {"track_id": HOSTILE}
    publish_run(
        output, "2026-11-24", "spotify", "deezer", run_id="b", labels=[*after, fresh],
        dead_letters=[row | {"model_version": "m2"} for row in dead],
    )  # fmt: skip
    rng = random.Random(4)
    rows = [
        {"track_id": label["track_id"], "month": "2026-11", "licensor": rng.choice(["A", HOSTILE, None]),
         "streams": rng.randint(1000, 9999)}
        for label in [*after, fresh, gone]
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), output.parent / "streams.parquet")
    return output


def compared(tables, output, *flags, status=0):
    argv = ["--before", tables, "--after", tables, "--output", output, *flags]
    assert run([str(argument) for argument in argv]) == status
    found = {"json": json.loads((output / "comparison.json").read_text())}
    for path in output.glob("*.parquet"):
        found[path.stem] = pq.read_table(path).to_pylist()
    return found


@pytest.fixture(scope="module")
def whole(tables, tmp_path_factory):
    output = tmp_path_factory.mktemp("whole")
    flags = ("--streams", tables.parent / "streams.parquet", "--pool", "5000.01")
    return compared(tables, output, *flags) | {"folder": output}


def test_the_files_have_their_schemas(whole):
    schemas = {name: schema for name, (schema, *_) in COMPARISON_TABLES.items()}
    for name, schema in (schemas | {"moved_money": MOVED_MONEY, "moved_tracks": MOVED_TRACKS}).items():
        table = pq.read_table(whole["folder"] / f"{name}.parquet")
        assert table.schema.equals(schema, check_metadata=True), name
        assert all(field.metadata[b"description"] for field in schema)


def test_changed_tracks_have_the_evidence_of_both_sides(whole):
    rows = {row["track_id"]: row for row in whole["changed_tracks"]}
    assert sorted(rows) == [row["track_id"] for row in whole["changed_tracks"]]
    row = rows["träck-0000"]
    assert (row["category_before"], row["category_after"], row["functional_type_after"]) == (
        "music", "functional", "noise",
    )  # fmt: skip
    assert (row["cause"], row["audio_same"], row["model_version_before"], row["model_version_after"]) == (
        "model_changed", True, "m1", "m2",
    )  # fmt: skip
    assert row["title"] == HOSTILE
    assert [treatment["policy_id"] for treatment in row["treatments"]] == ["deezer", "spotify"]
    assert {t["royalty_class_after"] for t in row["treatments"]} == {"functional"}
    assert (rows["träck-0002"]["cause"], rows["träck-0002"]["audio_same"]) == ("audio_changed", False)
    assert {row["track_id"] for row in rows.values() if row["category_changed"]} == {
        "träck-0000", "träck-0001", "träck-0002", "träck-0050",
    }  # fmt: skip


def test_tracks_that_came_went_or_became_dead_letters(whole):
    rows = {row["track_id"]: row for row in whole["presence_changes"] if row["track_id"] != "gone-0"}
    states = {track_id: (row["state_before"], row["state_after"]) for track_id, row in rows.items()}
    assert states[HOSTILE] == ("absent", "labelled")
    assert states["träck-0059"] == ("labelled", "absent")
    assert states["träck-0058"] == ("labelled", "dead_letter")
    assert rows["träck-0058"]["error_type_after"] == "decoder_crash"


def test_the_figures_agree_with_the_tables(whole):
    record = whole["json"]
    assert record["tracks"] == {
        "labelled_in_both": 58, "category_changed": 4, "changed_share": 4 / 58, "music_before": 40,
        "music_to_functional": 3, "music_to_functional_auto": 2, "music_to_functional_share": 3 / 40,
        "functional_type_changed": 4, "label_changed": len(whole["changed_tracks"]),
        "decision_changed": sum(row["decision_changed"] for row in whole["changed_tracks"]),
        "treatment_changed": sum(row["treatment_changed"] for row in whole["changed_tracks"]),
    }  # fmt: skip
    assert record["confusion"]["music"] == {"music": 37, "functional": 3, "speech": 0}
    assert record["confusion"]["functional"] == {"music": 1, "functional": 17, "speech": 0}
    assert {row["cause"]: row["tracks"] for row in record["causes"]} == {"audio_changed": 1, "model_changed": 3}
    assert record["states"]["labelled"] == {"labelled": 58, "dead_letter": 1, "absent": 1}
    causes = {row["error_type"]: row for row in record["dead_letters"]}
    assert (causes["decoder_crash"]["became"], causes["invalid_row"]["rows_after"]) == (1, 1)
    assert record["drift"]["category"] == [
        {"value": row["value"], **{name: row[name] for name in row if name.startswith(("tracks", "share"))}}
        for row in whole["drift"]
        if row["dimension"] == "category"
    ]


def test_drift_by_licensor(whole, tables):
    streams = pq.read_table(tables.parent / "streams.parquet").to_pylist()
    for licensor in ("A", HOSTILE, None):
        rows = [row for row in whole["drift"] if row["dimension"] == "licensor" and row["value"] == licensor]
        assert sum(row["share_before"] for row in rows) == pytest.approx(1)
        after = {row["track_id"] for row in streams if row["licensor"] == licensor} - {"träck-0059"}
        assert sum(row["tracks_after"] for row in rows) == len(after)
    drift = whole["json"]["drift"]["licensor"]
    assert drift["licensors"] == 3
    assert sum(row["category_changed"] for row in drift["rows"]) == 4
    assert sum(row["music_to_functional"] for row in drift["rows"]) == 3


def test_moved_money_adds_up(whole):
    for policy_id in ("spotify", "deezer"):
        rows = [row for row in whole["moved_money"] if row["policy_id"] == policy_id]
        assert (
            sum(row["amount_before"] for row in rows) == sum(row["amount_after"] for row in rows) == Decimal("5000.01")
        )
        assert sum(row["amount_difference"] for row in rows) == 0
        assert sum(row["share_difference"] for row in rows) == 0
    assert {row["track_id"] for row in whole["moved_tracks"]} >= {"träck-0000", "träck-0050"}
    policies = {policy["policy_id"]: policy for policy in whole["json"]["money"]["policies"]}
    assert 0 < float(policies["deezer"]["moved_share"]) < 1
    licensors = policies["deezer"]["licensors"]
    assert sum(Decimal(row["amount_difference"]) for row in licensors) == 0
    assert sum(max(Decimal(row["amount_difference"]), 0) for row in licensors) == Decimal(
        policies["deezer"]["moved_between_licensors_amount"]
    )


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_holds_strangers_words_as_words(whole):
    text = (whole["folder"] / "comparison.html").read_text()
    page = Page()
    page.feed(text)
    assert not {"script", "img", "iframe", "link", "object"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert all(value.startswith("#") for name, value in page.attributes if name in ("href", "src"))
    assert "\u202e" not in text and "\x1b" not in text
    assert any("<script>alert('1')</script>" in data for data in page.text)
    ids = {value for name, value in page.attributes if name == "id"}
    assert {value[1:] for name, value in page.attributes if name == "href"} <= ids
    assert ("lang", "en") in page.attributes
    # What scrolls sideways on a phone can be scrolled by keyboard, and has a name.
    assert page.attributes.count(("class", "wide")) == page.attributes.count(("tabindex", "0"))


def test_the_same_comparison_gives_the_same_bytes(tables, whole, tmp_path):
    compared(tables, tmp_path, "--streams", tables.parent / "streams.parquet", "--pool", "5000.01")
    for path in sorted(whole["folder"].iterdir()):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_queries_of_the_docs_run_on_the_files(whole):
    text = (pathlib.Path(__file__).parents[2] / "docs" / "comparing.md").read_text()
    (block,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    songs, licensors = [
        duckdb.sql(query.replace("'comparison/", f"'{whole['folder']}/")).fetchall()
        for query in block.split(";\n")
        if query.strip()
    ]
    assert {row[0] for row in songs} == {"träck-0000", "träck-0002"}
    assert sum(row[2] for row in licensors) == 0


def test_settings_that_differ_are_named(tables, tmp_path):
    settings = {"coverage": "full", "audio": {"sampled_windows": 3}}
    for run_id, config in (("x", settings), ("y", settings | {"audio": {"sampled_windows": 9}})):
        publish_run(tmp_path / run_id, "2026-11-24", run_id=run_id, tracks=3, manifest={"config": config})
    argv = ["--before", tmp_path / "x", "--after", tmp_path / "y", "--output", tmp_path / "c"]
    assert run([str(argument) for argument in argv]) == 0
    record = json.loads((tmp_path / "c" / "comparison.json").read_text())
    assert record["config_changes"] == [{"key": "audio.sampled_windows", "before": 3, "after": 9}]
    assert "audio.sampled_windows" in (tmp_path / "c" / "comparison.html").read_text()


def test_without_streams_there_is_no_money(tables, tmp_path):
    found = compared(tables, tmp_path)
    assert found["json"]["money"] is None
    assert "moved_money" not in found
    assert {row["streams"] for row in found["changed_tracks"]} == {None}
    assert not [row for row in found["drift"] if row["dimension"] == "licensor"]


def files_of(folder):
    return {path.name for path in folder.iterdir()}


def test_nothing_of_an_earlier_comparison_stays(tables, tmp_path):
    flags = ("--streams", tables.parent / "streams.parquet", "--pool", "5000.01")
    compared(tables, tmp_path / "c", *flags)
    (tmp_path / "c" / "notes.txt").write_text("of the user")
    (tmp_path / "c" / ".drift.parquet.writing").write_text("of a killed job")
    compared(tables, tmp_path / "c")
    compared(tables, tmp_path / "fresh")
    assert files_of(tmp_path / "c") == files_of(tmp_path / "fresh") | {"notes.txt"}


def test_a_comparison_that_fails_does_not_look_whole(tables, tmp_path, monkeypatch):
    compared(tables, tmp_path / "c")

    def fails(connection, record):
        assert "drift.parquet" in files_of(tmp_path / "c")
        assert not {"comparison.json", "comparison.html"} & files_of(tmp_path / "c")
        raise OSError("as a disk does")

    monkeypatch.setattr("transforms.comparison.comparison_html", fails)
    argv = ["--before", str(tables), "--after", str(tables), "--output", str(tmp_path / "c")]
    with pytest.raises(OSError, match="as a disk does"):
        run(argv)
    assert files_of(tmp_path / "c") == set()


def test_a_run_compared_with_itself_in_another_folder_has_not_changed(tables, tmp_path, capsys):
    other = tmp_path / "other"
    publish_run(other, "2026-11-23", run_id="a", tracks=60)
    publish_run(tmp_path / "twin", "2026-11-23", run_id="a", tracks=60)
    argv = ["--before", str(other), "--after", str(tmp_path / "twin"), "--output", str(tmp_path / "c")]
    assert run([*argv, "--max_changed_share", "0", "--max_music_to_functional", "0"]) == 0
    record = json.loads((tmp_path / "c" / "comparison.json").read_text())
    assert (record["causes"], record["tracks"]["category_changed"]) == ([], 0)
    assert [limit["refused"] for limit in record["limits"]] == [False, False]
    assert "0 of 60 tracks changed category (0.00%)" in capsys.readouterr().out


LIMITS = [
    (["--max_changed_share", "0.06"], "max_changed_share"),
    (["--max_music_to_functional", "2"], "max_music_to_functional"),
    (["--max_music_to_functional_share", "0.07"], "max_music_to_functional_share"),
    (["--streams", "S", "--max_moved_share", "0.0001"], "max_moved_share"),
    (["--config", "C"], "max_changed_share"),
]


@pytest.mark.parametrize(("flags", "gate"), LIMITS, ids=[gate for _, gate in LIMITS])
def test_a_limit_that_is_crossed_ends_with_status_3(tables, tmp_path, capsys, flags, gate):
    (tmp_path / "config.yaml").write_text("gates: {max_changed_share: 0.01, max_music_to_functional_share: 0.9}\n")
    paths = {"S": str(tables.parent / "streams.parquet"), "C": str(tmp_path / "config.yaml")}
    found = compared(tables, tmp_path / "c", *(paths.get(flag, flag) for flag in flags), status=3)
    assert [limit["gate"] for limit in found["json"]["limits"] if limit["refused"]] == [gate]
    assert f"earmark: {gate}: " in capsys.readouterr().err


def test_limits_that_are_kept(tables, tmp_path):
    flags = ["--max_changed_share", "0.07", "--max_music_to_functional", "3", "--max_music_to_functional_share", "0.08"]
    found = compared(tables, tmp_path, *flags, "--streams", tables.parent / "streams.parquet", "--max_moved_share", "1")
    assert [limit["refused"] for limit in found["json"]["limits"]] == [False] * 4


@pytest.mark.parametrize(
    "flags",
    [["--max_changed_share", "1"], ["--max_music_to_functional", "9999"], ["--max_music_to_functional_share", "1"],
     ["--config", "C"], ["--streams", "S", "--max_moved_share", "1"]],
    ids=lambda flags: flags[-2],
)  # fmt: skip
def test_no_limit_passes_where_no_track_is_in_both_runs(tables, tmp_path, capsys, flags):
    strangers = [label | {"track_id": f"stranger-{number}"} for number, label in enumerate(
        publish_run(tmp_path / "wrong", "2026-11-24", "spotify", run_id="w", tracks=1)
    )]  # fmt: skip
    publish_run(tmp_path / "wrong", "2026-11-24", "spotify", run_id="w", labels=strangers)
    (tmp_path / "config.yaml").write_text("gates: {max_changed_share: 1, min_rows_for_shares: 100}\n")
    paths = {"S": str(tables.parent / "streams.parquet"), "C": str(tmp_path / "config.yaml")}
    given = [paths.get(flag, flag) for flag in flags]
    argv = ["--before", tables, "--after", tmp_path / "wrong", "--output", tmp_path / "c", *given]
    assert run([str(argument) for argument in argv]) == 3
    told = capsys.readouterr()
    said = "No track is in both run b (59 labels) and run w (1 label) with a label, so nothing was compared"
    (line,) = told.err.splitlines()
    assert line.startswith(f"earmark: {said}") and line.endswith("None of the limits was checked.")
    assert said in told.out and "not checked  max_" in told.out
    assert "kept  " not in told.out and "CROSSED" not in told.out
    record = json.loads((tmp_path / "c" / "comparison.json").read_text())
    assert all(limit["refused"] and limit["value"] is None for limit in record["limits"])
    assert "is crossed" not in (tmp_path / "c" / "comparison.html").read_text()
    if flags[0] == "--max_changed_share":  # and without a limit there is nothing to refuse
        assert run([str(argument) for argument in argv[:-2]]) == 0
        told = capsys.readouterr()
        assert said in told.out and not told.err


def test_what_the_console_says_of_dead_letters_and_of_one_track(tables, tmp_path, capsys):
    compared(tables, tmp_path / "c")
    told = capsys.readouterr().out
    assert "Labelled only before: 1. Only after: 1. Labelled before, dead letters now: 1. " in told
    assert "Dead letters before, labelled now: 0." in told
    one = publish_run(tmp_path / "one", "2026-11-22", run_id="one", tracks=1)
    publish_run(tmp_path / "two", "2026-11-23", run_id="two", labels=[one[0] | FUNCTIONAL])
    publish_run(tmp_path / "one", "2026-11-22", run_id="one", labels=[one[0] | MUSIC])
    argv = ["--before", tmp_path / "one", "--after", tmp_path / "two", "--output", tmp_path / "c"]
    assert run([str(argument) for argument in [*argv, "--max_music_to_functional", "0"]]) == 3
    told = capsys.readouterr()
    assert "1 of 1 track changed category (100.00%)" in told.out
    assert "1 track that was music became functional from run one to two, more than the allowed 0." in told.err


def test_a_limit_that_looks_away_is_not_called_kept(tables, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("gates: {max_changed_share: 0, min_rows_for_shares: 1000}\n")
    compared(tables, tmp_path / "c", "--config", tmp_path / "config.yaml")
    told = capsys.readouterr().out
    assert "not checked  max_changed_share: 58 tracks with a label in both runs are fewer than 1000." in told
    assert "kept  " not in told


def test_the_later_run_given_as_the_one_before_is_pointed_out(tables, tmp_path, capsys):
    dates = ["--before_run_date", "2026-11-24", "--after_run_date", "2026-11-23"]
    found = compared(tables, tmp_path / "c", *dates)
    assert found["json"]["before"]["run_id"] == "b"
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "earmark: --before is the run of 2026-11-24, later than that of --after, 2026-11-23; changes are told "
        "backwards."
    )
    compared(tables, tmp_path / "c")
    assert not capsys.readouterr().err
